"""How far each class' F1 could be off by chance: intervals by resampled dialogues and seeds.

The interval of w-F1 (`summer.evaluation.significance`), class by class: a resample draws as many dialogues
with replacement and, nested in it, as many seeds; a class' score is its mean over these. A class of few
utterances has a wide interval. Several intervals are not one statement on all classes: of seven at 95 %, one
or more miss their truth in up to a third of cases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from summer.corpus import LabelSet
from summer.evaluation.confusion import dialogue_confusions
from summer.evaluation.predictions import Predictions
from summer.metrics import f1_scores

RESAMPLES = 1000
PERCENTILES_95 = (2.5, 97.5)
DRAWS_AT_ONCE = 250


def class_intervals(
    predictions: Sequence[Predictions], labels: LabelSet, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of the mean over seeds of each class' F1, 0 to 1, by label.

    Args:
        predictions: one per seed, of the same utterances.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        ScoreError: no predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances.
    """
    counts = dialogue_confusions(predictions)
    random = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _resampled(counts, min(DRAWS_AT_ONCE, resamples - begun), random)
            for begun in range(0, resamples, DRAWS_AT_ONCE)
        ]
    )
    low, high = np.percentile(drawn, PERCENTILES_95, axis=0)
    return {label: (float(low[k]), float(high[k])) for k, label in enumerate(labels.names)}


def _resampled(
    counts: Float64[np.ndarray, "dialogue seed cls cls"], draws: int, random: np.random.Generator
) -> Float64[np.ndarray, "draw cls"]:
    dialogues, seeds = counts.shape[:2]
    times = random.multinomial(dialogues, np.full(dialogues, 1 / dialogues), size=draws).astype(np.float64)
    shares = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    scores = f1_scores(np.einsum("nd,dscg->nscg", times, counts, optimize=True))
    return np.asarray(np.einsum("ns,nsc->nc", shares, scores))
