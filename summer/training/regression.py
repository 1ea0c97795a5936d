"""The logistic regression that a model begins at where its text has no head of an encoder.

Paper: none; `summer.model.start` says what becomes of it. One linear layer over the standardised vectors of
all modalities that the model reads, side by side, zeros where there is none:

   min |W|^2 / 2 + C sum_i w_i (-log softmax(W x_i + b))_truth   over training utterances i; w: class weights

C is the one of `STRENGTHS` with the best weighted F1 on dev, which is where the epoch is chosen, too; on
test where the run chooses there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from summer.conversations.heads import LinearLayer
from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.metrics import confusion_of, weighted_f1

STRENGTHS = tuple(float(strength) for strength in np.geomspace(1e-4, 1.0, num=9))
MOST_STEPS = 300  # of L-BFGS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    vectors: NDArray[np.float32]
    truths: NDArray[np.int64]


def fit_regression(
    conversations: Conversations,
    modalities: Sequence[Modality],
    *,
    chosen_on: Split,
    class_weights: Tensor | None,
) -> LinearLayer:
    """Fit on the training split, and choose C.

    Args:
        conversations: standardised; at least two classes in the training split.
        modalities: that the layer reads.
        class_weights: (cls,) how much an utterance of each class counts; None: all the same.
    """
    training, chosen = (_rows(conversations, modalities, split) for split in (Split.TRAIN, chosen_on))
    classes = len(conversations.labels)
    counts = None if class_weights is None else class_weights.numpy()[training.truths]
    best, best_score = None, -1.0
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=MOST_STEPS)
        with warnings.catch_warnings():  # one that has not converged is judged as it is
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(training.vectors, training.truths, sample_weight=counts)
        weight, bias = _softmax_form(regression, classes)
        guesses = (chosen.vectors @ weight.T + bias).argmax(axis=1)
        score = float(weighted_f1(confusion_of(chosen.truths, guesses, classes=classes)))
        if score > best_score:
            best, best_score = (weight, bias), score
    assert best is not None
    ends = list(accumulate((conversations.features[m].dim for m in modalities), initial=0))
    return LinearLayer(
        weights={
            modality: torch.from_numpy(best[0][:, start:end].copy())
            for modality, (start, end) in zip(modalities, pairwise(ends), strict=True)
        },
        bias=torch.from_numpy(best[1]),
    )


def _softmax_form(
    regression: LogisticRegression, classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """W and b with a row for each class: two classes share one in scikit-learn, absent ones have none.

    An absent class has no weights, and a bias below the lowest by log 10: training can still raise it.
    """
    coefficients, intercept = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    weight = np.zeros((classes, coefficients.shape[1]), np.float32)
    bias = np.full(classes, intercept.min() - np.log(10), np.float32)
    weight[regression.classes_], bias[regression.classes_] = coefficients, intercept
    return weight, bias


def _rows(conversations: Conversations, modalities: Sequence[Modality], split: Split) -> _Rows:
    """What counts of a split: utterances with a truth and one of the modalities."""
    features = [conversations.features[modality] for modality in modalities]
    there = conversations.counted(split) & np.any([one.usable for one in features], axis=0)
    labels = conversations.labels
    truths = [labels.index(conversations.utterances[row].label) for row in np.flatnonzero(there)]
    return _Rows(
        vectors=np.hstack([one.vectors[there] for one in features]), truths=np.array(truths, np.int64)
    )
