"""Scores of predictions as the paper's tables 1 and 2 have them, and the results of a run over its seeds.

"ACC" of a class is its recall; w-ACC is accuracy; w-F1 is the mean of the classes' F1 weighted by support.
Beside them, macro-F1 weighs all classes alike, and the expected calibration error (ECE) tells how far the
highest probabilities are from the accuracy. Rows whose truth is unknown are in no score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summer.corpus import UNKNOWN_LABEL, LabelSet, Split
from summer.evaluation.confusion import ScoreError, dialogue_confusions
from summer.evaluation.predictions import Predictions, models_of
from summer.evaluation.significance import bootstrap_interval
from summer.metrics import (
    accuracy,
    expected_calibration_error,
    f1_scores,
    macro_f1,
    precisions,
    recalls,
    weighted_f1,
)

SPLITS = (Split.TEST, Split.DEV, Split.TRAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """Scores of one class, 0 to 1; a share of nothing is 0. The paper calls recall accuracy."""

    recall: float
    precision: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of one model on one split, 0 to 1.

    Args:
        macro_f1: mean of F1 over the classes that have utterances.
        ece: expected calibration error over 15 bins of the highest probability; 0 is best.
        per_class: by label, in the order of the label set.
        confusion: (cls, cls) utterances of each truth (row) and guess (column).
    """

    w_f1: float
    w_acc: float
    macro_f1: float
    ece: float
    per_class: Mapping[str, ClassScores]
    confusion: NDArray[np.int64]


def score(predictions: Predictions, labels: LabelSet) -> Scores:
    """Score the rows whose truth is known.

    Raises:
        ScoreError: no such row, or another number of classes than labels.
    """
    if predictions.probabilities.shape[1] != len(labels):
        raise ScoreError(
            f"{predictions.name}: {predictions.probabilities.shape[1]} classes, but the labels are "
            f"{', '.join(labels.names)}; give the labels of the corpus that it was trained on"
        )
    confusion = dialogue_confusions([predictions])[:, 0].sum(axis=0)
    columns = (recalls(confusion), precisions(confusion), f1_scores(confusion), confusion.sum(axis=1))
    return Scores(
        w_f1=float(weighted_f1(confusion)),
        w_acc=float(accuracy(confusion)),
        macro_f1=float(macro_f1(confusion)),
        ece=expected_calibration_error(predictions.probabilities, predictions.truths),
        per_class={
            label: ClassScores(
                recall=float(recall), precision=float(precision), f1=float(f1), support=int(support)
            )
            for label, recall, precision, f1, support in zip(labels.names, *columns, strict=True)
        },
        confusion=confusion.astype(np.int64),
    )


def seeds_of(predictions: Sequence[Predictions], model: str, split: Split) -> list[Predictions]:
    """Those of one model and split, in order of seed.

    Raises:
        ScoreError: a seed is given twice.
    """
    found = [one for one in predictions if one.model == model and one.split is split]
    found.sort(key=lambda one: one.seed)
    for earlier, later in pairwise(found):
        if earlier.seed == later.seed:
            raise ScoreError(f"{later.name}: given twice; give each model, seed and split once")
    return found


def results(predictions: Sequence[Predictions], labels: LabelSet) -> dict[str, Any]:
    """What results.json says of the scores: by model, then by split, lists with one value per seed, in order.

    A split without a known truth is left out. `w_f1_std` is the sample's standard deviation over seeds, null
    with one seed; `w_f1_interval_95` that of the mean over seeds, by resampled dialogues and seeds.

    Raises:
        ScoreError: a seed given twice, or another number of classes than labels.
        PredictionsError: seeds of one model and split that are not of the same utterances.
    """
    outcome: dict[str, Any] = {}
    for model, split, seeds in _scorable(predictions):
        outcome.setdefault(model, {})[split.value] = _summary(seeds, labels)
    return outcome


def never_predicted(seeds: Sequence[Predictions], labels: LabelSet) -> list[str]:
    """The classes that some utterances of a split have and that no seed of a model says of any.

    Args:
        seeds: of one model and split.
    """
    said = {int(guess) for found in seeds for guess in found.guesses}
    true = {int(truth) for truth in seeds[0].truths}
    return [name for index, name in enumerate(labels.names) if index in true - said]


def _scorable(predictions: Sequence[Predictions]) -> Iterator[tuple[str, Split, list[Predictions]]]:
    for model in models_of(predictions):
        for split in SPLITS:
            seeds = seeds_of(predictions, model, split)
            if seeds and (seeds[0].truths != UNKNOWN_LABEL).any():
                yield model, split, seeds


def _summary(seeds: Sequence[Predictions], labels: LabelSet) -> dict[str, Any]:
    scores = [score(predictions, labels) for predictions in seeds]
    w_f1 = [found.w_f1 for found in scores]
    return {
        "w_f1": w_f1,
        "w_acc": [found.w_acc for found in scores],
        "macro_f1": [found.macro_f1 for found in scores],
        "ece": [found.ece for found in scores],
        "per_class": {
            label: {
                "acc": [found.per_class[label].recall for found in scores],
                "f1": [found.per_class[label].f1 for found in scores],
                "support": scores[0].per_class[label].support,
            }
            for label in labels.names
        },
        "never_predicted": never_predicted(seeds, labels),
        "w_f1_mean": float(np.mean(w_f1)),
        "w_f1_std": float(np.std(w_f1, ddof=1)) if len(w_f1) > 1 else None,
        "w_f1_interval_95": list(bootstrap_interval(seeds)),
    }
