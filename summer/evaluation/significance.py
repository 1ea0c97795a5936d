"""What chance could do: an interval by resampled dialogues and seeds, and a paired test of two systems.

A system is one or several trained models (seeds) of the same recipe; its score is the mean of their w-F1. A
claim about systems is to hold for other dialogues and for other seeds, so both count as drawn by chance.
Utterances of one dialogue are not independent, so whole dialogues are drawn, left out and exchanged. Where
two systems have the very same seed numbers, such as a student and the teacher that guides it, their seeds
are pairs; else they are independent.

    d        difference of the two scores                        n  dialogues
    d_i      the same without dialogue i                         m  seeds of a system, or pairs of seeds
    x_s      score of seed s, or difference of pair s            x_is  the same without dialogue i

Interval: 2.5th to 97.5th percentile of the score, or of d, over resamples. A resample draws n dialogues with
replacement and, nested in it, m seeds of each system (or m pairs) with replacement: the pigeonhole bootstrap
(Owen 2007). Few seeds limit it. With one seed only dialogues vary. With m seeds their part of the variance is
(m - 1) / m of what it should be: where seeds truly differ much, the interval holds the truth in about 80 % of
cases with 2 seeds, 88 % with 3, 90 % with 5 and 92 % with 10, not in 95 %. Where seeds differ only in the
utterances that they err on, it holds it in about 99 %, because a resample counts this part of the variance up
to three times. So the interval may hold 0 where p is below 0.05, and the reverse: p decides.

Test: p is the larger of two p-values, each of which asks whether the two means are equal.

    t      = d / sqrt(V), V = max(V_D + V_S - V_DS, V_D, V_S)                        quasi-F of Clark 1973
    V_D    = (n - 1) / n sum_i (d_i - mean d_i)^2                                    dialogues, by jackknife
    V_S    = sum over systems, or over the one set of pairs, of var_s(x_s) / m       seeds
    V_DS   = the same sum of (n - 1) / n sum_is e_is^2 / (m (m - 1)),                what both of these hold
             e_is = x_is - mean_i x_is - mean_s x_is + mean x_is
    nu     = V^2 / (V_D^2 / (n - 1) + V_S^2 / nu_S), at least min(n - 1, nu_S)       Satterthwaite 1946
    p_t    = P(|T| >= |t|), T of Student's distribution with nu degrees of freedom
    p_swap = (1 + #{|d*| >= |d|}) / (1 + permutations)

nu_S is m - 1 for pairs; for two systems it is Welch's. A system of one seed borrows the variance of the
other's. With one seed each, nothing is known of other seeds and p is p_swap alone.

For d* each dialogue's predictions change sides between the two systems by the toss of a coin, which changes
nothing in expectation where the systems are alike. With different numbers of seeds each system is repeated up
to their least common multiple, which leaves its mean as it is. p_swap takes the models as given: where seeds
truly differ it alone calls systems different that are not. It bounds p where dialogues are so few that
Student's distribution does not hold, and sets p's resolution.

Why not exchange seeds as well: 3 pairs have 8 exchanges and 5 have 32, so no such p falls below 0.05. Why not
the larger of a test over dialogues and a test over seeds: V would be max(V_D, V_S), too small by up to half.
Simulated with 3, 5 and 10 seeds, it rejects at 0.05 in 0.5 to 6.7, 1.5 to 7 and 2 to 8 % of worlds without a
difference, least often where seeds differ little; with 2 pairs of seeds that differ much, in up to 11 %.

Sources: Clark, The language-as-fixed-effect fallacy, Journal of Verbal Learning and Verbal Behavior 12, 1973;
Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bulletin 2, 1946;
Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007; Holm, A simple sequentially rejective
multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from jaxtyping import Float64

from summer.evaluation.confusion import ScoreError, dialogue_confusions
from summer.evaluation.predictions import Predictions
from summer.evaluation.quasi_f import difference_of_means, p_of_student
from summer.metrics import weighted_f1

RESAMPLES = 2000
PERMUTATIONS = 10_000
PERCENTILES_95 = (2.5, 97.5)
DRAWS_AT_ONCE = 500
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """How far two systems differ on the same utterances, in w-F1 (0 to 1).

    Args:
        difference: the second's mean over seeds less the first's.
        interval_95: of the difference, by resampled dialogues and seeds.
        p_value: two-sided, over dialogues and seeds; with one seed each, over dialogues alone.
        p_dialogues: two-sided, over dialogues alone, the models taken as given; at most p_value.
        seeds: how many models stand for the first and for the second.
        paired_seeds: whether both have the same seed numbers, so that their seeds are pairs.
        dialogues: how many dialogues with a known truth they were compared on.
    """

    difference: float
    interval_95: tuple[float, float]
    p_value: float
    p_dialogues: float
    seeds: tuple[int, int]
    paired_seeds: bool
    dialogues: int


def bootstrap_interval(
    predictions: Sequence[Predictions], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean over seeds of w-F1, by dialogues and seeds drawn with replacement.

    With one seed only dialogues vary; with few the interval is rough: see above.

    Args:
        predictions: one per seed, of the same utterances.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        ScoreError: no predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances.
        ValueError: fewer than one resample.
    """
    counts = dialogue_confusions(predictions)
    random = np.random.default_rng(seed)
    drawn = [
        _weighted(scores, _drawn_shares(random, len(scores), counts.shape[1]))
        for scores in _resampled_scores(counts, resamples, random)
    ]
    return _interval(np.concatenate(drawn))


