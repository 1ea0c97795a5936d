"""Files that a kill, a full disk or a second process cannot leave half written: aside, then renamed.

And what names a file by its content: its sha256. And JSON, which somebody else may have written.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

LOGGER = logging.getLogger(__name__)
BYTES_PER_MIB = 2**20
ASIDE = re.compile(r"\..+\.\d+\.tmp")  # the file's name, and the process that writes it
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}  # as of NFS without lockd, Lustre without flock


class DiskError(ValueError):
    """The operating system refuses to write or to read; the message names file, cause and remedy."""


def write_aside(path: Path, content: bytes) -> None:
    """Put `content` at `path` by one rename, so that a kill leaves the old file or the new one.

    Raises:
        DiskError: disk full, or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explained_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            replace_durably(aside, path)
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            aside.unlink()


def clear_asides(path: Path) -> None:
    """Remove what killed runs left aside of a file; only who holds its lock may do so.

    Raises:
        OSError: it cannot be removed.
    """
    for aside in path.parent.glob(f".{path.name}.*.tmp"):
        aside.unlink(missing_ok=True)


def clear_asides_below(folder: Path) -> None:
    """Remove what killed runs left aside of any file in a folder that no other run works in.

    Raises:
        OSError: it cannot be removed.
    """
    for aside in folder.rglob(".*.tmp"):
        if ASIDE.fullmatch(aside.name) and aside.is_file():
            aside.unlink(missing_ok=True)


def replace_durably(aside: Path, path: Path) -> None:
    """Rename `aside` to `path` once its bytes are on the disk."""
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EACCES: "permission denied; choose another --out or change its permissions",
    errno.EPERM: "permission denied; choose another --out or change its permissions",
    errno.EROFS: "the file system is read-only; choose another --out",
    errno.ENOTDIR: "a file stands where a folder must be; choose another --out",
    errno.EEXIST: "a file stands where a folder must be; choose another --out",
    errno.ENAMETOOLONG: "the file system takes no name as long; choose another --out or shorter names",
    errno.ELOOP: "a symbolic link leads to itself; choose another --out",
}

TORCH_CANNOT_WRITE = ("inline_container.cc", "iostream error")  # what torch.save says of a write that fails


@contextmanager
def explained_disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into errors that name the remedy."""
    try:
        yield
    except Exception as error:  # of any library that writes
        remedy = _remedy_of(error)
        if remedy is None:
            raise
        raise DiskError(
            f"cannot write {path}: {remedy} and run the same command again: what is finished is kept"
        ) from error


def _remedy_of(error: Exception) -> str | None:
    """What helps where the operating system refused to write; of any other error None."""
    said = str(error)
    for number, remedy in REMEDIES.items():
        in_words = (f"errno = {number},", f"(os error {number})")  # HDF5's; those of safetensors, by Rust
        if getattr(error, "errno", None) == number or any(words in said for words in in_words):
            return remedy
    if isinstance(error, RuntimeError) and any(words in said for words in TORCH_CANNOT_WRITE):
        return "a write failed, and torch does not say why: most likely the disk is full; free some space"
    return None


def opened_lock(path: Path) -> TextIO:
    """Open the file of a lock, for `taken`; what it says of its holder stays."""
    return path.open("a+", encoding="utf-8")


def taken(lock: TextIO, *, shared: bool = False) -> bool:
    """Take the lock of an open file, unless another process holds it; it is let go when the file is closed.

    The file then says who holds it alone. Where the file system keeps no locks nobody can be kept out: a
    warning says so, and the lock is as taken.
    """
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        LOGGER.warning(
            "the file system of %s keeps no locks (%s): see to it that no other run works there",
            Path(lock.name).parent,
            error.strerror,
        )
    _sign(lock, shared=shared)
    return True


def wait_for(lock: TextIO) -> None:
    """Take a lock that was not `taken`, as soon as its holder lets go."""
    fcntl.flock(lock, fcntl.LOCK_EX)
    _sign(lock)


def holder_of(lock: TextIO) -> str:
    """Who holds a lock that was not `taken`, as a person finds the process."""
    lock.seek(0)
    return lock.readline().strip() or "a process that is not named"


def _sign(lock: TextIO, *, shared: bool = False) -> None:
    """Say in a lock's file who holds it alone; on a full disk it says nothing, and locks all the same."""
    with suppress(OSError):
        os.ftruncate(lock.fileno(), 0)
        if not shared:
            os.pwrite(lock.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def is_no_file(path: Path) -> bool:
    """Whether something is there that is no file: a folder, a pipe or a device; these may never end."""
    try:
        return path.exists() and not path.is_file()
    except OSError:  # nobody can look; whoever opens it says why
        return False


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    Raises:
        DiskError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}; give a readable file") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the pages that may follow; of one that says nothing, its kind."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def json_of(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: it is none, or nested so deeply that it would take the whole stack.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def check_free_space(path: Path, *, needed_bytes: int) -> None:
    """Refuse to begin a file that cannot fit.

    Raises:
        DiskError: names what is needed and what is free, in MiB.
    """
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskError(
            f"cannot write {path}: it needs up to {needed_bytes // BYTES_PER_MIB} MiB and {folder} has "
            f"{free_bytes // BYTES_PER_MIB} MiB free; free some space and run the same command again: "
            "what is finished is kept"
        )
