"""Scores that follow from counts of (truth, guess), and the epoch that such a score chooses.

    recall_c    = hits_c / support_c
    precision_c = hits_c / guessed_c
    F1_c        = 2 hits_c / (support_c + guessed_c)
    w-F1        = sum_c support_c F1_c / sum_c support_c

A share of nothing is 0. All scores work on any number of tables at once, which is what makes thousands of
resamples cheap: the counts of a resample are the sum of the counts of its dialogues.

One home for both halves: the encoder's epoch and the model's are chosen by the same number. Loads no torch.

Dimensions: `cls` emotion classes; rows of a table are truths and columns guesses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from summer.corpus import UNKNOWN_LABEL


def confusion_of(truths: ArrayLike, guesses: ArrayLike, *, classes: int) -> Float64[np.ndarray, "cls cls"]:
    """Count (truth, guess) over utterances; those without a truth are left out.

    Args:
        truths, guesses: (rows,) class indices; a truth may be UNKNOWN_LABEL.
    """
    wanted, found = np.asarray(truths, dtype=np.int64), np.asarray(guesses, dtype=np.int64)
    known = wanted != UNKNOWN_LABEL
    counts = np.zeros((classes, classes))
    np.add.at(counts, (wanted[known], found[known]), 1)
    return counts


def recalls(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many cls"]:
    """Share of each class' utterances that are found, 0 for a class without utterances."""
    return _share(_hits(confusions), confusions.sum(axis=-1))


def precisions(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many cls"]:
    """Share of each class' guesses that are right, 0 for a class that is never guessed."""
    return _share(_hits(confusions), confusions.sum(axis=-2))


def f1_scores(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many cls"]:
    """Harmonic mean of recall and precision, 0 for a class without utterances or guesses."""
    return _share(2 * _hits(confusions), confusions.sum(axis=-1) + confusions.sum(axis=-2))


def weighted_f1(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many"]:
    """Mean of the classes' F1, weighted by their numbers of utterances."""
    support = confusions.sum(axis=-1)
    return _share((f1_scores(confusions) * support).sum(axis=-1), support.sum(axis=-1))


def accuracy(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many"]:
    """Share of utterances whose guess is right: the recalls' mean, weighted by support."""
    return _share(_hits(confusions).sum(axis=-1), confusions.sum(axis=(-2, -1)))


def best_epoch(scores: Sequence[float]) -> int:
    """The epoch, from 1, with the highest score; of equals the first.

    >>> best_epoch([0.3, 0.5, 0.5])
    2

    Raises:
        ValueError: no scores.
    """
    return 1 + max(range(len(scores)), key=scores.__getitem__)


def _hits(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many cls"]:
    return np.diagonal(confusions, axis1=-2, axis2=-1)


def _share(part: ArrayLike, whole: ArrayLike) -> Float64[np.ndarray, " ..."]:
    shares = np.zeros(np.shape(whole))
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares
