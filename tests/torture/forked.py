"""Work in a process that need not import anything first: a fork of this one, in a group of its own.

A fork takes some milliseconds where a new interpreter takes seconds, so hundreds can be tried and killed. Its
largest memory is the kernel's own count, libraries included.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

SHIM_LIBRARY = "failing.so"  # of failing.c
BYTES_PER_KIB = 1024
WAITING = 10  # times the seconds of a processor that are granted, and one that still is not done hangs
CAPSET, CAPABILITIES_VERSION_3 = 126, 0x20080522  # of x86-64 Linux
COMMANDS = {
    "summer-extract": "pipelines.extract.command",
    "summer-data": "pipelines.data.command",
    "summer-tune": "pipelines.tune.command",
    "summer-train": "pipelines.train.command",
    "summer-evaluate": "pipelines.evaluate.command",
    "summer-predict": "pipelines.predict.command",
    "summer-report": "pipelines.report.command",
    "summer-reproduce": "pipelines.reproduce.command",
}
LOADED_ONCE = (  # whatever a command imports late, so that a fork has it
    *("torch", "av", "cv2", "h5py", "opensmile", "facenet_pytorch", "accelerate", "transformers"),
    *("extraction.audio", "extraction.video.extractor", "extraction.text.tuning", "extraction.text.training"),
    *(f"pipelines.{name}.run" for name in ("extract", "data", "tune", "train", "evaluate", "predict")),
    "pipelines.report.run",
    *("pipelines.reproduce.run", "summer.runs.experiment", "summer.report.figures"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended.

    Args:
        status: its exit status; of one that a signal ended, minus its number.
        said: all that it wrote, to standard output and error.
        seconds: of a processor, its own and those of what it began; others on the machine add nothing.
        most_bytes: the most memory that it held.
        is_late: it was still at work after the time that it was given, and was killed.
    """

    status: int
    said: str
    seconds: float
    most_bytes: int
    is_late: bool = False

    @property
    def has_traceback(self) -> bool:
        """Whether a program's fault was shown."""
        return "Traceback (most recent call last)" in self.said

    @property
    def last_line(self) -> str:
        """The last line that it wrote."""
        return next((line for line in reversed(self.said.splitlines()) if line.strip()), "")


def load_once() -> None:
    """Import what commands need; one thread each, for threads do not survive a fork."""
    import torch

    torch.set_num_threads(1)
    for name in LOADED_ONCE:
        import_module(name)


def typed(command: str, *words: str | Path) -> Callable[[], None]:
    """What a console script does with these words."""

    def work() -> None:
        sys.argv = [command, *map(str, words)]
        import_module(COMMANDS[command]).main()

    work.typed = command, [str(word) for word in words]  # type: ignore[attr-defined]
    return work


class Forked:
    """Work begun in a process and process group of its own.

    Args:
        log: where all goes that it writes.
        has_privileges: else it may do no more than the owner of its files, though it is root.
    """

    def __init__(self, work: Callable[[], None], log: Path, *, has_privileges: bool = True) -> None:
        self._log = log
        sys.stdout.flush()
        sys.stderr.flush()
        with log.open("wb") as file:
            self.pid = os.fork()
            if self.pid == 0:
                _child(work, file.fileno(), has_privileges=has_privileges)
        self._handle = os.pidfd_open(self.pid)

    def is_over_within(self, seconds: float) -> bool:
        """Wait so long at most."""
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(max(0.0, seconds) * 1000))

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it began."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:  # between fork and setsid there is no such group yet
            os.kill(self.pid, number)

    def ended(self, within_seconds: float = 600.0) -> Ended:
        """Wait for its end; one that is late is killed with all that it began."""
        is_late = not self.is_over_within(within_seconds)
        if is_late:
            self.signal_group(signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self._handle)
        code = os.waitstatus_to_exitcode(status)
        return Ended(
            status=code,
            said=self._log.read_text(encoding="utf-8", errors="replace"),
            seconds=usage.ru_utime + usage.ru_stime,
            most_bytes=usage.ru_maxrss * BYTES_PER_KIB,
            is_late=is_late or code == -signal.SIGXCPU,
        )


def done(
    work: Callable[[], None], log: Path, *, cpu_seconds: float = 120.0, has_privileges: bool = True
) -> Ended:
    """Do it, to its end; what takes more of a processor than it is granted is ended."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (round(cpu_seconds), resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        work()

    return Forked(limited, log, has_privileges=has_privileges).ended(WAITING * cpu_seconds)


def has_shim() -> bool:
    """Whether writes and locks of this process and its forks can be made to fail."""
    return SHIM_LIBRARY in os.environ.get("LD_PRELOAD", "")


def _child(work: Callable[[], None], log: int, *, has_privileges: bool) -> None:
    """In the fork: never returns."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        if not has_privileges:
            _give_up_privileges()
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (a fork must not go on with what its parent does)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _give_up_privileges() -> None:
    """Leave root with the rights of an owner: the interpreter may lie where nobody else can read it."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).syscall(CAPSET, header, none):
        raise OSError(ctypes.get_errno(), "capset")
