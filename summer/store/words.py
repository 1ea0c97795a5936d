"""The words of all rows as one run of bytes and where each row ends, as a store keeps them.

Row r is utf8[ends[r - 1]:ends[r]], decoded; row 0 starts at 0. Text of fixed length would make every row as
long as the longest, and how HDF5 lays out text of variable length depends on the file's history, so that
equal input would not give equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from summer.store.rows import StoreError


def pack_words(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """UTF-8 of all rows, one after the other, (bytes,); and the offset at which each row ends, (rows,).

    Raises:
        StoreError: a text that has no UTF-8 (half of a surrogate pair); names it.
    """
    encoded = [_utf8(text) for text in texts]
    ends = np.cumsum([len(one) for one in encoded], dtype="<i8")
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends


def unpack_words(utf8: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[str]:
    """The text of each row.

    Raises:
        ValueError: ends that go down or past the bytes, or bytes that are no UTF-8.
    """
    bounds = [0, *ends.tolist()]
    if bounds != sorted(bounds) or bounds[-1] != len(utf8):
        raise ValueError(f"the ends of its words do not fit their {len(utf8)} bytes")
    content = utf8.tobytes()
    return [content[start:end].decode() for start, end in pairwise(bounds)]


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"the words {text[:40]!r} have no UTF-8 ({error.reason}); correct them where they come from"
        ) from error
