"""Where the files of a corpus lie: known names, looked for under the root, whatever the nesting.

Archives unpack differently by tool and by year: `train_splits/`, `train/train_splits/`, `MELD.Raw/train/...`.
Two candidates are never chosen between in silence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from extraction.corpora.corpus import CorpusError

APPLEDOUBLE = "._"  # what macOS adds to archives beside each file: attributes, never media
NEVER_ENTERED = "__MACOSX"
DEEPEST = 3


def folders_under(root: Path) -> list[Path]:
    """The root and its folders down to three levels, nearest first, in order of name.

    Raises:
        CorpusError: a folder cannot be listed.
    """
    found, level = [root], [root]
    for _ in range(DEEPEST):
        level = [folder for parent in level for folder in _subfolders(parent)]
        found += level
    return found


def entries(folder: Path) -> list[Path]:
    """What is in a folder, in order of name.

    Raises:
        CorpusError: it cannot be listed.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _cannot_list(folder, error) from error


def is_file(path: Path) -> bool:
    """Tell whether a file is there; a name that no file system takes is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def the_only(found: Sequence[Path], what: str) -> Path | None:
    """The one candidate, or None.

    Raises:
        CorpusError: there are two; both are named.
    """
    if len(found) > 1:
        raise CorpusError(
            f"{what} is there twice, {found[0]} and {found[1]}; remove one, or give a root with only one"
        )
    return found[0] if found else None


def relative(path: Path, root: Path) -> str:
    """A path as a person at the root would write it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as scan:  # knows folders from files without asking for each of 10,000 clips
            return sorted(Path(entry.path) for entry in scan if _is_entered(entry))
    except OSError as error:
        raise _cannot_list(folder, error) from error


def _is_entered(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name != NEVER_ENTERED and entry.is_dir()


def _cannot_list(folder: Path, error: OSError) -> CorpusError:
    return CorpusError(f"{folder} cannot be listed: {error.strerror}; check its rights")
