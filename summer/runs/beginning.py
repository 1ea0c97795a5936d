"""A start that fails leaves no run behind, and one that stood before as it was.

Until the first step of a training a run is on trial. A run that is to be begun anew stands aside until then:

    RUN                       the new one, on trial
    .RUN.before               the run that stood there, put back if the new one does not come to a step
    .RUN.deleted              the same once it is of no use any more, while it is being deleted

A kill at any point leaves one of the two: the next start puts back what it finds aside.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from summer.durable import explained_disk_errors, write_aside
from summer.runs.folder import RECORD
from summer.training.history import Stopped


@contextmanager
def on_trial(out: Path) -> Iterator[Callable[[], None]]:
    """Undo what the block writes into a run's folder if it fails before it calls what it is given.

    A stop that was asked for is no failure.
    """
    _tidy(out)
    trial = _Trial(out)
    try:
        yield trial.passed
    except Stopped:
        trial.passed()
        raise
    except Exception:
        trial.undo()
        raise
    trial.passed()


def put_aside(out: Path) -> None:
    """Make way for a new run; `on_trial` puts it back or deletes it."""
    with explained_disk_errors(out):
        out.rename(_before(out))


def _before(out: Path) -> Path:
    return out.absolute().with_name(f".{out.absolute().name}.before")


def _deleted(out: Path) -> Path:
    return out.absolute().with_name(f".{out.absolute().name}.deleted")


def _tidy(out: Path) -> None:
    """Put back what a killed start had put aside, and end what a killed deletion began."""
    with explained_disk_errors(out):
        if _before(out).is_dir():
            shutil.rmtree(out, ignore_errors=True)
            _before(out).rename(out)
        if _deleted(out).is_dir():
            shutil.rmtree(_deleted(out))


class _Trial:
    """What stood in a run's folder before, and how to come back to it."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._over = False
        self._stood = set(out.iterdir()) if out.is_dir() else None
        record = out / RECORD
        self._record = record.read_bytes() if record.is_file() else None
        self._made = [folder for folder in (out, *out.parents) if not folder.exists()]

    def passed(self) -> None:
        """The run has come to a step: what stood aside can go."""
        if self._over:
            return
        self._over = True
        if _before(self._out).is_dir():
            _before(self._out).rename(_deleted(self._out))
            shutil.rmtree(_deleted(self._out))

    def undo(self) -> None:
        """Come back to what was there."""
        if self._over:
            return
        if _before(self._out).is_dir():
            _tidy(self._out)
            return
        if self._stood is None:
            for folder in self._made:  # the run, then the folders above it as far as they are empty
                if folder == self._out:
                    shutil.rmtree(folder, ignore_errors=True)
                elif folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            return
        for entry in set(self._out.iterdir()) - self._stood:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if self._record is not None and (self._out / RECORD).read_bytes() != self._record:
            write_aside(self._out / RECORD, self._record)
