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
    expected_calibration_error,
    f1_scores,
    macro_f1,
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


@given(PAIRS)
def test_macro_f1_is_that_of_scikit_learn_over_the_classes_with_utterances(
    pairs: list[tuple[int, int]],
) -> None:
    truths, guesses = np.array(pairs).T
    counts = confusion_of(truths, guesses, classes=CLASSES)
    expected = f1_score(truths, guesses, labels=np.unique(truths), average="macro", zero_division=0)
    assert macro_f1(counts) == pytest.approx(expected)
    np.testing.assert_array_equal(macro_f1(np.stack([counts, 0 * counts])), [macro_f1(counts), 0])


def looped_calibration_error(probabilities: list[list[float]], truths: list[int], bins: int) -> float:
    """Guo et al.'s equation 3, one bin and one utterance after the other."""
    total = 0.0
    for number in range(bins):
        inside = [
            (max(row), row.index(max(row)) == truth)
            for row, truth in zip(probabilities, truths, strict=True)
            if (max(row) > number / bins or number == 0)
            and (max(row) <= (number + 1) / bins or number + 1 == bins)
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(sure for sure, _ in inside) / len(inside)
            total += len(inside) / len(truths) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_the_calibration_error_is_that_of_a_plain_loop(bins: int) -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(CLASSES, 0.3), 300)
    truths = random.integers(0, CLASSES, 300)
    expected = looped_calibration_error(probabilities.tolist(), truths.tolist(), bins)
    assert expected > 0.1
    assert expected_calibration_error(probabilities, truths, bins) == pytest.approx(expected)


def test_the_calibration_error_by_hand() -> None:
    # of 4 bins: (0.5, 0.75] holds 0.75 right and 0.55 wrong, (0.75, 1] holds 0.9 wrong; the last has no truth
    probabilities = [[0.75, 0.25], [0.55, 0.45], [0.1, 0.9], [1.0, 0.0]]
    truths = [0, 1, 0, UNKNOWN_LABEL]
    expected = 2 / 3 * abs(1 / 2 - 0.65) + 1 / 3 * 0.9
    assert expected_calibration_error(probabilities, truths, 4) == pytest.approx(expected)
    assert expected_calibration_error([[0.0, 1.0]], [1]) == 0
    assert expected_calibration_error([[0.0, 1.0]], [UNKNOWN_LABEL]) == 0


def test_a_model_that_is_as_right_as_it_is_sure_is_calibrated() -> None:
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.ones(3), 40_000)
    truths = (random.random((40_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(probabilities, truths) < 0.01
    assert expected_calibration_error(probabilities**3, truths) > 0.1


def test_what_has_no_calibration_is_refused() -> None:
    with pytest.raises(ValueError, match="0 bins"):
        expected_calibration_error([[0.5, 0.5]], [0], bins=0)
    with pytest.raises(ValueError, match=r"shape \(1, 2\) and truths of shape \(2,\)"):
        expected_calibration_error([[0.5, 0.5]], [0, 1])


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