def paired_test(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    *,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PairedTest:
    """Compare two systems, each of one or more seeds, on the same utterances.

    Args:
        first, second: one per seed. Seeds are pairs where both have the same numbers, each once.
        seed: of the draws; the same seed gives the same interval and p-values.

    Raises:
        ScoreError: a system without predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances; names the first that differs.
        ValueError: fewer than one resample or permutation.
    """
    if not first or not second:
        raise ScoreError(f"{len(first)} and {len(second)} predictions; give at least one seed of each system")
    first, second = (sorted(system, key=lambda one: one.seed) for system in (first, second))
    ours, paired = len(first), _are_paired(first, second)
    counts = dialogue_confusions([*first, *second])
    random = np.random.default_rng(seed)
    observed = float(difference_of_means(weighted_f1(counts.sum(axis=0)), ours))
    interval = _difference_interval(counts, ours, paired=paired, resamples=resamples, random=random)
    p_dialogues = _p_of_swaps(counts[:, :ours], counts[:, ours:], permutations, random)
    return PairedTest(
        difference=observed,
        interval_95=interval,
        p_value=max(p_dialogues, p_of_student(observed, counts, ours, paired=paired)),
        p_dialogues=p_dialogues,
        seeds=(ours, len(second)),
        paired_seeds=paired,
        dialogues=len(counts),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct several p-values, in the order given, so that the chance of any false claim stays as promised.

        corrected of the k-th lowest of K = max over j <= k of min(1, (K - j + 1) p_j)

    Source: Holm 1979.

    >>> holm([0.25, 0.0625])
    [0.25, 0.125]

    Raises:
        ValueError: a p-value that is not from 0 to 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values {', '.join(map(str, p_values))}; give numbers from 0 to 1")
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _are_paired(first: Sequence[Predictions], second: Sequence[Predictions]) -> bool:
    numbers = [[one.seed for one in system] for system in (first, second)]
    return numbers[0] == numbers[1] and len(set(numbers[0])) == len(first)


def _difference_interval(
    counts: Float64[np.ndarray, "dialogue seed cls cls"],
    ours: int,
    *,
    paired: bool,
    resamples: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    theirs, drawn = counts.shape[1] - ours, []
    for scores in _resampled_scores(counts, resamples, random):
        of_first = _drawn_shares(random, len(scores), ours)
        of_second = of_first if paired else _drawn_shares(random, len(scores), theirs)
        drawn.append(_weighted(scores[:, ours:], of_second) - _weighted(scores[:, :ours], of_first))
    return _interval(np.concatenate(drawn))


def _resampled_scores(
    counts: Float64[np.ndarray, "dialogue seed cls cls"], resamples: int, random: np.random.Generator
) -> Iterator[Float64[np.ndarray, "draw seed"]]:
    dialogues = len(counts)
    shares = np.full(dialogues, 1 / dialogues)
    for draws in _portions(resamples):
        times_drawn = random.multinomial(dialogues, shares, size=draws).astype(np.float64)
        yield weighted_f1(_summed(times_drawn, counts))


def _drawn_shares(random: np.random.Generator, draws: int, seeds: int) -> Float64[np.ndarray, "draw seed"]:
    """How much each seed counts once as many seeds as there are were drawn with replacement; sums to 1."""
    return random.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds


def _weighted(
    scores: Float64[np.ndarray, "draw seed"], shares: Float64[np.ndarray, "draw seed"]
) -> Float64[np.ndarray, " draw"]:
    return np.asarray((scores * shares).sum(axis=1))


def _p_of_swaps(
    first: Float64[np.ndarray, "dialogue ours cls cls"],
    second: Float64[np.ndarray, "dialogue theirs cls cls"],
    permutations: int,
    random: np.random.Generator,
) -> float:
    """p_swap; with as many seeds on either side, each dialogue of a seed changes place with its partner's."""
    swapped = np.concatenate(list(_swapped_differences(first, second, permutations, random)))
    observed = weighted_f1(second.sum(axis=0)).mean() - weighted_f1(first.sum(axis=0)).mean()
    return (1 + int((np.abs(swapped) >= abs(observed) - ROUNDING).sum())) / (1 + permutations)


def _swapped_differences(
    first: Float64[np.ndarray, "dialogue ours cls cls"],
    second: Float64[np.ndarray, "dialogue theirs cls cls"],
    permutations: int,
    random: np.random.Generator,
) -> Iterator[Float64[np.ndarray, " draw"]]:
    pairs = np.arange(lcm(first.shape[1], second.shape[1]))
    first, second = first[:, pairs % first.shape[1]], second[:, pairs % second.shape[1]]
    for draws in _portions(permutations):
        swaps = random.integers(0, 2, size=(draws, len(first))).astype(np.float64)
        moved = _summed(swaps, second - first)
        yield difference_of_means(
            np.concatenate(
                [weighted_f1(first.sum(axis=0) + moved), weighted_f1(second.sum(axis=0) - moved)], axis=1
            ),
            len(pairs),
        )


def _summed(
    weights: Float64[np.ndarray, "draw dialogue"], counts: Float64[np.ndarray, "dialogue seed cls cls"]
) -> Float64[np.ndarray, "draw seed cls cls"]:
    """Sums of counts over dialogues; as floats for the fast product, exact for whole numbers below 2**53."""
    summed: Float64[np.ndarray, "draw seed cls cls"]
    summed = np.einsum("nd,dscg->nscg", weights, counts, optimize=True)
    return summed


def _portions(draws: int) -> Iterator[int]:
    if draws < 1:
        raise ValueError(f"{draws} draws; draw at least once, better a thousand times")
    for begun in range(0, draws, DRAWS_AT_ONCE):
        yield min(DRAWS_AT_ONCE, draws - begun)


def _interval(scores: Float64[np.ndarray, " draw"]) -> tuple[float, float]:
    low, high = np.percentile(scores, PERCENTILES_95)
    return float(low), float(high)
