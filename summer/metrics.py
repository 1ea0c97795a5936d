"""Scores that follow from counts of (truth, guess), and the epoch that such a score chooses.

    recall_c    = hits_c / support_c
    precision_c = hits_c / guessed_c
    F1_c        = 2 hits_c / (support_c + guessed_c)
    w-F1        = sum_c support_c F1_c / sum_c support_c
    macro-F1    = mean of F1_c over the classes with support_c > 0

A share of nothing is 0. All these work on any number of tables at once, which is what makes thousands of
resamples cheap: the counts of a resample are the sum of the counts of its dialogues. One score follows from
probabilities instead: the expected calibration error.

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


def macro_f1(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many"]:
    """Mean of F1 over the classes that have utterances, all with the same weight; 0 where none has any."""
    present = confusions.sum(axis=-1) > 0
    return _share((f1_scores(confusions) * present).sum(axis=-1), present.sum(axis=-1))


def accuracy(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many"]:
    """Share of utterances whose guess is right: the recalls' mean, weighted by support."""
    return _share(_hits(confusions).sum(axis=-1), confusions.sum(axis=(-2, -1)))


def expected_calibration_error(probabilities: ArrayLike, truths: ArrayLike, bins: int = 15) -> float:
    """How far a model's confidence is from its accuracy, 0 to 1; utterances without a truth are left out.

        ECE = sum_b n_b / n |accuracy_b - confidence_b|

    Confidence is the highest probability. Bin b, from 1, holds the n_b of n utterances whose confidence is in
    ((b - 1) / bins, b / bins]; its accuracy is the share of right guesses, its confidence the mean.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.

    Args:
        probabilities: (rows, cls); the guess is the most probable class, the first of equals.
        truths: (rows,) class indices; a truth may be UNKNOWN_LABEL. With none known the error is 0.

    Raises:
        ValueError: fewer than one bin, or not one truth per row of probabilities.
    """
    shares, wanted = np.asarray(probabilities, dtype=np.float64), np.asarray(truths, dtype=np.int64)
    if bins < 1:
        raise ValueError(f"{bins} bins; give at least one, as a rule 15")
    if shares.ndim != 2 or wanted.shape != shares.shape[:1]:
        raise ValueError(
            f"probabilities of shape {shares.shape} and truths of shape {wanted.shape}; give (rows, cls) and "
            "(rows,)"
        )
    known = wanted != UNKNOWN_LABEL
    confidence = shares[known].max(axis=1)
    surplus = (shares[known].argmax(axis=1) == wanted[known]) - confidence
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return float(np.abs(np.bincount(place, weights=surplus, minlength=bins)).sum() / max(known.sum(), 1))


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
