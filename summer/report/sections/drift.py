"""How far the features of one split lie from those of another, and whether chance alone would do that.

Per dimension k the means of two splits are compared in units of the spread within them (the standardised
difference of means, Cohen 1988):

    d_k      = (mean_k of the second - mean_k of the first) / s_k
    s_k^2    = variance within the splits, pooled
    distance = sqrt(mean over k of d_k^2)

A mean over hundreds of dimensions and thousands of rows is never exactly 0, and rows of one dialogue are
alike: same room, same people. So the distance is held against those of splits made by chance out of the same
whole dialogues, as many to each side; p is the share of these that lie at least as far apart,
(1 + #{further}) / (1 + permutations). The middle one of them is what "by chance" says.

Why not a Kolmogorov-Smirnov test per dimension: it takes rows as independent, which rows of a dialogue are
not, so that it finds differences in corpora split by chance; and a thousand p-values are no answer. Why
means: they are what a model trained on one split sees move on another. A drift of spread or shape alone is
not seen. A small p is no fault: splits by session or season do differ, and scores on the second split ask a
model to bridge that. Features that were fitted to the labels of the training split (a tuned encoder without
folds, a supervised reducer) lie apart from those of other splits by that alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy import sparse

from summer.corpus import Split, Utterance
from summer.report.document import Block, Grid, Paragraph
from summer.report.tables import Table, p_value_text

PERMUTATIONS = 500
ROWS_AT_ONCE = 2048
MOST_DIMENSIONS = 3
FEWEST_DIALOGUES = 2  # of a split, below which nothing is to be exchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far a split lies from the first.

    Args:
        rows: of the first and of the second that were compared.
        distance, by_chance: in standard deviations.
        furthest: dimensions and their d, the furthest first.
    """

    first: Split
    second: Split
    rows: tuple[int, int]
    distance: float
    by_chance: float
    p_value: float
    furthest: Sequence[tuple[int, float]]


def drift_blocks(drifts: Mapping[str, Sequence[Drift]]) -> Iterator[Block]:
    """A table of all.

    Args:
        drifts: by modality.
    """
    rows = [
        (
            modality,
            f"{one.first} → {one.second}",
            f"{one.rows[0]:,} and {one.rows[1]:,}",
            f"{one.distance:.3f}",
            f"{one.by_chance:.3f}",
            p_value_text(one.p_value).removeprefix("= "),
            ", ".join(f"{dimension} ({by:+.2f})" for dimension, by in one.furthest),
        )
        for modality, found in drifts.items()
        for one in found
    ]
    if not rows:
        yield Paragraph("There are not two splits with several dialogues each, so nothing can drift.")
        return
    yield Paragraph(
        "How far the mean features of two splits lie apart, in standard deviations within them (root mean "
        "square over dimensions), beside the distance of splits that are made by chance of the same whole "
        "dialogues. A small p says that the splits truly differ; it does not say that something is wrong."
    )
    header = ("features", "splits", "rows", "distance", "by chance", "p", "furthest dimensions")
    yield Grid("Drift of features between splits", Table(header=header, rows=tuple(rows)))


