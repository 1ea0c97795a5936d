"""Counts of (truth, guess), and the scores that follow from counts alone.

    recall_c    = hits_c / support_c
    precision_c = hits_c / guessed_c
    F1_c        = 2 hits_c / (support_c + guessed_c)
    w-F1        = sum_c support_c F1_c / sum_c support_c

A share of nothing is 0. All functions work on any number of tables at once, which is what makes thousands of
resamples cheap: the counts of a resample are the sum of the counts of its dialogues.

Dimensions: `cls` emotion classes, rows of a table are truths and columns guesses; `seed` trained models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from summer.evaluation.predictions import UNKNOWN, Predictions, aligned


class ScoreError(ValueError):
    """Predictions that cannot be scored; the message names whose and why."""


def dialogue_confusions(
    predictions: Sequence[Predictions],
) -> Float64[np.ndarray, "dialogue seed cls cls"]:
    """Count (truth, guess) in each dialogue with a known truth, dialogues in order of name, seeds as given.

    Raises:
        ScoreError: no predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances; names the first that differs.
    """
    if not predictions:
        raise ScoreError("no predictions were given; give those of at least one seed")
    reference = predictions[0]
    known = reference.truths != UNKNOWN
    if not known.any():
        raise ScoreError(f"{reference.name}: no utterance has a known truth; score a split that has labels")
    names, dialogue = np.unique(np.array(reference.dialogues)[known], return_inverse=True)
    truth, classes = reference.truths[known], reference.probabilities.shape[1]
    counts = np.zeros((len(names), len(predictions), classes, classes))
    for seed, found in enumerate(predictions):
        guess = aligned(found, reference).guesses[known]
        np.add.at(counts, (dialogue, np.full(len(truth), seed), truth, guess), 1)
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


def _hits(confusions: Float64[np.ndarray, "*many cls cls"]) -> Float64[np.ndarray, "*many cls"]:
    return np.diagonal(confusions, axis1=-2, axis2=-1)


def _share(part: ArrayLike, whole: ArrayLike) -> Float64[np.ndarray, " ..."]:
    shares = np.zeros(np.shape(whole))
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares
