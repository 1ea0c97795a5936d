"""What chance could do: an interval by resampled dialogues, and a paired test of two systems.

A system is one or several trained models (seeds) of the same recipe; its score is the mean of their w-F1.
Utterances of one dialogue are not independent, so whole dialogues are drawn, and whole dialogues change
sides.

    interval   2.5th to 97.5th percentile of the score over resamples of the dialogues, drawn with replacement
    p          (1 + #{|d*| >= |d|}) / (1 + permutations)

d is the difference of the two scores. For d* each dialogue's predictions change sides between the two systems
by the toss of a coin, which changes nothing in expectation where the systems are alike. With different
numbers of seeds each system is repeated up to their least common multiple, which leaves its mean as it is.

The models are taken as given: other dialogues are imagined, other seeds are not. Read the spread over seeds
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from jaxtyping import Float64

from summer.evaluation.confusion import ScoreError, dialogue_confusions
from summer.evaluation.predictions import Predictions
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
        interval_95: of the difference, by resampled dialogues.
        p_value: two-sided, by dialogues that change sides.
        seeds: how many models stand for the first and for the second.
        dialogues: how many dialogues with a known truth they were compared on.
    """

    difference: float
    interval_95: tuple[float, float]
    p_value: float
    seeds: tuple[int, int]
    dialogues: int


def dialogue_bootstrap(
    predictions: Sequence[Predictions], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean over seeds of w-F1, by dialogues drawn with replacement.

    Args:
        predictions: one per seed, of the same utterances.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        ScoreError: no predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances.
        ValueError: fewer than one resample.
    """
    counts = dialogue_confusions(predictions)
    scores = [
        means.mean(axis=1) for means in _resampled_scores(counts, resamples, np.random.default_rng(seed))
    ]
    return _interval(np.concatenate(scores))


def paired_test(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    *,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PairedTest:
    """Compare two systems, each of one or more seeds, on the same utterances.

    Raises:
        ScoreError: a system without predictions, or no row whose truth is known.
        PredictionsError: they are not of the same utterances; names the first that differs.
        ValueError: fewer than one resample or permutation.
    """
    if not first or not second:
        raise ScoreError(f"{len(first)} and {len(second)} predictions; give at least one seed of each system")
    ours = len(first)
    counts = dialogue_confusions([*first, *second])
    random = np.random.default_rng(seed)
    observed = float(_difference(weighted_f1(counts.sum(axis=0)), ours))
    resampled = [_difference(scores, ours) for scores in _resampled_scores(counts, resamples, random)]
    swapped = np.concatenate(
        list(_swapped_differences(counts[:, :ours], counts[:, ours:], permutations, random))
    )
    as_far = int((np.abs(swapped) >= abs(observed) - ROUNDING).sum())
    return PairedTest(
        difference=observed,
        interval_95=_interval(np.concatenate(resampled)),
        p_value=(1 + as_far) / (1 + permutations),
        seeds=(ours, len(second)),
        dialogues=len(counts),
    )


def _difference(scores: Float64[np.ndarray, "*draw seed"], ours: int) -> Float64[np.ndarray, "*draw"]:
    return np.asarray(scores[..., ours:].mean(axis=-1) - scores[..., :ours].mean(axis=-1))


def _resampled_scores(
    counts: Float64[np.ndarray, "dialogue seed cls cls"], resamples: int, random: np.random.Generator
) -> Iterator[Float64[np.ndarray, "draw seed"]]:
    dialogues = len(counts)
    shares = np.full(dialogues, 1 / dialogues)
    for draws in _portions(resamples):
        times_drawn = random.multinomial(dialogues, shares, size=draws).astype(np.float64)
        yield weighted_f1(_summed(times_drawn, counts))


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
        yield _difference(
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
