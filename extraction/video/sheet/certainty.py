"""Which rows of a video store to look at first: those whose face is least certain.

A row is as certain as its weakest measure. Measures have different units, so each counts by its rank among
the rows that have it, 0 for the least: how surely the detector saw a face, in what share of the keyframes the
chosen one is, by how much it talks more than the next, by how much it is within the limit of likeness. What
was not to be judged, such as who talks where there is one face, makes no row less certain. Rows with a remark
come first: there the extraction itself says what is doubtful.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.stats import rankdata

from extraction.video.sheet.cells import WITH_FACES
from summer.store import Rows

MEASURES = ("confidence", "face_share", "talking_margin", "identity_margin")


def least_certain_first(rows: Rows) -> list[int]:
    """The rows in which a face was seen, the least certain first; equals in corpus order."""
    seen = [row for row, status in enumerate(rows.statuses) if status in WITH_FACES]
    certainty = _certainty(rows)
    return sorted(seen, key=lambda row: (not rows.reasons[row], certainty[row]))


def _certainty(rows: Rows) -> Float64[np.ndarray, " rows"]:
    """From 0 to 1, only of use to compare rows with each other."""
    lowest = np.ones(len(rows))
    for name in MEASURES:
        values = np.array(rows.columns.get(name, [np.nan] * len(rows)), dtype=np.float64)
        known = rows.usable & np.isfinite(values)
        if known.any():
            ranks = (rankdata(values[known], method="max") - 1) / max(known.sum() - 1, 1)
            lowest[known] = np.minimum(lowest[known], ranks)
    return lowest
