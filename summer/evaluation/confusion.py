"""Counts of (truth, guess) per dialogue and seed; `summer.metrics` makes scores of them.

Dimensions: `cls` emotion classes, rows of a table are truths and columns guesses; `seed` trained models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from summer.corpus import UNKNOWN_LABEL
from summer.evaluation.predictions import Predictions, aligned


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
    known = reference.truths != UNKNOWN_LABEL
    if not known.any():
        raise ScoreError(f"{reference.name}: no utterance has a known truth; score a split that has labels")
    names, dialogue = np.unique(np.array(reference.dialogues)[known], return_inverse=True)
    truth, classes = reference.truths[known], reference.probabilities.shape[1]
    counts = np.zeros((len(names), len(predictions), classes, classes))
    for seed, found in enumerate(predictions):
        guess = aligned(found, reference).guesses[known]
        np.add.at(counts, (dialogue, np.full(len(truth), seed), truth, guess), 1)
    return counts