def drifts_of(
    vectors: Float32[np.ndarray, "rows dim"],
    utterances: Sequence[Utterance],
    usable: Bool[np.ndarray, " rows"],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[Drift]:
    """The drift from the first split to each other one that has enough dialogues.

    Args:
        usable: rows that hold a vector.
        seed: of the permutations; the same seed gives the same p-values.
    """
    if not usable.any():
        return []
    sums = _SumsByDialogue.of(vectors, utterances, usable)
    splits = [split for split in Split if sums.in_split(split).sum() >= FEWEST_DIALOGUES]
    return [
        _drift(sums, splits[0], second, permutations, np.random.default_rng(seed)) for second in splits[1:]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SumsByDialogue:
    """Of each dialogue the number, sum and sum of squares of its rows, each less the mean of all rows."""

    splits: Sequence[Split]
    rows: Float64[np.ndarray, " dialogue"]
    sums: Float64[np.ndarray, "dialogue dim"]
    squares: Float64[np.ndarray, "dialogue dim"]

    @classmethod
    def of(
        cls,
        vectors: Float32[np.ndarray, "rows dim"],
        utterances: Sequence[Utterance],
        usable: Bool[np.ndarray, " rows"],
    ) -> _SumsByDialogue:
        names = [(one.split, one.dialogue) for one, good in zip(utterances, usable, strict=True) if good]
        place_of = {name: place for place, name in enumerate(dict.fromkeys(names))}
        places = np.array([place_of[name] for name in names], dtype=np.int64)
        rows = np.flatnonzero(usable)
        centre = np.mean(vectors, axis=0, dtype=np.float64, where=usable[:, None])
        sums, squares = (np.zeros((len(place_of), vectors.shape[1])) for _ in range(2))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            values = vectors[rows[some]].astype(np.float64) - centre
            ones = np.ones(len(values))
            of_dialogue = sparse.csr_matrix(
                (ones, (places[some], np.arange(len(values)))), shape=(len(place_of), len(values))
            )
            sums += of_dialogue @ values
            squares += of_dialogue @ values**2
        return cls(
            splits=[split for split, _ in place_of],
            rows=np.bincount(places, minlength=len(place_of)).astype(np.float64),
            sums=sums,
            squares=squares,
        )

    def in_split(self, split: Split) -> Bool[np.ndarray, " dialogue"]:
        return np.array([one is split for one in self.splits], dtype=bool)


def _drift(
    sums: _SumsByDialogue, first: Split, second: Split, permutations: int, random: np.random.Generator
) -> Drift:
    both = sums.in_split(first) | sums.in_split(second)
    is_second, rows = sums.in_split(second)[both], sums.rows[both]
    spread = _spread(sums, [first, second])
    known = spread > 0  # a dimension that never changes drifts nowhere
    scaled = sums.sums[both][:, known] / spread[known]
    shifts = _shifts(is_second[None, :], rows, scaled)
    drawn = np.stack([random.permutation(is_second) for _ in range(permutations)])
    chance = np.sqrt(np.mean(_shifts(drawn, rows, scaled) ** 2, axis=1)) if known.any() else np.zeros(1)
    distance = float(np.sqrt(np.mean(shifts**2))) if known.any() else 0.0
    order = np.argsort(-np.abs(shifts[0]))[:MOST_DIMENSIONS]
    return Drift(
        first=first,
        second=second,
        rows=(int(rows[~is_second].sum()), int(rows[is_second].sum())),
        distance=distance,
        by_chance=float(np.median(chance)),
        p_value=(1 + int((chance >= distance - 1e-12).sum())) / (1 + len(chance)),
        furthest=[(int(np.flatnonzero(known)[k]), float(shifts[0, k])) for k in order],
    )


def _spread(sums: _SumsByDialogue, splits: Sequence[Split]) -> Float64[np.ndarray, " dim"]:
    """s_k: the root of the pooled variance within splits; 0 where rounding is all there is."""
    within, rows = np.zeros(sums.sums.shape[1]), 0.0
    total = np.zeros_like(within)
    for split in splits:
        chosen = sums.in_split(split)
        count = sums.rows[chosen].sum()
        squares = sums.squares[chosen].sum(axis=0)
        within += squares - sums.sums[chosen].sum(axis=0) ** 2 / count
        total += squares
        rows += count
    within = np.where(within > 1e-10 * total, within, 0.0)
    return np.asarray(np.sqrt(within / max(rows - len(splits), 1.0)))


def _shifts(
    is_second: Bool[np.ndarray, "draw dialogue"],
    rows: Float64[np.ndarray, " dialogue"],
    sums: Float64[np.ndarray, "dialogue dim"],
) -> Float64[np.ndarray, "draw dim"]:
    """Mean of the second side less that of the first."""
    chosen = is_second.astype(np.float64)
    count, total = chosen @ rows, sums.sum(axis=0)
    inside = chosen @ sums
    return np.asarray(inside / count[:, None] - (total - inside) / (rows.sum() - count)[:, None])
