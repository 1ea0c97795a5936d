"""The folder that all that a server is given lies below: of its user alone, and gone when the server ends.

A server that is killed cannot clear up; the next one does. A folder is taken for a left-over only if it has
the name and the lock file that this program gives, belongs to the same user, and nobody holds the lock: the
system lets go of the lock of a process that ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from summer.durable import taken

PREFIX = "summer-serve-"
LOCK = "made-by-summer-serve.lock"


@contextmanager
def new_home(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder for the time of the server, mode 0700, after those of killed servers are removed.

    Args:
        parent: None: the folder for temporary files, which TMPDIR names.
    """
    parent = parent or Path(tempfile.gettempdir())
    for left in left_overs(parent):
        shutil.rmtree(left, ignore_errors=True)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        new_lock = home / f"{LOCK}.new"
        with new_lock.open("x") as lock:
            taken(lock)
            new_lock.rename(home / LOCK)  # under its name it was never seen without its owner
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def left_overs(parent: Path) -> list[Path]:
    """Folders of servers that are no more."""
    return [folder for folder in sorted(parent.glob(f"{PREFIX}*")) if _is_ours(folder) and _is_left(folder)]


def _is_ours(folder: Path) -> bool:
    about = folder.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()


def _is_left(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or not there: another server's, being made, or somebody else's
        return False
    return True
