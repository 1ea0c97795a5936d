"""Chance: the interval against a plain loop, the p-value against all exchanges, errors as promised."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from statistics import mean

import numpy as np
import pytest

from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import Predictions, PredictionsError
from summer.evaluation.significance import dialogue_bootstrap, paired_test
from tests.summer.evaluation.made_predictions import (
    counted_w_f1,
    made_guesses,
    made_system,
    made_truths,
    pairs_by_dialogue,
    predictions_of,
)

Pairs = dict[str, list[tuple[int, int]]]


def looped_scores(system: list[Predictions], *, resamples: int, seed: int) -> list[float]:
    """Mean over seeds of w-F1, for each draw of dialogues, one utterance after the other."""
    by_seed = [pairs_by_dialogue(one) for one in system]
    names = sorted(by_seed[0])
    draws = np.random.default_rng(seed).multinomial(len(names), [1 / len(names)] * len(names), size=resamples)
    return [
        mean(
            counted_w_f1(
                [pair for name, times in zip(names, draw, strict=True) for pair in pairs[name] * times]
            )
            for pairs in by_seed
        )
        for draw in draws
    ]


def test_the_interval_is_that_of_a_plain_loop_over_the_same_draws() -> None:
    random = np.random.default_rng(0)
    truths = made_truths(random, 60)
    truths[3], truths[8:12] = -1, [-1] * 4  # one unknown row, and a dialogue without any truth
    system = made_system(random, [max(truth, 0) for truth in truths], right=0.5, seeds=3)
    system = [replace(one, truths=np.array(truths)) for one in system]
    expected = np.percentile(looped_scores(system, resamples=600, seed=7), [2.5, 97.5])
    assert dialogue_bootstrap(system, resamples=600, seed=7) == pytest.approx(tuple(expected))


def test_the_interval_of_a_difference_is_that_of_a_plain_loop_over_the_same_draws() -> None:
    random = np.random.default_rng(3)
    truths = made_truths(random, 40)
    first = made_system(random, truths, right=0.3, seeds=2)
    second = made_system(random, truths, right=0.6, seeds=3)
    scores = [looped_scores(system, resamples=200, seed=5) for system in (first, second)]
    expected = np.percentile(np.subtract(scores[1], scores[0]), [2.5, 97.5])
    found = paired_test(first, second, resamples=200, permutations=10, seed=5)
    assert found.interval_95 == pytest.approx(tuple(expected))


def test_the_interval_holds_the_true_score_about_as_often_as_it_promises() -> None:
    random = np.random.default_rng(4)
    large = made_truths(random, 40_000)
    truth = counted_w_f1(list(zip(large, made_guesses(random, large, 0.4), strict=True)))
    held = 0
    for _ in range(150):
        truths = made_truths(random, 160)
        low, high = dialogue_bootstrap(made_system(random, truths, right=0.4, seeds=1), resamples=200)
        held += low <= truth <= high
    assert 0.87 <= held / 150 <= 0.99


def enumerated_p_value(first: list[Predictions], second: list[Predictions]) -> float:
    """The share of all exchanges of dialogues whose difference is at least as far from 0 as the one found."""
    ours, theirs = ([pairs_by_dialogue(one) for one in system] for system in (first, second))
    names = sorted(ours[0])

    def difference(swaps: tuple[bool, ...]) -> float:
        scores: list[list[float]] = [[], []]
        for one, other in (
            product(ours, theirs) if len(ours) != len(theirs) else zip(ours, theirs, strict=True)
        ):
            for side, (kept, moved) in enumerate([(one, other), (other, one)]):
                pairs = [
                    pair
                    for name, swap in zip(names, swaps, strict=True)
                    for pair in (moved if swap else kept)[name]
                ]
                scores[side].append(counted_w_f1(pairs))
        return mean(scores[1]) - mean(scores[0])

    found = abs(difference((False,) * len(names)))
    every = [abs(difference(swaps)) for swaps in product([False, True], repeat=len(names))]
    return mean(one >= found - 1e-12 for one in every)


@pytest.mark.parametrize(
    "seeds", [(1, 1), (2, 2), (2, 3)]
)  # 2 and 3 have no common divisor: every pair is met
def test_the_p_value_is_that_of_all_exchanges_of_six_dialogues(seeds: tuple[int, int]) -> None:
    random = np.random.default_rng(5)
    truths = made_truths(random, 24)
    first = made_system(random, truths, right=0.3, seeds=seeds[0])
    second = made_system(random, truths, right=0.6, seeds=seeds[1])
    expected = enumerated_p_value(first, second)
    assert 0.03 < expected < 0.9  # else the comparison would say little
    found = paired_test(first, second, resamples=10, permutations=20_000)
    assert found.p_value == pytest.approx(expected, abs=0.02)


def test_the_difference_is_that_of_the_means_over_seeds() -> None:
    random = np.random.default_rng(6)
    truths = made_truths(random, 40)
    first = made_system(random, truths, right=0.3, seeds=3)
    second = made_system(random, truths, right=0.9, seeds=2, model="student")
    scores = [
        mean(counted_w_f1(list(zip(truths, map(int, one.guesses), strict=True))) for one in system)
        for system in (first, second)
    ]
    found = paired_test(first, second, resamples=100, permutations=999)
    assert found.difference == pytest.approx(scores[1] - scores[0])
    assert found.interval_95[0] < found.difference < found.interval_95[1]
    assert (found.seeds, found.dialogues) == ((3, 2), 10)
    assert found.p_value <= 0.005  # of 1,024 exchanges only two are as far apart


def test_exchanged_systems_have_the_opposite_difference() -> None:
    random = np.random.default_rng(7)
    truths = made_truths(random, 40)
    first, second = (made_system(random, truths, right=right, seeds=2) for right in (0.3, 0.6))
    forth, back = (paired_test(*pair, permutations=500) for pair in ((first, second), (second, first)))
    assert back.difference == pytest.approx(-forth.difference)
    assert back.interval_95 == pytest.approx((-forth.interval_95[1], -forth.interval_95[0]))
    assert back.p_value == forth.p_value


def test_a_system_does_not_differ_from_itself() -> None:
    random = np.random.default_rng(8)
    system = made_system(random, made_truths(random, 40), right=0.5, seeds=3)
    found = paired_test(system, system, resamples=50, permutations=50)
    assert (found.difference, found.interval_95, found.p_value) == (0, (0, 0), 1)


def test_systems_that_are_alike_are_told_apart_as_seldom_as_promised() -> None:
    random = np.random.default_rng(9)
    p_values = []
    for _ in range(200):
        truths = made_truths(random, 80)
        first, second = (made_system(random, truths, right=0.4, seeds=1) for _ in range(2))
        p_values.append(paired_test(first, second, resamples=1, permutations=99).p_value)
    assert mean(p <= 0.05 for p in p_values) <= 0.09
    assert mean(p <= 0.5 for p in p_values) == pytest.approx(0.5, abs=0.1)
    assert min(p_values) >= 0.01  # (1 + 0) / (1 + 99): never 0


def test_one_dialogue_proves_nothing() -> None:
    truths = [0, 1, 2, 0]
    first, second = predictions_of(truths, [1, 0, 0, 1]), predictions_of(truths, truths)
    found = paired_test([first], [second], resamples=20, permutations=100)
    assert found.p_value == 1
    assert found.interval_95 == (found.difference, found.difference) == (1, 1)


def test_the_same_seed_draws_the_same_and_another_draws_otherwise() -> None:
    random = np.random.default_rng(10)
    system = made_system(random, made_truths(random, 80), right=0.5, seeds=2)
    assert dialogue_bootstrap(system, seed=1) == dialogue_bootstrap(system, seed=1)
    assert dialogue_bootstrap(system, seed=1) != dialogue_bootstrap(system, seed=2)


def test_systems_without_common_utterances_or_without_any_are_refused() -> None:
    one, other = predictions_of([0, 1], [0, 1]), predictions_of([0, 1, 2], [0, 1, 2])
    with pytest.raises(PredictionsError, match="'test/utt2' is only in the second"):
        paired_test([one], [other])
    with pytest.raises(ScoreError, match="1 and 0 predictions"):
        paired_test([one], [])
    with pytest.raises(ScoreError, match="no predictions"):
        dialogue_bootstrap([])
    with pytest.raises(ValueError, match="0 draws"):
        dialogue_bootstrap([one], resamples=0)
