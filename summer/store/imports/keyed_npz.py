"""An npz of vectors keyed by utterance id, in one of two forms.

id (rows,) text; features or raw (rows, dim); may have status and reason (rows,), as summer-data export writes
one array (dim,) per utterance, named by its id
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Status
from summer.durable import is_no_file
from summer.store.imports.keyed import KeyedFile
from summer.store.imports.unpickle import ImportFileError

NO_ARCHIVE = (  # what numpy and zipfile end with: of headers that are no Python, members that are encrypted
    *(ValueError, EOFError, KeyError, TypeError, OverflowError, MemoryError, RuntimeError, SyntaxError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
MATRIX_NAMES = ("features", "raw")
MOST_BYTES, MOST_EXPANSION = (
    256 << 20,
    100,
)  # unpacked: so much, or so many times the archive, if that is more


def read_keyed_npz(path: Path) -> KeyedFile:
    """Read ids and vectors.

    Raises:
        ImportFileError: no npz; arrays of objects; ids and rows that differ in number; an id twice.
    """
    arrays = _arrays(path)
    matrix_name = next((name for name in MATRIX_NAMES if name in arrays), None)
    if "id" in arrays and matrix_name:
        ids, vectors = _texts(path, arrays, "id"), _numbers(path, matrix_name, arrays[matrix_name])
    elif arrays and "id" not in arrays:
        ids, vectors = list(arrays), _one_a_name(path, arrays)
    else:
        raise ImportFileError(
            f"{path} has the arrays {', '.join(arrays) or 'none'}; write id and features, or one array "
            "per utterance, named by its id"
        )
    if vectors.ndim != 2 or len(vectors) != len(ids) or 0 in vectors.shape:
        raise ImportFileError(
            f"{path} has {len(ids)} ids and {matrix_name} of shape {vectors.shape}; write one row per id"
        )
    if len(set(ids)) < len(ids):
        twice = next(name for name, count in Counter(ids).items() if count > 1)
        raise ImportFileError(f"{path}: id {twice!r} stands twice; each utterance has one vector")
    return KeyedFile(
        path=path,
        columns=tuple(f"entry {column}" for column in range(vectors.shape[1])),
        row_of={name: row for row, name in enumerate(ids)},
        vectors=vectors,
        failed=_failed(path, arrays, ids) if matrix_name and "status" in arrays else {},
        # "one an id" is in the fingerprints of stores that exist, so its wording stays.
        options={"format": "npz", "array": matrix_name or "one an id"},
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if is_no_file(path):
        raise ImportFileError(f"{path} is a folder, a pipe or a device; give an npz file")
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ImportFileError(f"{path} is one array without ids; write an npz with id and features")
            _refuse_a_bomb(path, archive)
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        what = error.strerror or str(error)
        raise ImportFileError(
            f"{path} cannot be read as npz ({what}); check its path and copy it again"
        ) from error
    except ImportFileError:
        raise
    except NO_ARCHIVE as error:
        raise ImportFileError(
            f"{path} cannot be read as npz of numbers and text ({error}); write it with numpy.savez and no "
            "objects"
        ) from error


def _refuse_a_bomb(path: Path, archive: np.lib.npyio.NpzFile) -> None:
    unpacked = sum(member.file_size for member in archive.zip.infolist()) if archive.zip else 0
    most = max(MOST_BYTES, MOST_EXPANSION * path.stat().st_size)
    if unpacked > most:
        raise ImportFileError(
            f"{path} would unpack to {unpacked >> 20:,} MiB, more than {most >> 20:,}; write it with "
            "numpy.savez"
        )


def _texts(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> list[str]:
    values = arrays[name]
    if values.dtype.kind not in "US" or values.ndim != 1:
        raise ImportFileError(
            f"{path}: array {name} is {values.dtype} of shape {values.shape}; write it as text, one per row"
        )
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def _numbers(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype.kind not in "fiu":
        raise ImportFileError(f"{path}: array {name!r} is {values.dtype}; write numbers")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _one_a_name(path: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    vectors = {name: np.squeeze(_numbers(path, name, values)) for name, values in arrays.items()}
    first, pattern = next(iter(vectors.items()))
    for name, vector in vectors.items():
        if vector.ndim != 1 or vector.shape != pattern.shape:
            raise ImportFileError(
                f"{path}: array {name!r} has shape {arrays[name].shape}, {first!r} has "
                f"{arrays[first].shape}; write "
                "vectors of one length, one per utterance"
            )
    return np.stack(list(vectors.values()))


def _failed(path: Path, arrays: dict[str, NDArray[Any]], ids: Sequence[str]) -> dict[str, tuple[Status, str]]:
    statuses = _texts(path, arrays, "status")
    reasons = _texts(path, arrays, "reason") if "reason" in arrays else [""] * len(ids)
    if not len(statuses) == len(reasons) == len(ids):
        raise ImportFileError(
            f"{path} has {len(ids)} ids and {len(statuses)} statuses; write one status per id"
        )
    strange = sorted(set(statuses) - {status.value for status in Status})
    if strange:
        raise ImportFileError(
            f"{path}: status {strange[0]!r} is not one of {', '.join(Status)}; correct it or leave out the "
            "array"
        )
    return {
        name: (Status(status), reason or f"{status} in {path.name}")
        for name, status, reason in zip(ids, statuses, reasons, strict=True)
        if status != Status.OK
    }
