"""Who that is: each frequent speaker's face, learned from the clips in which they speak, and chosen by it.

Paper: not there. MELD names the speaker of each utterance; the face recogniser knows people. No label is used
beyond that column. Embeddings are unit vectors, distances d Euclidean, a candidate is one of a clip's tracks,
with weight w: its share of the talking scores of its clip, 1/2 for a face that is alone (often the listener).

For each name, over the candidates i of its clips N and those of all others O:

    h_i = sum_{j in N} w_j [d_ij < R] / |N|  -  sum_{k in O} w_k [d_ik < R] / |O|
    p   = mean of the nearest candidate of each clip, if nearer than R, without the farthest tenth; iterated

where h says how much more i's face talks in this name's clips than elsewhere, and p, the face of the name, is

begun at the candidate of the highest h. A name of few clips, whose best h is low, or whose face is another
name's as well (that one has the higher h), has no face, and its clips are chosen by talking alone. Else

    s_i = K (R - d_ip) + logit(w_i)

is highest for the candidate that is taken; where none is nearer than R the speaker is not in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

SAME_PERSON = 1.0  # R; unit vectors of different people are about 1.4 apart, FaceNet's own threshold is 1.1
SHARPNESS = 10.0  # K: a tenth of a distance is worth as much as odds of e
LEAST_CLIPS = 5  # of a name, with a face in them
LEAST_RECURRENCE = 0.1  # h
ALONE = 0.5  # weight of a face that is alone in its clip
MOST_COMPARED = 2000  # candidates of other names, evenly taken
ROUNDS = 10
TRIMMED_SHARE = 0.1
SURELY = 0.02  # talking shares are kept between this and 1 less this


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """The candidates of all clips of a corpus.

    Args:
        clip: which clip each is of, ascending; all candidates of a clip follow each other.
        embeddings: unit vectors.
        talking: score of each; NaN where it was not judged.
    """

    clip: Int64[np.ndarray, " candidate"]
    embeddings: Float32[np.ndarray, "candidate dim"]
    talking: Float64[np.ndarray, " candidate"]

    def weights(self) -> Float64[np.ndarray, " candidate"]:
        """Share of each in the talking of its clip; alike where none was judged, `ALONE` for a single one."""
        _, place, count = np.unique(self.clip, return_inverse=True, return_counts=True)
        scores = np.nan_to_num(self.talking)
        total = np.bincount(place, scores)[place]
        alike = np.where(count[place] == 1, ALONE, 1 / count[place])
        return np.where(total > 0, scores / np.where(total > 0, total, 1.0), alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The face of a name.

    Args:
        prototype: unit vector.
        recurrence: h of the candidate that it was found by.
        clips: in how many clips of the name it was found.
    """

    prototype: Float32[np.ndarray, " dim"]
    recurrence: float
    clips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What identity says of one clip.

    Args:
        candidate: the one that is taken, counted in the clip.
        distance: of its face to the speaker's.
        margin: how much nearer it is than the limit; below 0 the speaker is not in the picture.
        lead: of its score over the next; infinite where it is alone.
    """

    candidate: int
    distance: float
    margin: float
    lead: float


def learn(faces: Faces, names: Sequence[str]) -> dict[str, Person]:
    """Find the face of each name that has one.

    Args:
        names: who speaks in each clip; "" where that is unknown.
    """
    speaker = np.array(names, dtype=object)[faces.clip] if len(faces.clip) else np.array([], dtype=object)
    weights = faces.weights()
    people = {}
    for name in sorted({name for name in names if name}):
        own = speaker == name
        if len(np.unique(faces.clip[own])) >= LEAST_CLIPS:
            found = _person(faces, weights, own)
            if found is not None:
                people[name] = found
    return _without_doubles(people)


def _person(faces: Faces, weights: Float64[np.ndarray, " c"], own: Bool[np.ndarray, " c"]) -> Person | None:
    mine, others = np.flatnonzero(own), _evenly(np.flatnonzero(~own))
    recurrence = _talks_near(faces, weights, mine, mine) - _talks_near(faces, weights, mine, others)
    best = int(recurrence.argmax())
    if recurrence[best] < LEAST_RECURRENCE:
        return None
    prototype, clips = faces.embeddings[mine[best]], 0
    for _ in range(ROUNDS):
        nearest = _nearest_of_each_clip(faces, mine, prototype)
        members = nearest[_distances(faces.embeddings[nearest], prototype) < SAME_PERSON]
        distances = _distances(faces.embeddings[members], prototype)
        kept = members[distances <= np.quantile(distances, 1 - TRIMMED_SHARE)]
        mean = faces.embeddings[kept].mean(axis=0)
        prototype, clips = (mean / np.linalg.norm(mean)).astype(np.float32), len(members)
    if clips < LEAST_CLIPS:
        return None
    return Person(prototype=prototype, recurrence=float(recurrence[best]), clips=clips)


def _talks_near(
    faces: Faces,
    weights: Float64[np.ndarray, " c"],
    places: Int64[np.ndarray, " own"],
    among: Int64[np.ndarray, " other"],
) -> Float64[np.ndarray, " own"]:
    """How much of the talking in the clips of `among` is done by the face of each place."""
    clips = len(np.unique(faces.clip[among]))
    if not clips:
        return np.zeros(len(places))
    alike = faces.embeddings[places] @ faces.embeddings[among].T > 1 - SAME_PERSON**2 / 2
    return np.asarray(alike @ weights[among] / clips, dtype=np.float64)


def _nearest_of_each_clip(
    faces: Faces, mine: Int64[np.ndarray, " own"], prototype: Float32[np.ndarray, " dim"]
) -> Int64[np.ndarray, " clip"]:
    distances = _distances(faces.embeddings[mine], prototype)
    order = np.lexsort((distances, faces.clip[mine]))
    _, first = np.unique(faces.clip[mine][order], return_index=True)
    return mine[order[first]]


def _evenly(places: Int64[np.ndarray, " place"]) -> Int64[np.ndarray, " some"]:
    step = max(1, -(-len(places) // MOST_COMPARED))
    return places[::step]


def _without_doubles(people: Mapping[str, Person]) -> dict[str, Person]:
    """Of two names with one face only that who talks with it more surely keeps it."""
    kept: dict[str, Person] = {}
    for name, person in sorted(people.items(), key=lambda one: (-one[1].recurrence, one[0])):
        near = (float(np.linalg.norm(person.prototype - one.prototype)) for one in kept.values())
        if all(distance >= SAME_PERSON for distance in near):
            kept[name] = person
    return kept


def recognise(
    person: Person,
    embeddings: Float32[np.ndarray, "candidate dim"],
    weights: Float64[np.ndarray, " candidate"],
) -> Recognition:
    """Choose among the candidates of one clip of that person's.

    Args:
        weights: as `Faces.weights` gives them for the clip.
    """
    distances = _distances(embeddings, person.prototype)
    share = np.clip(weights, SURELY, 1 - SURELY)
    talking = np.log(share / (1 - share)) if len(share) > 1 else np.zeros(1)
    scores = SHARPNESS * (SAME_PERSON - distances) + talking
    order = np.argsort(-scores, kind="stable")
    chosen = int(order[0])
    lead = float(scores[order[0]] - scores[order[1]]) if len(order) > 1 else float("inf")
    return Recognition(
        candidate=chosen,
        distance=float(distances[chosen]),
        margin=float(SAME_PERSON - distances.min()),
        lead=lead,
    )


def _distances(
    embeddings: Float32[np.ndarray, "candidate dim"], prototype: Float32[np.ndarray, " dim"]
) -> Float[np.ndarray, " candidate"]:
    return np.asarray(np.linalg.norm(embeddings - prototype, axis=1), dtype=np.float64)
