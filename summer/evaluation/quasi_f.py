"""p_t of `summer.evaluation.significance`: Student's test of a difference that varies by dialogue and seed.

The equations of V, V_D, V_S, V_DS and nu stand there. Sources: Clark 1973 (quasi-F), Satterthwaite 1946.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr

from summer.metrics import weighted_f1

ROUNDING = 1e-12


def difference_of_means(scores: Float64[np.ndarray, "*draw seed"], ours: int) -> Float64[np.ndarray, "*draw"]:
    """Mean over the second system's seeds less that over the first's, which are the first `ours`."""
    return np.asarray(scores[..., ours:].mean(axis=-1) - scores[..., :ours].mean(axis=-1))


def p_of_student(
    difference: float, counts: Float64[np.ndarray, "dialogue seed cls cls"], ours: int, *, paired: bool
) -> float:
    """p_t; 0, which bounds nothing, where neither system has two seeds, or there is one dialogue."""
    dialogues, totals = len(counts), counts.sum(axis=0)
    whole, without = weighted_f1(totals), weighted_f1(totals - counts)
    parts = _parts_of_seeds(
        _systems(whole, ours, paired=paired), _systems(without, ours, paired=paired), dialogues
    )
    if parts is None or dialogues < 2:
        return 0.0
    of_seeds, of_both, free_of_seeds = parts
    of_dialogues = (dialogues - 1) * float(difference_of_means(without, ours).var())
    variance = max(of_dialogues + of_seeds - of_both, of_dialogues, of_seeds)
    if variance <= ROUNDING**2:
        return float(abs(difference) <= ROUNDING)
    free = variance**2 / (of_dialogues**2 / (dialogues - 1) + of_seeds**2 / free_of_seeds)
    free = max(free, min(dialogues - 1, free_of_seeds))
    return 2 * float(stdtr(free, -abs(difference) / sqrt(variance)))


def _systems(
    scores: Float64[np.ndarray, "*many seed"], ours: int, *, paired: bool
) -> list[Float64[np.ndarray, "*many _"]]:
    """What varies by seed, on the last axis: the differences of pairs, or the scores of either system."""
    first, second = scores[..., :ours], scores[..., ours:]
    return [second - first] if paired else [first, second]


def _parts_of_seeds(
    whole: Sequence[Float64[np.ndarray, " _"]],
    without: Sequence[Float64[np.ndarray, "dialogue _"]],
    dialogues: int,
) -> tuple[float, float, float] | None:
    """V_S, V_DS and nu_S; None where nothing has two seeds."""
    several = [place for place, scores in enumerate(whole) if len(scores) > 1]
    if not several:
        return None
    shares = [1 / len(scores) for scores in whole]
    if len(several) < len(whole):  # the single seed has the variance of the other system's
        shares = [sum(shares)] * len(whole)
    of_seeds = [shares[place] * float(whole[place].var(ddof=1)) for place in several]
    of_both = [shares[place] * _mixed_variance(without[place], dialogues) for place in several]
    free = [len(whole[place]) - 1 for place in several]
    if sum(of_seeds) <= ROUNDING**2:
        return 0.0, sum(of_both), float(min(free))
    welch = sum(of_seeds) ** 2 / sum(part**2 / degrees for part, degrees in zip(of_seeds, free, strict=True))
    return sum(of_seeds), sum(of_both), max(welch, float(min(free)))


def _mixed_variance(without: Float64[np.ndarray, "dialogue seed"], dialogues: int) -> float:
    """Variance of one seed's score that neither dialogues alone nor seeds alone explain, by jackknife."""
    left = without - without.mean(axis=0) - without.mean(axis=1, keepdims=True) + without.mean()
    return float((left**2).sum() * (dialogues - 1) / dialogues / (without.shape[1] - 1))
