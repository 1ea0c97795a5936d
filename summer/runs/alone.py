"""One training at a time in the folder of a run.

    .RUN.lock    beside the folder, for --overwrite renames that: who works in RUN holds its lock
    RUN/.lock    in its stead where nobody may write beside the folder, and so none renames it either, as in
                 a container that is given the folder alone

The system lets go of the lock of a process that is killed. The file goes at the end of the work; who had it
open by then finds that it has no name any more, and opens another.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from summer.durable import explained_disk_errors, holder_of, opened_lock, taken
from summer.runs.folder import LOCK, RunError

CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep every other training out of a folder, which need not be there yet.

    Raises:
        RunError: another one is at work in it.
        DiskError: nothing can be written there.
    """
    with explained_disk_errors(out):
        made = [folder for folder in out.absolute().parents if not folder.exists()]
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = _held(out)
        except BaseException:
            _remove_empty(made)
            raise
    with lock:
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)
            _remove_empty(made)


def _held(out: Path) -> TextIO:
    while True:
        lock = _opened(out)
        if not taken(lock):
            with lock:
                raise RunError(
                    f"another run is at work in {out} ({holder_of(lock)}); wait for it, stop it, or give "
                    "another --out"
                )
        if _still_has_its_name(lock):
            return lock
        lock.close()


def _opened(out: Path) -> TextIO:
    beside = out.absolute().with_name(f".{out.absolute().name}{LOCK}")
    try:
        return opened_lock(beside)
    except OSError as error:
        if error.errno not in CLOSED or beside.exists() or not out.is_dir():
            raise
    return opened_lock(out / LOCK)


def _still_has_its_name(lock: TextIO) -> bool:
    """Whether the file is still the one of that name: who held it before removed it at the end."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), Path(lock.name).stat())
    except FileNotFoundError:
        return False


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made for the lock, innermost first, as far as nothing came into them."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
