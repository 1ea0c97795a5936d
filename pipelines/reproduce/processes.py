"""Jobs as processes of this machine.

A process learns that this one is gone by the end of its standard input, which it is given for that alone
(`pipelines.reproduce.child`); so a kill leaves no job at work for more than a step.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.reproduce.jobs import Job, log_of
from summer.threads import AT_MOST

PROGRAM = ("-m", "pipelines.reproduce.child")  # of Python


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalYard:
    """Processes of this machine.

    Args:
        folder: of jobs.
        devices: one per place, "auto" where the command shall choose; as many jobs are done at once.
        threads: per job, at most; fewer where its model is small.
        inherited: file descriptors that jobs keep open, such as one that holds a lock.
        program: what is given a job's words.
    """

    folder: Path
    devices: Sequence[str]
    threads: int
    inherited: Sequence[int] = ()
    program: Sequence[str] = (sys.executable, *PROGRAM)

    def most(self) -> int:
        """One per device."""
        return len(self.devices)

    def begin(self, job: Job, place: int) -> LocalWork:
        """Start the process of a job."""
        process = started(
            [*self.program, *job.words, "--device", self.devices[place]],
            log=log_of(job, self.folder),
            threads=self.threads,
            inherited=self.inherited,
        )
        return LocalWork(process)


class LocalWork:
    """A job's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.begun = time.monotonic()

    def status(self) -> int | None:
        """As `Work` has it."""
        status = self._process.poll()
        if status is not None:
            self._let_go()
        return status

    def stop(self) -> None:
        """As `Work` has it."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """As `Work` has it."""
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        """Close the standard input of a process that has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()


def started(
    words: Sequence[str], *, log: Path, threads: int, inherited: Sequence[int], folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """A process that writes all that it says to a log; in a folder, or in this process' own."""
    with log.open("wb") as file:
        return subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,  # held open, never written to: its end tells that this process is gone
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, AT_MOST: str(threads), "COLUMNS": "160"},
            pass_fds=tuple(inherited),
        )
