"""Intervals of classes: those of a plain loop with scikit-learn's F1, wide where a class is rare."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from summer.corpus import LabelSet, Split
from summer.evaluation.class_intervals import class_intervals
from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import Predictions

LABELS = LabelSet(("neutral", "joy", "anger"))


def system(*, seeds: int, dialogues: int = 12, length: int = 8, rare: float = 0.1) -> list[Predictions]:
    """Seeds that are right in two thirds of cases; `rare` is the share of anger."""
    random = np.random.default_rng(3)
    count = dialogues * length
    truths = random.choice(3, size=count, p=[0.6 - rare, 0.4, rare])
    found = []
    for seed in range(seeds):
        guesses = np.where(random.random(count) < 0.66, truths, random.integers(0, 3, count))
        found.append(
            Predictions(
                model="student",
                seed=seed,
                split=Split.TEST,
                ids=tuple(f"u{k}" for k in range(count)),
                dialogues=tuple(f"d{k // length:02d}" for k in range(count)),
                truths=truths.astype(np.int64),
                probabilities=np.eye(3, dtype=np.float32)[guesses],
            )
        )
    return found


def test_they_are_those_of_a_plain_loop_over_the_same_draws() -> None:
    seeds, resamples = system(seeds=2), 60
    found = class_intervals(seeds, LABELS, resamples=resamples, seed=5)
    random = np.random.default_rng(5)
    times = random.multinomial(12, np.full(12, 1 / 12), size=resamples)
    shares = random.multinomial(2, np.full(2, 1 / 2), size=resamples) / 2
    scores = []
    for draw, share in zip(times, shares, strict=True):
        weights = np.repeat(draw, 8)
        of_seeds = [
            f1_score(one.truths, one.guesses, average=None, labels=[0, 1, 2], sample_weight=weights)
            for one in seeds
        ]
        scores.append(share @ np.array(of_seeds))
    low, high = np.percentile(scores, (2.5, 97.5), axis=0)
    for place, label in enumerate(LABELS.names):
        assert found[label] == pytest.approx((low[place], high[place]))


def test_a_rare_class_has_the_wider_interval() -> None:
    found = class_intervals(system(seeds=1, dialogues=40), LABELS)
    width = {label: high - low for label, (low, high) in found.items()}
    assert width["anger"] > 1.5 * width["joy"]


def test_the_same_seed_of_the_draws_gives_the_same_intervals() -> None:
    seeds = system(seeds=3)
    assert class_intervals(seeds, LABELS) == class_intervals(seeds, LABELS)
    assert class_intervals(seeds, LABELS) != class_intervals(seeds, LABELS, seed=1)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ScoreError, match="no predictions"):
        class_intervals([], LABELS)
