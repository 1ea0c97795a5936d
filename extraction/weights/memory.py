"""What was found out of files before, kept in the cache by all that it depends on: it is found out once.

To hash an encoder's weights, to read its tokenizer, to tokenise a corpus: each takes seconds and says the
same as long as what it was asked of is the same. An entry that is lost, damaged or cannot be written costs
that time again and nothing else.

    $SUMMER_CACHE/known/<what>-<digest of what it depends on>    the sha256 of what was said, then that
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from summer.durable import DiskError, file_sha256, write_aside

FOLDER = "known"
KEY_LETTERS = 32  # of a digest: 128 bits
SMALL_BYTES = 2**20  # files that are hashed as fast as an entry is read
SETTLED_SECONDS = 2.0  # a file may change again within the clock's step in which it was last written


def cache_folder() -> Path:
    """The folder of our own cache: $SUMMER_CACHE, else ~/.cache/summer. It may not exist yet."""
    named = os.environ.get("SUMMER_CACHE", "")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "summer"


def remembered(what: str, of: object, find: Callable[[], str]) -> str:
    """What `find` said the first time it was asked the same, else what it says now.

    Args:
        what: is found, as the beginning of a file's name.
        of: all that it depends on, as JSON has it.

    Raises:
        whatever `find` raises; that is not kept.
    """
    key = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / FOLDER / f"{what}-{key[:KEY_LETTERS]}"
    known = _read(path)
    if known is None:
        known = find()
        with suppress(DiskError, OSError):
            write_aside(path, f"{_sha256(known)}\n{known}".encode())
    return known


def known_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal; of a large one that nobody touched since, what it was.

    Nobody touched what has the same inode, size and times, that of the inode's last change included, which no
    program can set. A file that was written just now is always read.

    Raises:
        DiskError: the file cannot be read.
    """
    try:
        told = path.stat()
    except OSError:
        return file_sha256(path)  # which says why
    if told.st_size < SMALL_BYTES or time.time() - max(told.st_mtime, told.st_ctime) < SETTLED_SECONDS:
        return file_sha256(path)
    numbers = [told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns]
    return remembered("sha256", [str(path.resolve()), *numbers], lambda: file_sha256(path))


def _read(path: Path) -> str | None:
    try:
        sha256, _, known = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return known if sha256 == _sha256(known) else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
