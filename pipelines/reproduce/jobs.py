"""Jobs side by side, each a command in a process of its own; those that are done are not done again.

    OUT/jobs/<name>/log.txt      all that the command said, of its last attempt
    OUT/jobs/<name>/state.json   the command and how it ended; written when it has ended

A job whose state says that this very command ended well, and whose product is there, is done. A job that
fails stops nothing but the jobs that need it. Who does them is a yard's affair: processes of this machine
(`processes.py`) or of a cluster's nodes (`cluster.py`).
"""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from summer.durable import json_of, write_aside

SECONDS_BETWEEN_LOOKS = 0.1
GIB_PER_JOB = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command.

    Args:
        words: what `summer-train` is given.
        product: the file that is there once it is done.
        needs: the job that must be done before, or None.
        cost: any number; cheaper jobs are done first.
    """

    name: str
    words: tuple[str, ...]
    product: Path
    needs: str | None = None
    cost: float = 0.0

    @property
    def command(self) -> str:
        """What a person types to do it again."""
        return shlex.join(["summer-train", *self.words])


class Ending(StrEnum):
    """How a job stands at the end."""

    DONE = "done"
    FAILED = "failed"
    LACKING = "lacking"  # what it needs failed
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job at its end.

    Args:
        seconds: that it took; of one that was done before, then.
        reason: the last line of its log, where it failed.
        was_done: it was done already.
    """

    job: Job
    ending: Ending
    seconds: float = 0.0
    reason: str = ""
    was_done: bool = False


class Work(Protocol):
    """A job under way.

    Attributes:
        begun: when it began, by `time.monotonic`.
    """

    begun: float

    def status(self) -> int | None:
        """Its exit status, negative where a signal ended it; None while it is at work."""
        ...

    def stop(self) -> None:
        """Ask it to stop; it ends its step and keeps what it has."""
        ...

    def wait(self) -> None:
        """Return when it has ended."""
        ...


class Yard(Protocol):
    """Where jobs are done.

    Attributes:
        folder: of jobs.
    """

    @property
    def folder(self) -> Path: ...

    def most(self) -> int:
        """How many are to be under way at once."""
        ...

    def begin(self, job: Job, place: int) -> Work:
        """Begin a job; no other has the number `place` while it is under way."""
        ...


def log_of(job: Job, folder: Path) -> Path:
    """What a job said, below the folder of jobs."""
    return folder / job.name / "log.txt"


def do_jobs(
    jobs: Sequence[Job],
    yard: Yard,
    *,
    on_end: Callable[[Ended], None],
    should_stop: Callable[[], bool],
) -> list[Ended]:
    """Do all that can be done, cheapest first; an ending per job, in the order given.

    Raises:
        DiskError: the disk is full or refuses.
    """
    site = _Site(yard, on_end)
    waiting = sorted(jobs, key=lambda job: job.cost)
    for job in jobs:
        if _is_done(job, yard):
            site.end(Ended(job=job, ending=Ending.DONE, seconds=_seconds(job, yard), was_done=True))
    try:
        while len(site.ended) < len(jobs):
            if should_stop():
                break
            site.begin_what_can_be([job for job in waiting if job.name not in site.known])
            site.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        site.stop()
    for job in jobs:
        if job.name not in site.ended:
            site.end(Ended(job=job, ending=Ending.STOPPED))
    return [site.ended[job.name] for job in jobs]


@dataclass(slots=True)
class _UnderWay:
    job: Job
    place: int
    work: Work


@dataclass(slots=True)
class _Site:
    """What is under way, and what has ended."""

    yard: Yard
    on_end: Callable[[Ended], None]
    ended: dict[str, Ended] = field(default_factory=dict)
    under_way: list[_UnderWay] = field(default_factory=list)

    @property
    def known(self) -> set[str]:
        return {*self.ended, *(one.job.name for one in self.under_way)}

    def end(self, ended: Ended) -> None:
        self.ended[ended.job.name] = ended
        self.on_end(ended)

    def begin_what_can_be(self, waiting: Sequence[Job]) -> None:
        taken = {one.place for one in self.under_way}
        free = [place for place in range(self.yard.most()) if place not in taken]
        for job in waiting:
            before = self.ended.get(job.needs) if job.needs else None
            if before is not None and before.ending is not Ending.DONE:
                self.end(Ended(job=job, ending=Ending.LACKING, reason=f"{job.needs} is not done"))
            elif free and (job.needs is None or before is not None):
                place = free.pop(0)
                log_of(job, self.yard.folder).parent.mkdir(parents=True, exist_ok=True)
                log_of(job, self.yard.folder).write_bytes(b"")
                self.under_way.append(_UnderWay(job, place, self.yard.begin(job, place)))

    def look(self) -> None:
        for one in list(self.under_way):
            status = one.work.status()
            if status is not None:
                self.under_way.remove(one)
                self.end(_ended(one, status, self.yard))

    def stop(self) -> None:
        """Ask what is under way to stop, and wait for it; it keeps what it has."""
        for one in self.under_way:
            one.work.stop()
        for one in self.under_way:
            one.work.wait()
        self.under_way.clear()


def _ended(one: _UnderWay, status: int, yard: Yard) -> Ended:
    job, seconds = one.job, time.monotonic() - one.work.begun
    if status == 0:
        state = {"words": list(job.words), "status": status, "seconds": round(seconds, 1)}
        write_aside(_state(job, yard), json.dumps(state, indent=1).encode())
        return Ended(job=job, ending=Ending.DONE, seconds=seconds)
    return Ended(
        job=job, ending=Ending.FAILED, seconds=seconds, reason=_reason(log_of(job, yard.folder), status)
    )


def _reason(log: Path, status: int) -> str:
    """The last line that was said, and the signal where one ended the process."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].strip().removeprefix("error: ") if lines else "it said nothing"
    if status >= 0:
        return said
    name = signal.Signals(-status).name
    memory = ", often for want of memory: give fewer --jobs" if name == "SIGKILL" else ""
    return f"ended by {name}{memory}; its last line: {said}"


def _state(job: Job, yard: Yard) -> Path:
    return yard.folder / job.name / "state.json"


def _read_state(job: Job, yard: Yard) -> Mapping[str, Any]:
    """What is known of an earlier attempt; {} of none, and of a file that is no state."""
    path = _state(job, yard)
    try:
        found = json_of(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_done(job: Job, yard: Yard) -> bool:
    state = _read_state(job, yard)
    return state.get("words") == list(job.words) and state.get("status") == 0 and job.product.is_file()


def _seconds(job: Job, yard: Yard) -> float:
    return float(_read_state(job, yard).get("seconds", 0.0))
