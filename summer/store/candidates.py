"""What a row's vector was chosen among: several vectors a row, each with what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summer.store.rows import StoreError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no one truth of equality
class Candidates:
    """The candidates of some rows, one after the other.

    Args:
        ends: (rows,) where the candidates of each row end; a row may have none.
        vectors: (candidates, dim) float32; that of the chosen one is the row's raw vector.
        embeddings: (candidates, width) float32, by which the same thing is known again in other rows.
        facts: (candidates,) float64 each, by name.

    Raises:
        StoreError: lengths that do not belong together.
    """

    ends: NDArray[np.int64]
    vectors: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    facts: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        count = int(self.ends[-1]) if len(self.ends) else 0
        lengths = {len(self.vectors), len(self.embeddings), *map(len, self.facts.values())}
        if lengths != {count} or np.any(np.diff(self.ends, prepend=0) < 0):
            raise StoreError(
                f"candidates: the rows end at {count}, the fields have {sorted(lengths)} entries"
            )

    @property
    def row(self) -> NDArray[np.int64]:
        """(candidates,) the row of each."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    def of(self, row: int) -> slice:
        """The candidates of a row."""
        return slice(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))

    def rows(self, rows: slice) -> Candidates:
        """The candidates of consecutive rows."""
        start, stop, _ = rows.indices(len(self.ends))
        first = int(self.ends[start - 1]) if start else 0
        last = int(self.ends[stop - 1]) if stop else 0
        return Candidates(
            ends=self.ends[start:stop] - first,
            vectors=self.vectors[first:last],
            embeddings=self.embeddings[first:last],
            facts={name: values[first:last] for name, values in self.facts.items()},
        )


def joined(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of the rows of several, in order; at least one."""
    before = np.cumsum([0, *(len(part.vectors) for part in parts[:-1])])
    return Candidates(
        ends=np.concatenate([part.ends + start for part, start in zip(parts, before, strict=True)]),
        vectors=np.concatenate([part.vectors for part in parts]),
        embeddings=np.concatenate([part.embeddings for part in parts]),
        facts={name: np.concatenate([part.facts[name] for part in parts]) for name in parts[0].facts},
    )
