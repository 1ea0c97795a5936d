"""Voices and faces to speakers: agglomerative clustering of a recording's utterances.

    d_v(i, j) = (1 - v_i v_j) / V        voices
    d_f(i, j) = |f_i - f_j| / F          faces
    d(i, j)   = mean of those that both i and j have; 1 where there is none

1 is as far as one speaker reaches. Groups are joined by the mean distance between them (average linkage) as
long as that is below 1. V was chosen on made-up voices (docs/predict.md), F is what joins tracks of faces,
SAME_PERSON.

Lines that have a name keep it. A line without gets that of the nearest named speaker, by the mean distance
to all of that speaker's lines, if it is below 1; the others are grouped among themselves and numbered in
order of their first line. A line with neither voice nor face stays without a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from extraction.video.faces.tracks import SAME_PERSON

SAME_VOICE = 0.32  # V, in 1 - cosine
REACH = 1.0
MOST_LINES = 4000  # their distances take 128 MB
NEARLY = 0.15  # a line whose second nearest speaker is nearer than this to the nearest is not sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of who says a line.

    Args:
        name: as the transcript has it; "" where it has none.
        voice, face: unit vectors; None where there is none, or it is not sure whose.
    """

    name: str = ""
    voice: Float[np.ndarray, " voice"] | None = None
    face: Float[np.ndarray, " face"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Who says a line.

    Args:
        name: "" where nothing is known.
        is_guessed: the transcript did not name it.
        is_sure: of guessed ones: no other speaker is nearly as near.
    """

    name: str
    is_guessed: bool
    is_sure: bool = True


def guessed_speakers(lines: Sequence[Heard]) -> list[Guess]:
    """Name the lines without a name.

    Raises:
        ValueError: more than 4000 lines.
    """
    if len(lines) > MOST_LINES:
        raise ValueError(
            f"{len(lines):,} lines are more than the {MOST_LINES:,} whose speakers can be guessed together; "
            "name the speakers, or cut the recording"
        )
    distances = distances_between(lines)
    known = np.array([line.voice is not None or line.face is not None for line in lines], dtype=bool)
    names = [line.name for line in lines]
    _take_the_nearest(names, distances, known)
    _number_the_rest(names, distances, known)
    return [
        Guess(
            name=name,
            is_guessed=bool(name) and not line.name,
            is_sure=bool(line.name) or _is_sure(row, names, distances, known),
        )
        for row, (line, name) in enumerate(zip(lines, names, strict=True))
    ]


def distances_between(lines: Sequence[Heard]) -> Float64[np.ndarray, "line line"]:
    """d of any two lines."""
    voices = [line.voice for line in lines]
    faces = [line.face for line in lines]
    each = [_cosine(voices) / SAME_VOICE, _euclidean(faces) / SAME_PERSON]
    there = np.isfinite(each)
    summed = np.where(there, each, 0.0).sum(axis=0)
    mean = np.where(there.any(axis=0), summed / there.sum(axis=0).clip(min=1), REACH)
    np.fill_diagonal(mean, 0.0)
    return np.asarray(mean)


def _cosine(vectors: Sequence[NDArray[np.floating] | None]) -> NDArray[np.float64]:
    """1 - cosine, NaN where one is missing."""
    stacked = _stacked(vectors)
    return np.asarray(1 - stacked @ stacked.T)


def _euclidean(vectors: Sequence[NDArray[np.floating] | None]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((2 * _cosine(vectors)).clip(min=0)))  # of unit vectors


def _stacked(vectors: Sequence[NDArray[np.floating] | None]) -> NDArray[np.float64]:
    width = next((len(vector) for vector in vectors if vector is not None), 1)
    rows = [np.full(width, np.nan) if vector is None else vector for vector in vectors]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), width)


def _take_the_nearest(names: list[str], distances: NDArray[np.float64], known: NDArray[np.bool_]) -> None:
    """Give lines without a name that of the nearest speaker of the transcript, if near."""
    given = list(names)
    speakers = sorted({name for name, there in zip(given, known, strict=True) if name and there})
    members = [[row for row, name in enumerate(given) if name == one and known[row]] for one in speakers]
    for row in _nameless(given, known):
        means = [float(distances[row, of].mean()) for of in members]
        if means and min(means) < REACH:
            names[row] = speakers[int(np.argmin(means))]


def _number_the_rest(names: list[str], distances: NDArray[np.float64], known: NDArray[np.bool_]) -> None:
    rest, given = list(_nameless(names, known)), set(names)
    if not rest:
        return
    free = (name for number in count(1) if (name := f"Speaker {number}") not in given)
    called: dict[int, str] = {}
    for row, group in zip(rest, _groups(distances[np.ix_(rest, rest)]), strict=True):
        if group not in called:
            called[group] = next(free)
        names[row] = called[group]


def _nameless(names: Sequence[str], known: NDArray[np.bool_]) -> Iterator[int]:
    return (row for row, name in enumerate(names) if not name and known[row])


def _groups(distances: NDArray[np.float64]) -> list[int]:
    if len(distances) == 1:
        return [0]
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=REACH
    )
    return [int(group) for group in clustering.fit_predict(distances)]


def _is_sure(
    row: int, names: Sequence[str], distances: NDArray[np.float64], known: NDArray[np.bool_]
) -> bool:
    """Whether the line's own speaker is nearer than any other by a margin; alone, whether all are far."""
    of: dict[str, list[int]] = {}
    for other, name in enumerate(names):
        if name and known[other] and other != row:
            of.setdefault(name, []).append(other)
    means = {name: float(distances[row, rows].mean()) for name, rows in of.items()}
    own = means.pop(names[row], REACH)
    return all(mean - own >= NEARLY for mean in means.values())
