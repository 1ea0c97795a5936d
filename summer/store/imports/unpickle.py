"""A pickle as data: numpy arrays and builtin containers are read, all else is refused by name.

A pickle is a program that may call anything it can name. Here it can name only what is in `HARMLESS`: what
numpy, Python 2 and Python 3 need to put arrays, numbers, text and containers together. Functions written in
Python are stood in for by objects without attributes: a pickle may also set attributes of what it names.
"""

from __future__ import annotations

import _codecs
import collections
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy._core import multiarray

from summer.durable import first_line, is_no_file

ZIP_MARK = b"PK\x03\x04"  # torch.save, npz
CANNOT_BE_READ = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    SystemError,
    TypeError,
    ValueError,
)


class ImportFileError(ValueError):
    """A file that cannot be made a feature store; the message names the file, the value and the remedy."""


class _Dtype:
    """numpy.dtype; pickles of Python 2 give its flags as 0 and 1, which numpy no longer likes."""

    __slots__ = ()

    def __call__(self, kind: str, align: int = 0, copy: int = 0) -> np.dtype[Any]:
        return np.dtype(kind, align=bool(align), copy=bool(copy))


class _FromBuffer:
    """How pickle's protocol 5 puts a contiguous array together."""

    __slots__ = ()

    def __call__(
        self, buffer: bytes | bytearray, dtype: np.dtype[Any], shape: Any, order: Any, *_: Any
    ) -> np.ndarray:
        return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


class _Encode:
    """How the old protocols write bytes; no other encoding is looked up."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise ValueError(f"bytes written as {encoding!r} text, not as latin1")
        return _codecs.latin_1_encode(text)[0]


def _harmless() -> Mapping[tuple[str, str], Callable[..., Any]]:
    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _Dtype(),
        ("_codecs", "encode"): _Encode(),
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "defaultdict"): collections.defaultdict,
    }
    for core in ("numpy.core", "numpy._core"):  # before and since numpy 2
        found[f"{core}.multiarray", "_reconstruct"] = multiarray._reconstruct
        found[f"{core}.multiarray", "scalar"] = multiarray.scalar
        found[f"{core}.numeric", "_frombuffer"] = _FromBuffer()
    containers = (list, tuple, dict, set, frozenset, bytes, bytearray, int, float, bool, complex)
    for module in ("builtins", "__builtin__"):  # Python 3 and 2
        found |= {(module, kind.__name__): kind for kind in containers}
    return found


HARMLESS = _harmless()


class _DataUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")  # Python 2's text and arrays
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle names, if it is harmless."""
        if (module, name) in HARMLESS:
            return HARMLESS[module, name]
        remedy = "only numpy arrays and builtin containers are read"
        if module.partition(".")[0] == "torch":
            remedy += "; load it with torch, convert its tensors by .numpy() and pickle that"
        raise ImportFileError(f"{self._path} asks for {module}.{name}; {remedy}")

    def persistent_load(self, identifier: Any) -> Any:
        """Refuse objects that lie outside the pickle."""
        raise ImportFileError(
            f"{self._path} asks for an object outside the pickle ({str(identifier)[:40]}), as torch.save "
            "writes; convert its tensors by .numpy() and write them with pickle.dump"
        )


def read_untried(path: Path) -> object:
    """The content of a pickle of Python 2 or 3; trial.py sees to it that it takes no more than it can need.

    Raises:
        ImportFileError: the file is absent, empty, truncated, no pickle, or asks for anything else.
    """
    if is_no_file(path) and not path.is_dir():
        raise ImportFileError(f"{path} is a pipe or a device; give a file")
    try:
        with path.open("rb") as file:
            if file.read(len(ZIP_MARK)) == ZIP_MARK:
                raise ImportFileError(
                    f"{path} is a zip archive (npz, or written by torch.save), not a pickle; import an npz "
                    "with --format npz, and write tensors with pickle.dump after .numpy()"
                )
            file.seek(0)
            return _DataUnpickler(file, path).load()
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}; check its path") from error
    except ImportFileError:
        raise
    except CANNOT_BE_READ as error:
        raise ImportFileError(
            f"{path} is empty, truncated or not a pickle ({first_line(error)}); copy or download it again"
        ) from error
