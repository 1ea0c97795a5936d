"""Files fetched from their addresses into a temporary folder of this process, within a limit at any time.

What cannot be had is tried again a few times, unless its server says that this is no use; then there is an
error with a reason for people. The folder goes when the process ends; what a killed process left is removed
by the next one of this user that makes such a folder on the machine.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import finalize

import fsspec
from fsspec.callbacks import Callback

from extraction.remote.address import OF_THE_WEB, file_name, scheme_of, shown
from summer.durable import NO_LOCKS, first_line

FOLDERS, LOCK = "summer-media-", ".lock"
SECONDS_UNTIL_CLAIMED = 60.0  # a younger folder may not be locked yet
AT_ONCE = 4  # a fetch waits for the network, not for a core
SECONDS_BEFORE_TRIES = (0.0, 1.0, 2.0, 4.0, 8.0)
SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 30.0, 60.0
WORTH_ANOTHER_TRY = (408, 425, 429)  # of HTTP's answers below 500
NO_USE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
FULL = (errno.ENOSPC, errno.EDQUOT)


class RemoteError(ValueError):
    """Nothing can be fetched at all, whatever the file; the message names the remedy."""


class FetchError(ValueError):
    """One file cannot be had.

    Args:
        reason: for people.
        is_final: another try is no use; else the network may be to blame.
    """

    def __init__(self, reason: str, *, is_final: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class NoRoomError(ValueError):
    """A file does not fit beside those that are there."""


Fetched = Path | FetchError | NoRoomError


class MediaCache:
    """Copies of some files, at most `limit_bytes` together.

    Raises:
        RemoteError: no temporary folder can be made.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held: dict[str, int] = {}  # address → bytes, also of a file that is on its way
        self._counting = threading.Lock()
        _sweep()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=FOLDERS))
            claim = os.open(self._folder / LOCK, os.O_CREAT | os.O_RDWR)
            _claim(claim)
        except OSError as error:
            raise _no_disk(error) from error
        self._end = finalize(self, _remove, self._folder, claim)  # at the end of the process, too

    def close(self) -> None:
        """Remove all."""
        self._end()

    def fetch(self, addresses: Iterable[str]) -> Mapping[str, Fetched]:
        """Fetch what is not there yet, some at once: each file's copy, or why there is none.

        Raises:
            RemoteError: a package is missing, or the disk is full.
        """
        found: dict[str, Fetched] = {}
        left = list(dict.fromkeys(addresses))
        for seconds in SECONDS_BEFORE_TRIES:
            if left:
                time.sleep(seconds)
                found |= self._try(left)
            left = [address for address in left if _may_be_the_network(found[address])]
        return found

    def keep_only(self, addresses: Collection[str]) -> None:
        """Let go of all other copies."""
        for address in set(self._held) - set(addresses):
            self._drop(address)

    def take_room(self, address: str, more_bytes: int) -> None:
        """Count what comes of a file.

        Raises:
            NoRoomError: it is too much.
        """
        with self._counting:
            if sum(self._held.values()) + more_bytes > self.limit_bytes:
                raise NoRoomError("it is too large")
            self._held[address] = self._held.get(address, 0) + more_bytes

    def _try(self, addresses: Iterable[str]) -> dict[str, Fetched]:
        sources = {address: file_system(address) for address in addresses}
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            promises = {
                address: pool.submit(self._copy, address, *source) for address, source in sources.items()
            }
        return {address: self._found(address, promise) for address, promise in promises.items()}

    def _copy(self, address: str, files: Any, name: str) -> None:
        path = self._path(address)
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            files.get_file(name, str(path), callback=_Counting(self, address))

    def _found(self, address: str, promise: Future[None]) -> Fetched:
        error, path = raised_by(promise), self._path(address)
        if error is None and path.is_file():
            return path
        self._drop(address)
        if isinstance(error, OSError) and error.errno in FULL:
            raise _no_disk(error) from error
        return error if isinstance(error, NoRoomError) else explained(address, error)

    def _path(self, address: str) -> Path:
        entry = hashlib.sha256(address.encode()).hexdigest()[:16]
        return self._folder / entry / file_name(address)

    def _drop(self, address: str) -> None:
        shutil.rmtree(self._path(address).parent, ignore_errors=True)
        with self._counting:
            self._held.pop(address, None)


class _Counting(Callback):  # type: ignore[misc]  # fsspec has no annotations
    """Told of each piece as it comes, so that what is too large is given up on the way."""

    def __init__(self, cache: MediaCache, address: str) -> None:
        super().__init__()
        self._cache, self._address = cache, address

    def set_size(self, size: int | None) -> None:
        if size and size > self._cache.limit_bytes:
            raise NoRoomError("it is too large")

    def relative_update(self, inc: int = 1) -> None:
        self._cache.take_room(self._address, inc)


def file_system(address: str) -> tuple[Any, str]:
    """What fetches such addresses, and how it calls the file.

    Raises:
        RemoteError: the package for it is not installed.
    """
    scheme = scheme_of(address)
    try:
        options = {"client_kwargs": {"timeout": _patience()}} if scheme in OF_THE_WEB else {}
        files, name = fsspec.url_to_fs(address, **options)
    except ImportError as error:
        remedy = "pip install 'summer-merc[remote]'" if scheme in OF_THE_WEB else str(error)
        raise RemoteError(
            f"nothing here fetches {scheme}:// yet: {remedy}, on every machine that extracts"
        ) from error
    return files, name


def raised_by(promise: Future[None]) -> Exception | None:
    """How a fetch failed. Each file system has errors of its own, which nobody can list.

    Raises:
        Exception: what Python itself raises in wrong programs.
    """
    error = promise.exception()
    if error is None or isinstance(error, OSError | NoRoomError):
        return error
    if not isinstance(error, Exception) or type(error).__module__ == "builtins":
        raise error
    return error


def explained(address: str, error: Exception | None) -> FetchError:
    """A failure in words, and whether the same may go well a second time."""
    status = int(getattr(error, "status", 0))
    if error is None or isinstance(error, FileNotFoundError):
        return FetchError(f"there is no file at {shown(address)}")
    if status:
        told = f"{status} {getattr(error, 'message', '')}".strip()
        is_final = status < 500 and status not in WORTH_ANOTHER_TRY
        return FetchError(f"{shown(address)} is refused: {told}", is_final=is_final)
    is_final = isinstance(error, NO_USE)
    return FetchError(f"{shown(address)} cannot be fetched: {first_line(error)}", is_final=is_final)


def _may_be_the_network(found: Fetched) -> bool:
    return isinstance(found, FetchError) and not found.is_final


def _patience() -> Any:
    """A film may take an hour, so long as it comes."""
    timeout = import_module("aiohttp").ClientTimeout
    return timeout(total=None, sock_connect=SECONDS_TO_CONNECT, sock_read=SECONDS_OF_SILENCE)


def _no_disk(error: OSError) -> RemoteError:
    return RemoteError(
        f"fetched media have no place in {tempfile.gettempdir()} ({error.strerror}); set TMPDIR to a folder "
        "with room, or give a smaller --fetched-gib"
    )


def _claim(lock: int) -> None:
    """Tell others that a folder is in use; where no locks are kept none of them can remove any."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _remove(folder: Path, claim: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(claim)


def _sweep() -> None:
    """Remove the folders of processes that were killed: nobody holds their locks."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        with suppress(OSError):  # gone, or locked: somebody works with it
            about = folder.lstat()
            is_own = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
            if is_own and time.time() - about.st_mtime > SECONDS_UNTIL_CLAIMED:
                with (folder / LOCK).open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
