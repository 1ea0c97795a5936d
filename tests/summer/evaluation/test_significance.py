"""Chance: intervals against plain loops, p-values against all exchanges, textbooks and simulated worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from scipy import stats

from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import Predictions, PredictionsError
from summer.evaluation.significance import PairedTest, bootstrap_interval, holm, paired_test
from tests.summer.evaluation.made_predictions import (
    counted_w_f1,
    made_guesses,
    made_system,
    made_truths,
    pairs_by_dialogue,
    predictions_of,
)

Pairs = dict[str, list[tuple[int, int]]]


def looped_scores(system: list[Predictions], draws: np.ndarray) -> list[list[float]]:
    """w-F1 of each seed, for each draw of dialogues, one utterance after the other."""
    by_seed = [pairs_by_dialogue(one) for one in system]
    names = sorted(by_seed[0])
    return [
        [
            counted_w_f1(
                [pair for name, times in zip(names, draw, strict=True) for pair in pairs[name] * times]
            )
            for pairs in by_seed
        ]
        for draw in draws
    ]


def drawn(random: np.random.Generator, items: int, resamples: int) -> np.ndarray:
    """How often each is drawn."""
    return random.multinomial(items, [1 / items] * items, size=resamples)


def means_of(scores: list[list[float]], draws: np.ndarray) -> list[float]:
    """The mean of the seeds drawn, each as often as it was drawn."""
    return [
        mean(score for score, times in zip(row, draw, strict=True) for _ in range(times))
        for row, draw in zip(scores, draws, strict=True)
    ]


def test_the_interval_is_that_of_a_plain_loop_over_the_same_draws() -> None:
    random = np.random.default_rng(0)
    truths = made_truths(random, 60)
    truths[3], truths[8:12] = -1, [-1] * 4  # one unknown row, and a dialogue without any truth
    system = made_system(random, [max(truth, 0) for truth in truths], right=0.5, seeds=3)
    system = [replace(one, truths=np.array(truths)) for one in system]
    draws = np.random.default_rng(7)
    scores = looped_scores(system, drawn(draws, 14, 400))
    expected = np.percentile(means_of(scores, drawn(draws, 3, 400)), [2.5, 97.5])
    assert bootstrap_interval(system, resamples=400, seed=7) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("seeds", "paired"), [((2, 3), False), ((3, 3), True)])
def test_the_interval_of_a_difference_is_that_of_a_plain_loop_over_the_same_draws(
    seeds: tuple[int, int], paired: bool
) -> None:
    random = np.random.default_rng(3)
    truths = made_truths(random, 40)
    systems = [
        made_system(random, truths, right=right, seeds=m) for right, m in zip((0.3, 0.6), seeds, strict=True)
    ]
    draws = np.random.default_rng(5)
    dialogues = drawn(draws, 10, 200)
    of_first = drawn(draws, seeds[0], 200)
    of_second = of_first if paired else drawn(draws, seeds[1], 200)
    scores = [looped_scores(system, dialogues) for system in systems]
    differences = np.subtract(means_of(scores[1], of_second), means_of(scores[0], of_first))
    found = paired_test(systems[0], systems[1][::-1], resamples=200, permutations=10, seed=5)
    assert found.interval_95 == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])))
    assert found.paired_seeds == paired


def test_the_interval_of_one_seed_varies_dialogues_alone_and_that_of_several_seeds_too() -> None:
    truths = made_truths(np.random.default_rng(11), 40)
    perfect, wrong = (
        predictions_of(truths, truths),
        predictions_of(truths, [(t + 1) % 3 for t in truths], seed=1),
    )
    assert bootstrap_interval([perfect]) == (1, 1)
    assert bootstrap_interval([perfect, wrong]) == (0, 1)  # either seed may be drawn twice


def test_the_interval_of_one_seed_holds_the_true_score_about_as_often_as_it_promises() -> None:
    random = np.random.default_rng(4)
    large = made_truths(random, 40_000)
    truth = counted_w_f1(list(zip(large, made_guesses(random, large, 0.4), strict=True)))
    held = 0
    for _ in range(150):
        truths = made_truths(random, 160)
        low, high = bootstrap_interval(made_system(random, truths, right=0.4, seeds=1), resamples=200)
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
    assert found.p_dialogues == pytest.approx(expected, abs=0.02)
    assert found.p_value >= found.p_dialogues
    assert found.p_value == found.p_dialogues or seeds != (1, 1)


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
    assert found.p_value < 0.01
    assert found.p_dialogues <= 0.005  # of 1,024 exchanges only two are as far apart


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


def scattered(
    random: np.random.Generator,
    *,
    systems_differ: float,
    seeds_differ: float,
    effect: float = 0,
    numbers: tuple[Sequence[int], Sequence[int]],
    dialogues: int = 60,
) -> tuple[list[Predictions], list[Predictions]]:
    """Two systems of a made-up world: how often a model is right depends on its seed and on the dialogue.

    Args:
        systems_differ: spread over dialogues of how often either system is right, which helps neither on the
            whole.
        seeds_differ: spread over seeds of how often a model is right.
        effect: how much more often the second system is right.
    """
    truths = np.repeat(random.integers(0, 3, dialogues), 8)
    truths[1::2] = random.integers(0, 3, dialogues * 4)
    names = [f"dia{row // 8:03}" for row in range(len(truths))]
    leaning = random.normal(0, systems_differ, (2, dialogues))
    found: list[list[Predictions]] = [[], []]
    for side, seeds in enumerate(numbers):
        for seed in seeds:
            right = 0.5 + side * effect + random.normal(0, seeds_differ) + leaning[side].repeat(8)
            guesses = np.where(
                random.random(len(truths)) < right, truths, (truths + random.integers(1, 3, len(truths))) % 3
            )
            found[side].append(predictions_of(truths, guesses, dialogues=names, seed=seed))
    return found[0], found[1]


def rejections(worlds: int, **world: Any) -> tuple[float, float]:
    """How often p_value, and how often the p-value over dialogues alone, is at most 0.05."""
    random = np.random.default_rng(12)
    tests = [paired_test(*scattered(random, **world), resamples=1, permutations=199) for _ in range(worlds)]
    return mean(one.p_value <= 0.05 for one in tests), mean(one.p_dialogues <= 0.05 for one in tests)


def numbers_of(seeds: int, *, paired: bool) -> tuple[range, range]:
    return range(seeds), range(seeds) if paired else range(100, 100 + seeds)


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("systems_differ", [0.0, 0.1])
def test_systems_whose_seeds_differ_are_told_apart_as_seldom_as_promised(
    seeds: int, paired: bool, systems_differ: float
) -> None:
    numbers = numbers_of(seeds, paired=paired)
    found, taken_as_given = rejections(300, numbers=numbers, systems_differ=systems_differ, seeds_differ=0.05)
    assert 0.01 <= found <= 0.08
    assert taken_as_given > 0.15  # each world's own models decide, whatever others would do


@pytest.mark.parametrize("seeds_differ", [0.0, 0.05])
def test_systems_that_are_alike_but_for_three_seeds_luck_are_seldom_told_apart(seeds_differ: float) -> None:
    found, _ = rejections(
        120, numbers=numbers_of(3, paired=False), systems_differ=0, seeds_differ=seeds_differ
    )
    assert found <= 0.08


@pytest.mark.parametrize(("seeds", "at_least"), [(3, 0.7), (5, 0.95)])
def test_a_clear_effect_is_found(seeds: int, at_least: float) -> None:
    numbers = numbers_of(seeds, paired=True)
    found, _ = rejections(40, numbers=numbers, systems_differ=0.05, seeds_differ=0.02, effect=0.15)
    assert found >= at_least


def compared(first: list[Predictions], second: list[Predictions]) -> PairedTest:
    return paired_test(first, second, resamples=1, permutations=99_999)


def test_where_only_pairs_of_seeds_vary_the_p_value_is_that_of_students_test() -> None:
    # in each pair all dialogues differ alike: nothing is left for dialogues to explain
    truths = [0, 1, 2, 0] * 30
    first = [predictions_of(truths, truths, seed=seed) for seed in range(4)]
    wrong = ([0, 1, 2, 1], [0, 1, 1, 1], [0, 1, 2, 0], [0, 2, 1, 1])
    second = [predictions_of(truths, guesses * 30, seed=seed) for seed, guesses in enumerate(wrong)]
    scores = [counted_w_f1(list(zip(truths, guesses * 30, strict=True))) for guesses in wrong]
    found = compared(first, second[::-1])  # seeds find their partners by number
    assert found.paired_seeds
    assert found.p_dialogues == pytest.approx(1e-5)
    assert found.p_value == pytest.approx(stats.ttest_1samp(np.subtract(scores, 1), 0).pvalue)


def test_where_only_seeds_vary_the_p_value_is_that_of_welchs_test() -> None:
    truths = [0, 1, 2, 0] * 30
    wrong = ([0, 1, 2, 1], [0, 1, 1, 1], [0, 1, 2, 0], [0, 2, 1, 1], [0, 2, 1, 0])
    models = [predictions_of(truths, guesses * 30, seed=seed) for seed, guesses in enumerate(wrong)]
    scores = [counted_w_f1(list(zip(truths, guesses * 30, strict=True))) for guesses in wrong]
    found = compared([models[0], models[2]], [models[1], models[3], models[4]])
    expected = stats.ttest_ind([scores[0], scores[2]], [scores[1], scores[3], scores[4]], equal_var=False)
    assert not found.paired_seeds
    assert found.p_value == pytest.approx(expected.pvalue)
    one = compared([models[0]], [models[1], models[3], models[4]])
    theirs = [scores[1], scores[3], scores[4]]
    statistic = (mean(theirs) - scores[0]) / (stdev(theirs) * sqrt(1 + 1 / 3))
    assert one.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), 2))  # its variance is borrowed


def test_where_only_dialogues_vary_seeds_leave_the_p_value_to_students_test_of_dialogues() -> None:
    random = np.random.default_rng(13)
    truths = made_truths(random, 400)
    first, second = (predictions_of(truths, made_guesses(random, truths, right)) for right in (0.4, 0.45))
    several = compared(
        [replace(first, seed=seed) for seed in range(3)], [replace(second, seed=seed) for seed in range(3)]
    )
    assert 0.01 < several.p_dialogues < 0.9
    assert several.p_value == pytest.approx(several.p_dialogues, abs=0.03)
    assert several.p_dialogues == pytest.approx(compared([first], [second]).p_value, abs=0.01)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # statsmodels' multipletests(..., "holm")
        ([0.5, 0.6, 0.01], [1, 1, 0.03]),
        ([0.04, 0.02, 0.02], [0.06, 0.06, 0.06]),
    ],
)
def test_holms_correction_is_that_of_the_textbook(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)


def test_what_is_no_p_value_is_not_corrected() -> None:
    for wrong in (1.1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="give numbers from 0 to 1"):
            holm([0.5, wrong])


def test_one_dialogue_proves_nothing() -> None:
    truths = [0, 1, 2, 0]
    first, second = predictions_of(truths, [1, 0, 0, 1]), predictions_of(truths, truths)
    found = paired_test([first], [second], resamples=20, permutations=100)
    assert found.p_value == 1
    assert found.interval_95 == (found.difference, found.difference) == (1, 1)


def test_the_same_seed_draws_the_same_and_another_draws_otherwise() -> None:
    random = np.random.default_rng(10)
    system = made_system(random, made_truths(random, 80), right=0.5, seeds=2)
    assert bootstrap_interval(system, seed=1) == bootstrap_interval(system, seed=1)
    assert bootstrap_interval(system, seed=1) != bootstrap_interval(system, seed=2)


def test_systems_without_common_utterances_or_without_any_are_refused() -> None:
    one, other = predictions_of([0, 1], [0, 1]), predictions_of([0, 1, 2], [0, 1, 2])
    with pytest.raises(PredictionsError, match="'test/utt2' is only in the second"):
        paired_test([one], [other])
    with pytest.raises(ScoreError, match="1 and 0 predictions"):
        paired_test([one], [])
    with pytest.raises(ScoreError, match="no predictions"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match="0 draws"):
        bootstrap_interval([one], resamples=0)
