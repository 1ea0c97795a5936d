"""Hard surroundings: full disks, no rights, clocks that go back, locks that fail, two at once, signals.

What a command cannot do it says in a line, status 2, and what it had finished is kept: given room, rights or
quiet, the same command goes on and ends as an undisturbed run does.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.torture.forked import Ended, Forked, done, has_shim, typed
from tests.torture.kills import Outcome, left_of_run, left_stores
from tests.torture.tally import Tally
from tests.torture.victims import audio_corpus

REFUSED, INTERRUPTED = 2, 130
FUTURE_SECONDS = 4_000_000_000  # in 2096
LONG_AGO = "@1970-01-02 00:00:00"  # where the clock of a machine begins whose battery is empty
SIGNALS, SIGNALS_OF_A_SHORT_RUN = 12, 2
SIZES_KIB = (
    4,
    8,
    16,
    24,
    32,
    48,
    64,
    96,
    128,
    192,
    256,
    384,
    512,
    640,
    768,
    900,
    1024,
    1280,
    1600,
    2048,
    3072,
)
SIZES_KIB_OF_A_SHORT_RUN = (16, 500)
Work = Callable[[Path], Callable[[], None]]
Whole = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A command that goes on where it is typed again, and all that must not depend on what happened to it."""

    name: str
    work: Work
    left: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it is tried, and how much."""

    tasks: list[Task]
    whole: Whole
    scratch: Path
    seed: int
    short: bool

    @property
    def log(self) -> Path:
        """What a command said, of the last one."""
        return self.scratch / "log.txt"


def beat(scratch: Path, *, seed: int, short: bool) -> list[Tally]:
    """Try each of them with each command."""
    scratch.mkdir(parents=True)
    tasks = _tasks(scratch / "made", short=short)
    whole: dict[str, Mapping[str, bytes]] = {}
    for task in tasks:
        ended = done(task.work(scratch / "whole" / task.name), scratch / "log.txt")
        assert ended.status == 0, ended.said
        whole[task.name] = task.left(scratch / "whole" / task.name)
    place = Place(tasks=tasks, whole=whole, scratch=scratch, seed=seed, short=short)
    kinds = (_small_disks, _each_write, _without_rights, _clocks, _without_locks, _two_at_once, _signals)
    return [tally for kind in kinds for tally in kind(place)]


def _tasks(folder: Path, *, short: bool) -> list[Task]:
    folder.mkdir()
    sounds = audio_corpus(folder / "sounds", dialogues=8)
    features, recipe = made_stores(folder / "stores"), made_recipe(folder)
    store = features / "text.h5"
    tasks = [
        Task(
            name="extraction",
            work=lambda out: typed("summer-extract", *_extracted(sounds, out)),
            left=left_stores,
        ),
        Task(
            name="export",
            work=lambda out: typed(
                "summer-data", "export", store, "--format", "npz", "--out", out / "text.npz", "--overwrite"
            ),
            left=lambda out: {path.name: path.read_bytes() for path in out.glob("*.npz")},
        ),
        Task(
            name="report",
            work=lambda out: typed("summer-report", features, "--out", out / "page.html", "--overwrite"),
            left=lambda out: {path.name: b"" for path in out.glob("*.html")},
        ),
    ]
    train = Task(
        name="training",
        work=lambda out: typed("summer-train", *words(recipe, features, out, "--resume")),
        left=left_of_run,
    )
    return tasks[:2] if short else [*tasks, train]


def _extracted(sounds: Path, out: Path) -> list[str]:
    options = {"--dataset": sounds, "--out": out, "--modality": "audio", "--workers": 0}
    return [*(str(word) for option in options.items() for word in option), "-o", "reduction.audio.width=3"]


def _hold(tally: Tally, case: str, ended: Ended, statuses: tuple[int, ...] = (0, REFUSED)) -> None:
    """Count a case; it must end with one of these statuses, and without a traceback."""
    tally.took(ended.seconds, ended.most_bytes)
    if ended.status not in statuses or ended.has_traceback or ended.is_late:
        tally.find(f"{case}: ended with {ended.status}: {ended.last_line[:300]}")
    elif ended.status == REFUSED and "error: " not in ended.said.lower():
        tally.find(f"{case}: refused without a word: {ended.last_line[:300]}")


def _goes_on(place: Place, task: Task, tally: Tally, case: str, out: Path) -> None:
    """The same command, undisturbed: it must end as an undisturbed run did."""
    ended = done(task.work(out), place.log)
    if ended.status != 0 or ended.has_traceback:
        tally.find(f"{case}, then undisturbed: ended with {ended.status}: {ended.last_line[:300]}")
        return
    left, whole = task.left(out), place.whole[task.name]
    unlike = sorted(name for name in left.keys() | whole.keys() if left.get(name) != whole.get(name))
    strays = [path.name for path in out.rglob("*") if path.name.endswith((".tmp", ".parts"))]
    if unlike or strays:
        tally.find(f"{case}, then undisturbed: other content {unlike[:4]}, left behind {strays[:4]}")


def _small_disks(place: Place) -> Iterator[Tally]:
    """A tmpfs that is too small, then enlarged."""
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name} on a small disk")
        for size_kib in SIZES_KIB_OF_A_SHORT_RUN if place.short else SIZES_KIB:
            folder = place.scratch / f"disk-{task.name}-{size_kib}"
            folder.mkdir()
            with _mounted(folder, f"size={size_kib}k") as is_mounted:
                if not is_mounted:
                    tally.note = "nothing can be mounted here"
                    break
                _hold(tally, f"{size_kib} KiB", done(task.work(folder / "out"), place.log))
                _remount(folder, "size=64m")
                _goes_on(place, task, tally, f"{size_kib} KiB", folder / "out")
        yield tally


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[bool]:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def _each_write(place: Place) -> Iterator[Tally]:
    """From the n-th call on that writes below the folder, every one fails as on a full disk; for each n."""
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name}, every write from the n-th on fails")
        if _cannot_fail(tally):
            yield tally
            continue
        number, is_enough = 1, False
        while not is_enough:
            out = place.scratch / f"write-{task.name}-{number}"
            failing = _with(
                task.work(out),
                FAILING_BELOW=str(out),
                FAILING_FROM=str(number),
                FAILING_ERRNO=str(errno.ENOSPC),
            )
            ended = done(failing, place.log)
            is_enough = ended.status == 0
            _hold(tally, f"write {number}", ended)
            _goes_on(place, task, tally, f"write {number}", out)
            shutil.rmtree(out, ignore_errors=True)
            number += _step(number, short=place.short)
        tally.note = f"up to {number}"
        yield tally


def _cannot_fail(tally: Tally) -> bool:
    """Whether nothing can be made to fail here; the row then says why it is empty."""
    if not has_shim():
        tally.note = "no C compiler is here"
    return not has_shim()


def _step(number: int, *, short: bool) -> int:
    """Each of the first ones, then fewer."""
    return max(1, number if short else number // 12)


def _with(work: Callable[[], None], **environment: str) -> Callable[[], None]:
    def surrounded() -> None:
        os.environ.update(environment)
        work()

    return surrounded


def _without_rights(place: Place) -> Iterator[Tally]:
    """As a user who may write nothing, or read nothing; on a read-only disk; with files in the way."""
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name} without the right to write, or to read")
        closed = place.scratch / f"closed-{task.name}"
        closed.mkdir(mode=0o555)
        for case, out in {
            "in a folder that is closed": closed / "out",
            "a folder that is closed": closed,
        }.items():
            _hold(tally, case, done(task.work(out), place.log, has_privileges=False), (REFUSED,))
        closed.chmod(0o755)
        unseen = place.scratch / f"unseen-{task.name}"
        shutil.copytree(place.scratch / "whole" / task.name, unseen)
        for path in unseen.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o000)
        _hold(tally, "files of no rights", done(task.work(unseen), place.log, has_privileges=False))
        unseen.chmod(0o000)
        hidden = done(task.work(unseen), place.log, has_privileges=False)
        _hold(tally, "a folder of no rights", hidden, (REFUSED,))
        unseen.chmod(0o755)
        (closed / "file").write_text("in the way")
        _hold(
            tally, "a file where the folder must be", done(task.work(closed / "file"), place.log), (REFUSED,)
        )
        (closed / "round").symlink_to("round")
        _hold(tally, "a link to itself", done(task.work(closed / "round"), place.log), (REFUSED,))
        name = "n" * 300
        _hold(tally, "a name that is too long", done(task.work(closed / name), place.log), (REFUSED,))
        fixed = place.scratch / f"fixed-{task.name}"
        fixed.mkdir()
        with _mounted(fixed, "size=64m") as is_mounted:
            if is_mounted:
                _remount(fixed, "ro")
                _hold(tally, "a read-only disk", done(task.work(fixed / "out"), place.log), (REFUSED,))
                _remount(fixed, "rw")
                _goes_on(place, task, tally, "a read-only disk", fixed / "out")
        yield tally


def _clocks(place: Place) -> Iterator[Tally]:
    """Files of tomorrow, and a machine that begins in 1970."""
    faketime = shutil.which("faketime")
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name} while the clock goes back")
        out = place.scratch / f"clock-{task.name}"
        shutil.copytree(place.scratch / "whole" / task.name, out)
        for path in (out, *out.rglob("*")):
            os.utime(path, (FUTURE_SECONDS, FUTURE_SECONDS))
        _hold(tally, "files of 2096", done(task.work(out), place.log), (0,))
        _goes_on(place, task, tally, "files of 2096", out)
        if faketime is None:
            tally.note = "no faketime is here"
        elif not place.short:
            early = place.scratch / f"early-{task.name}"
            _hold(tally, "in 1970", _in_1970(faketime, task.work(early), place.log), (0,))
            _goes_on(place, task, tally, "in 1970", early)
        yield tally


def _in_1970(faketime: str, work: Callable[[], None], log: Path) -> Ended:
    """Where the C library is asked for the time a new interpreter is needed."""

    def begin() -> None:
        command, arguments = work.typed  # type: ignore[attr-defined]
        program = f"from tests.torture.forked import typed; typed({command!r}, *{arguments!r})()"
        import sys

        os.execv(faketime, [faketime, LONG_AGO.removeprefix("@"), sys.executable, "-c", program])

    return done(begin, log)


def _without_locks(place: Place) -> Iterator[Tally]:
    """As NFS without its daemon of locks, Lustre without flock, and some shares do."""
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name} where locks fail")
        if _cannot_fail(tally):
            yield tally
            continue
        for number in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            out = place.scratch / f"locks-{task.name}-{number}"
            failing = _with(task.work(out), FAILING_LOCKS=str(number))
            _hold(tally, errno.errorcode[number], done(failing, place.log), (0,))
            _goes_on(place, task, tally, errno.errorcode[number], out)
        yield tally


def _two_at_once(place: Place) -> Iterator[Tally]:
    """The same command twice: one does it, the other one too or is turned away, and what is left is whole."""
    dice = random.Random(place.seed)
    for task in place.tasks:
        tally = Tally(part="surroundings", what=f"{task.name} twice at once")
        for number in range(1 if place.short else 6):
            out = place.scratch / f"twice-{task.name}-{number}"
            first = Forked(task.work(out), place.scratch / "first.txt")
            time.sleep(dice.uniform(0.0, 0.3))
            second = Forked(task.work(out), place.scratch / "second.txt")
            ends = first.ended(), second.ended()
            for which, ended in zip(("first", "second"), ends, strict=True):
                _hold(tally, f"the {which} of pair {number}", ended)
            if all(ended.status for ended in ends):
                tally.find(
                    f"pair {number}: neither did it: {ends[0].last_line[:150]}; {ends[1].last_line[:150]}"
                )
            _goes_on(place, task, tally, f"pair {number}", out)
        yield tally


def _signals(place: Place) -> Iterator[Tally]:
    """SIGTERM at a random moment: what is under way is finished and kept."""
    dice = random.Random(place.seed + 1)
    for task in (task for task in place.tasks if task.name in ("extraction", "training")):
        tally = Tally(part="surroundings", what=f"{task.name} asked to stop by SIGTERM")
        for number in range(SIGNALS_OF_A_SHORT_RUN if place.short else SIGNALS):
            out = place.scratch / f"term-{task.name}-{number}"
            process = Forked(task.work(out), place.log)
            process.is_over_within(dice.uniform(0.0, 2.0))
            process.signal_group(signal.SIGTERM)
            # before a command minds the signal it ends as any process does
            _hold(tally, f"signal {number}", process.ended(), (0, INTERRUPTED, -signal.SIGTERM))
            _goes_on(place, task, tally, f"signal {number}", out)
        yield tally
