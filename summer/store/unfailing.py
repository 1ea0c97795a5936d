"""A file that HDF5 may write to though the disk is full.

HDF5 does not survive a write that fails: the file cannot be closed any more, and its library tries again, and
crashes, while the process ends. So it is told that all is well, and what the system said first is kept, to be
raised once HDF5 has let go.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from typing import Any


class Unfailing:
    """What h5py asks of a file, around one that is open for reading and writing."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._failure: OSError | None = None

    def raise_failure(self) -> None:
        """Raise what the system said first.

        Raises:
            OSError: something could not be written.
        """
        if self._failure is not None:
            raise self._failure

    def write(self, content: Any) -> int:
        """All of a buffer, or nothing any more."""
        rest = memoryview(content)

        def write_rest() -> None:
            done = 0
            while done < len(rest):
                done += self._file.write(rest[done:]) or 0

        self._attempt(write_rest)
        return len(rest)

    def truncate(self, size: int) -> int:
        """Set the length."""
        self._attempt(lambda: self._file.truncate(size))
        return size

    def readinto(self, buffer: Any) -> int:
        """What is there; zeros in place of what could not be written."""
        place = memoryview(buffer)
        read = self._file.readinto(place) or 0
        if self._failure is not None and read < len(place):
            place[read:] = bytes(len(place) - read)
            return len(place)
        return read

    def read(self, size: int = -1) -> bytes:
        """h5py knows by it that this is a file."""
        return self._file.read(size) or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where it stands."""
        return self._file.tell()

    def flush(self) -> None:
        """Nothing waits here."""

    def _attempt(self, act: Callable[[], object]) -> None:
        if self._failure is not None:
            return
        try:
            act()
        except OSError as error:
            self._failure = error
