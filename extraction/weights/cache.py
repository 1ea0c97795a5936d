"""The local cache of converted weights: written aside and renamed into place, named by what it holds.

An entry is a folder `STEM-SHA256`, where SHA256 is the digest of its content, so one rename both
publishes an entry and seals it: a truncated or altered entry no longer matches its own name, is not used,
and is built again. Processes that build the same entry at once each write a folder of their own;
whichever renames last finds the other's and takes it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from extraction.weights.memory import cache_folder, known_sha256
from summer.durable import DiskError

LOGGER = logging.getLogger(__name__)
README = "README.txt"
STALE_SECONDS = 24 * 3600


class WeightsUnavailable(ValueError):  # noqa: N818 - what is the case, in one word
    """Weights that no source could give, or that are not what they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights on this machine.

    Args:
        path: a file (.safetensors, .pt, .pth), or a Hugging Face folder.
        sha256: of the file; of a folder: over the names and digests of the files that make the model.
        source: "given", "cache", "hub" or "package index".
        name: as asked for, an id or a path; "" where nothing was named and the network's own were taken.
    """

    path: Path
    sha256: str
    source: str
    name: str = ""


def digest_of_digests(digests: Mapping[str, str]) -> str:
    """One sha256 over the names of files and the sha256 of each, whatever their order."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def kept(stem: str) -> Path | None:
    """The cache's entry of that stem, if one is whole; a damaged one is reported and left out."""
    for entry in sorted(cache_folder().glob(f"{stem}-*")):
        if _is_whole(entry):
            return entry
        LOGGER.warning("the cached weights in %s are damaged and are not used", entry)
    return None


def keep(stem: str, files: Mapping[str, bytes]) -> Path:
    """Publish files as the entry of that stem, in one rename.

    Args:
        stem: what the entry is, with a version of its making: `vggface2-1`.
        files: content by file name; README.txt is for people and not part of the digest.

    Returns:
        The entry's folder, whole, ours or that of another process that was faster.

    Raises:
        WeightsUnavailable: the cache cannot be written (read-only, disk full).
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != README}
    entry = cache_folder() / f"{stem}-{digest_of_digests(digests)}"
    aside = aside_of(entry)
    with writing(entry.parent):
        _sweep(entry.parent)
        try:
            aside.mkdir(parents=True)
            for name, content in files.items():
                (aside / name).write_bytes(content)
            _rename(aside, entry)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return entry


def ready_cache(size_bytes: int) -> None:
    """Make sure that the cache can take that many bytes, before they are fetched.

    Raises:
        WeightsUnavailable: the folder cannot be made or written, or has too little room.
    """
    folder = cache_folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = aside_of(folder / "probe")
        probe.touch()
        probe.unlink()
        free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise WeightsUnavailable(
            f"{folder} has {free_bytes / 1e6:.0f} MB free and the weights need {size_bytes / 1e6:.0f} MB; "
            "free some room, or set SUMMER_CACHE to a folder on a larger disk"
        )


def aside_of(target: Path) -> Path:
    """A hidden path beside `target`, of this process alone, also where many machines share the cache."""
    return target.parent / f".{target.name[:80]}-{os.getpid()}-{secrets.token_hex(4)}.part"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says what to do about the cache."""
    try:
        yield
    except OSError as problem:
        raise WeightsUnavailable(
            f"the cache {folder} cannot be written ({problem.strerror or problem}); "
            "set SUMMER_CACHE to a folder that is writable and has room"
        ) from problem


def _is_whole(entry: Path) -> bool:
    try:
        digests = {path.name: known_sha256(path) for path in entry.iterdir() if path.name != README}
    except (OSError, DiskError):
        return False
    return entry.name.endswith(f"-{digest_of_digests(digests)}")


def _rename(aside: Path, entry: Path) -> None:
    if entry.exists() and not _is_whole(entry):
        damaged = aside_of(entry)
        with suppress(FileNotFoundError):  # another process may have done the same
            entry.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        aside.rename(entry)
    except OSError:
        if not _is_whole(entry):  # else another process was faster, and its entry is the same by name
            raise


def _sweep(folder: Path) -> None:
    """Remove what killed processes left aside; what is younger than a day may still be in use."""
    for left in folder.glob(".*.part"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime < STALE_SECONDS:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
