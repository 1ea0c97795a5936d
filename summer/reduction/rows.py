"""Which rows a reducer may see, and reading them a block at a time.

`features` may be an array, a memory map or a dataset on disk: only slices of its rows are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Split, Utterance

BLOCK_ROWS = 1024


class ReductionError(ValueError):
    """Rows that cannot be reduced, or a reducer that cannot be read; the message names the remedy."""


@runtime_checkable
class RowSource(Protocol):
    """(rows, dim) float32 vectors that can be sliced by row."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """(rows, dim)."""
        ...

    def __getitem__(self, rows: slice, /) -> Any:
        """The vectors of some rows."""
        ...


def check_rows(features: RowSource, usable: NDArray[np.bool_], utterances: Sequence[Utterance]) -> None:
    """Check that there is one vector and one status an utterance.

    Raises:
        ReductionError: the counts differ.
    """
    counts = (features.shape[0], len(usable), len(utterances))
    if len(set(counts)) > 1:
        raise ReductionError(
            "{} rows of features, {} of usable and {} utterances; give one of each an utterance".format(
                *counts
            )
        )


def usable_rows_of(
    split: Split, usable: NDArray[np.bool_], utterances: Sequence[Utterance]
) -> NDArray[np.bool_]:
    """(rows,) True where a row belongs to `split` and holds a vector."""
    of_split = np.array([utterance.split is split for utterance in utterances], dtype=bool)
    both: NDArray[np.bool_] = np.logical_and(usable, of_split)
    return both


def blocks_of(
    features: RowSource, wanted: NDArray[np.bool_], utterances: Sequence[Utterance]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield row numbers and vectors of the wanted rows, some hundred at a time, in order.

    Raises:
        ReductionError: a wanted row holds NaN or infinity.
    """
    for start in range(0, len(wanted), BLOCK_ROWS):
        here = wanted[start : start + BLOCK_ROWS]
        if not here.any():
            continue
        rows = start + np.flatnonzero(here)
        vectors = np.asarray(features[start : start + BLOCK_ROWS], dtype=np.float32)[here]
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise ReductionError(
                f"row {utterances[int(rows[~finite][0])].id} holds NaN or infinity though its status is ok; "
                "extract the store again with --overwrite"
            )
        yield rows, vectors


def gather_rows(
    features: RowSource, wanted: NDArray[np.bool_], utterances: Sequence[Utterance]
) -> NDArray[np.float32]:
    """(wanted, dim) vectors of the wanted rows.

    Raises:
        ReductionError: a wanted row holds NaN or infinity.
    """
    gathered = np.empty((int(wanted.sum()), features.shape[1]), dtype=np.float32)
    filled = 0
    for rows, vectors in blocks_of(features, wanted, utterances):
        gathered[filled : filled + len(rows)] = vectors
        filled += len(rows)
    return gathered


def facts_of_rows(
    vectors: NDArray[np.float32], wanted: NDArray[np.bool_], utterances: Sequence[Utterance]
) -> dict[str, str]:
    """Which rows a reducer was fitted on: their number, and a sha256 over ids and vectors."""
    ids = [utterance.id for utterance in compress(utterances, wanted)]
    digest = hashlib.sha256("\n".join(ids).encode())
    digest.update(np.ascontiguousarray(vectors, dtype="<f4").data)
    return {"fitted_rows": str(len(ids)), "fitted_rows_digest": digest.hexdigest()}
