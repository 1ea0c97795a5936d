"""Principal components of robustly standardised features: unsupervised and deterministic.

    z = C (y - mean(y))    y: the standardised row; C: first `width` eigenvectors of the training covariance

computed with an exact solver, never a randomised one, and signs fixed by scikit-learn. A direction in which
the training rows do not vary has no meaning (as many rows as the width span one direction less): it gives 0.

Not whitened: the vectors keep the distances of the standardised rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from summer.conversations.standardisation import Standardisation, fit_standardisation
from summer.corpus import Split
from summer.reduction.fitted import Fitted, FittedReducer
from summer.reduction.rows import RawRows, ReductionError

NO_VARIANCE = 1e-9  # of the first component's variance: below it is rounding


class PcaReducer(FittedReducer):
    """A fitted PCA: standardisation, mean and components."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        arrays = fitted.arrays
        self._standardisation = Standardisation(centre=arrays["centre"], spread=arrays["spread"])
        self._mean: NDArray[np.float32] = arrays["mean"]
        self._components: NDArray[np.float32] = arrays["components"]

    def apply(self, rows: RawRows) -> NDArray[np.float32]:
        """(rows, raw) to (rows, width) float32, zeros where not usable.

        Raises:
            ReductionError: another raw width than fitted on, or a usable row that is not finite.
        """
        self._fitted.check_raw_dim(rows.raw_dim)
        reduced = np.zeros((len(rows.usable), self.width), dtype=np.float32)
        for numbers, vectors in rows.blocks():
            reduced[numbers] = (self._standardisation.apply(vectors) - self._mean) @ self._components.T
        return reduced


def read_by_pca(rows: RawRows, vectors: NDArray[np.float32] | None = None) -> dict[str, str]:
    """What a fit on these rows would say that it read: no label.

    Args:
        vectors: (usable training rows, raw), where they are gathered already.
    """
    training = rows.usable_in(Split.TRAIN)
    return training.facts(training.gather() if vectors is None else vectors)


def fit_pca(rows: RawRows, *, width: int) -> PcaReducer:
    """Fit on the training split's usable rows; no other row is looked at.

    Raises:
        ReductionError: fewer raw columns than `width`, columns that are all the same in every row, or a row
            that is not finite.
    """
    raw_dim = rows.raw_dim
    if raw_dim < width:
        raise ReductionError(
            f"{raw_dim} raw columns are fewer than the reduced width {width} asked for; pca cannot widen: "
            f"ask for a width of at most {raw_dim}, or choose dialogue-rnn"
        )
    training = rows.usable_in(Split.TRAIN)
    vectors = training.gather()
    facts = read_by_pca(rows, vectors)
    standardisation = fit_standardisation(vectors)
    if not standardisation.spread.any():
        raise ReductionError(
            f"all {raw_dim} raw columns are the same in the {len(vectors)} usable training rows: nothing to "
            "reduce; check the extraction"
        )
    # Of the two exact solvers, the one whose cubed side is the shorter; 2.3 GB at 9989 x 6373.
    solver = "covariance_eigh" if len(vectors) >= raw_dim else "full"
    standardised = standardisation.apply(vectors).astype(np.float64)
    solution = PCA(width, svd_solver=solver, copy=False).fit(standardised)
    varies = solution.explained_variance_ > NO_VARIANCE * solution.explained_variance_[0]
    facts["explained_variance"] = f"{solution.explained_variance_ratio_[varies].sum():.4f}"
    arrays = {
        "centre": standardisation.centre,
        "spread": standardisation.spread,
        "mean": solution.mean_.astype(np.float32),
        "components": np.where(varies[:, None], solution.components_, 0.0).astype(np.float32),
    }
    return PcaReducer(Fitted(method="pca", width=width, raw_dim=raw_dim, facts=facts, arrays=arrays))
