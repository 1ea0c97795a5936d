"""The rows that a reducer is fitted on or applied to, and reading them a block at a time.

`features` may be an array, a memory map or a dataset on disk: only slices of its rows are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Raw vectors, which of them are usable, and what was said: one of each per row, in corpus order.

    Args:
        features: (rows, raw) float32, an array or anything sliced by row.
        usable: (rows,) True where the row may be read: its status is ok.
        utterances: one per row.

    Raises:
        ReductionError: the counts differ.
    """

    features: RowSource
    usable: NDArray[np.bool_]
    utterances: Sequence[Utterance]

    def __post_init__(self) -> None:
        counts = (self.features.shape[0], len(self.usable), len(self.utterances))
        if len(set(counts)) > 1:
            raise ReductionError(
                "{} rows of features, {} of usable and {} utterances; give one of each per utterance".format(
                    *counts
                )
            )

    @property
    def raw_dim(self) -> int:
        """Width of the raw vectors."""
        return int(self.features.shape[1])

    @property
    def usable_count(self) -> int:
        """How many rows are usable."""
        return int(self.usable.sum())

    def usable_in(self, *splits: Split) -> RawRows:
        """The same rows, of which only those of some splits are usable."""
        of_splits = np.array([utterance.split in splits for utterance in self.utterances], dtype=bool)
        return replace(self, usable=np.logical_and(self.usable, of_splits))

    def only(self, kept: NDArray[np.bool_]) -> RawRows:
        """Some of the rows, as if the others were not in the store.

        Args:
            kept: (rows,) True for those that stay.
        """
        features = np.empty((int(kept.sum()), self.raw_dim), dtype=np.float32)
        filled = 0
        for start in range(0, len(kept), BLOCK_ROWS):
            here = kept[start : start + BLOCK_ROWS]
            count = int(here.sum())
            features[filled : filled + count] = np.asarray(self.features[start : start + BLOCK_ROWS])[here]
            filled += count
        utterances = list(compress(self.utterances, kept))
        return RawRows(features=features, usable=self.usable[kept], utterances=utterances)

    def usable_utterances(self) -> Iterator[Utterance]:
        """The utterances of the usable rows, in order."""
        return compress(self.utterances, self.usable)

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Yield numbers and vectors of the usable rows, some hundred at a time, in order.

        Raises:
            ReductionError: a usable row holds NaN or infinity.
        """
        for start in range(0, len(self.usable), BLOCK_ROWS):
            here = self.usable[start : start + BLOCK_ROWS]
            if not here.any():
                continue
            rows = start + np.flatnonzero(here)
            vectors = np.asarray(self.features[start : start + BLOCK_ROWS], dtype=np.float32)[here]
            finite = np.isfinite(vectors).all(axis=1)
            if not finite.all():
                raise ReductionError(
                    f"row {self.utterances[int(rows[~finite][0])].id} holds NaN or infinity though its "
                    "status is ok; extract the store again with --overwrite"
                )
            yield rows, vectors

    def gather(self) -> NDArray[np.float32]:
        """(usable rows, raw): the vectors of the usable rows.

        Raises:
            ReductionError: a usable row holds NaN or infinity.
        """
        gathered = np.empty((self.usable_count, self.raw_dim), dtype=np.float32)
        filled = 0
        for rows, vectors in self.blocks():
            gathered[filled : filled + len(rows)] = vectors
            filled += len(rows)
        return gathered

    def told_in_training(self) -> list[tuple[object, ...]]:
        """What the annotations say of train and dev, in order; of rows that are not usable no label."""
        return [
            (u.id, u.split, u.dialogue, u.speaker, u.label if usable else "", bool(usable))
            for u, usable in zip(self.utterances, self.usable, strict=True)
            if u.split is not Split.TEST
        ]

    def facts(self, vectors: NDArray[np.float32]) -> dict[str, str]:
        """What to tell of the usable rows: their number, and a sha256 over their ids and vectors.

        Args:
            vectors: (usable rows, raw) as gathered, so that they are not read twice.
        """
        ids = [utterance.id for utterance in self.usable_utterances()]
        digest = hashlib.sha256("\n".join(ids).encode())
        digest.update(np.ascontiguousarray(vectors, dtype="<f4").data)
        return {"fitted_rows": str(len(ids)), "fitted_rows_digest": digest.hexdigest()}
