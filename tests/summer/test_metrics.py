"""Scores against scikit-learn's, bit by bit; the epoch that they choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from summer.corpus import UNKNOWN_LABEL
from summer.metrics import (
    accuracy,
    best_epoch,
    confusion_of,
    f1_scores,
    precisions,
    recalls,
    weighted_f1,
)

CLASSES = 7
PAIRS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=80)


@given(PAIRS)
def test_scores_are_those_of_scikit_learn_to_the_last_bit(pairs: list[tuple[int, int]]) -> None:
    truths, guesses = np.array(pairs).T
    counts = confusion_of(truths, guesses, classes=CLASSES)
    assert weighted_f1(counts) == f1_score(truths, guesses, average="weighted", zero_division=0)
    assert accuracy(counts) == accuracy_score(truths, guesses)
    expected = precision_recall_fscore_support(truths, guesses, labels=range(CLASSES), zero_division=0)
    for ours, theirs in zip((precisions(counts), recalls(counts), f1_scores(counts)), expected, strict=False):
        assert ours.tolist() == theirs.tolist()


def test_utterances_without_a_truth_are_not_counted() -> None:
    counts = confusion_of([0, UNKNOWN_LABEL, 1], [1, 0, 1], classes=2)
    assert counts.tolist() == [[0, 1], [0, 1]]


def test_nothing_known_scores_nothing() -> None:
    assert weighted_f1(confusion_of([UNKNOWN_LABEL], [0], classes=3)) == 0


def test_the_first_of_the_best_epochs_is_chosen() -> None:
    assert best_epoch([0.2, 0.7, 0.7, 0.1]) == 2
    assert best_epoch([0.0]) == 1
    with pytest.raises(ValueError, match="empty"):
        best_epoch([])
