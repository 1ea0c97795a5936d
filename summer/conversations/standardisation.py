"""Robust standardisation, fitted on training rows: medians and quantile ranges, not means and deviations.

ComParE's functionals lie between 1e-9 and 1e11 and their tails are heavy: one outlier moves a column's mean
and deviation by orders of magnitude and would be a principal component of its own. Per column x of the
training rows

    centre = median(x)
    spread = (q95(x) - q5(x)) / (z95 - z5)       z: quantiles of the standard normal, z95 - z5 = 3.29
    y      = clip((x - centre) / spread, -5, 5)

so a normal column comes out with deviation 1 and loses nothing (5 sigma: one value in 1.7 million), and an
outlier of any size, in any split, ends at 5. The 90 % range is used because many functionals are equal in
half of all clips or more (a count that is mostly 0): their interquartile range is 0 though they do say
something. A column that is the same in nine rows of ten, to the precision of float32, has no robust scale; it
comes out as 0.

All of it is computed in float64: differences of close large numbers do not survive float32.

What an encoder's own head reads is standardised without loss, so that the head can be folded over it
(`summer.conversations.heads`): nothing is clipped, and a column without a robust scale keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95
NORMAL_RANGE_SIGMAS = 3.289707  # between these two quantiles of the standard normal
CLIP_SIGMAS = 5.0
SAME_VALUE_TOLERANCE = 1e-6  # of the median's size; float32 itself resolves 6e-8
BLOCK_COLUMNS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardisation:
    """Centre and spread of each column.

    Args:
        centre: (dim,) float64 medians.
        spread: (dim,) float64 robust standard deviations, 0 for a column that says nothing.
        clipped: whether outliers end at +-CLIP_SIGMAS.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    clipped: bool = True

    def without_loss(self) -> Standardisation:
        """The same centres and spreads, but nothing is clipped, and columns that say nothing stay."""
        return Standardisation(
            centre=self.centre, spread=np.where(self.spread > 0, self.spread, 1.0), clipped=False
        )

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, dim) finite vectors to standardised ones, clipped ones within +-CLIP_SIGMAS."""
        says_something = self.spread > 0
        divisor = np.where(says_something, self.spread, 1.0)
        sigmas = (vectors.astype(np.float64) - self.centre) / divisor
        if self.clipped:
            sigmas = np.clip(sigmas, -CLIP_SIGMAS, CLIP_SIGMAS)
        return np.where(says_something, sigmas, 0.0).astype(np.float32)


def fit_standardisation(vectors: NDArray[np.float32]) -> Standardisation:
    """Measure the columns of (rows, dim) finite vectors; rows at least 1."""
    dim = vectors.shape[1]
    centre, spread = np.zeros(dim), np.zeros(dim)
    for start in range(0, dim, BLOCK_COLUMNS):
        here = slice(start, start + BLOCK_COLUMNS)
        columns = vectors[:, here].astype(np.float64)
        low, centre[here], high = np.quantile(columns, [LOW_QUANTILE, 0.5, HIGH_QUANTILE], axis=0)
        varies = high - low > SAME_VALUE_TOLERANCE * np.abs(centre[here])
        spread[here] = np.where(varies, (high - low) / NORMAL_RANGE_SIGMAS, 0.0)
    return Standardisation(centre=centre, spread=spread)
