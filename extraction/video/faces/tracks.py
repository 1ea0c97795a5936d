"""Tracks: the faces of a clip, linked over its keyframes, one track per person.

Paper: appendix A.1 aligns "the face" of an utterance and does not say which; a track is what can be chosen.

Two steps. Between keyframes of one shot a face belongs to the one that its box overlaps most. That ends
where the camera cuts, where someone turns away, where two boxes are far apart; the pieces are then joined by
the face recogniser's embedding of one crop each, nearest first, if each of the one is closer than
`SAME_PERSON` to each of the other (complete linkage), unless both are in one picture. A clip with a single
piece, most of them, costs no embedding; a crowd at most one in two keyframes.

A cut is a change of colours as well as of layout: a camera that follows somebody changes only the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from extraction.video.faces.detection import Face

LEAST_OVERLAP = 0.3  # intersection over union; keyframes are 0.4 s apart
MOST_SKIPPED = 2  # keyframes that a face may be missed in without its piece ending
SAME_PERSON = 1.0  # Euclidean distance of unit embeddings; FaceNet's own threshold is 1.1
LEAST_EMBEDDED = 8  # pieces that are compared in any clip; in a crowd the least present stay alone
CUT_COLOURS, CUT_LAYOUT = 0.12, 0.4  # distances, 0 to 1 and 0 to 2

Embed = Callable[[UInt8[np.ndarray, "face 160 160 3"]], Float[np.ndarray, "face dim"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A face in a keyframe.

    Args:
        keyframe: position among the clip's keyframes.
        index: position of that keyframe among the clip's frames.
        seconds: when, from the start of the span.
        face: where.
        x, y: the middle of its box, as shares of the picture's width and height.
        size: height of its box, as a share of the picture's.
        area_share: of the picture, 0 to 1.
        nearness: 1 in the picture's centre, 0 in a corner.
        crop: aligned, RGB.
        mouth_motion: how much more the mouth moves than the rest, 0 or more; None where that is not known.
    """

    keyframe: int
    index: int
    seconds: float
    face: Face
    x: float
    y: float
    size: float
    area_share: float
    nearness: float
    crop: UInt8[np.ndarray, "160 160 3"]
    mouth_motion: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """One person's face, in order of time, at most once per keyframe."""

    sightings: tuple[Sighting, ...]

    @property
    def keyframes(self) -> frozenset[int]:
        """The keyframes that show this face."""
        return frozenset(sighting.keyframe for sighting in self.sightings)

    @property
    def presence(self) -> float:
        """Area of the face, as a share of the picture, summed over keyframes."""
        return sum(sighting.area_share for sighting in self.sightings)

    @property
    def confidence(self) -> float:
        """The detector's probability, mean over sightings."""
        return float(np.mean([sighting.face.confidence for sighting in self.sightings]))

    @property
    def best(self) -> Sighting:
        """The sighting that shows the face best: large, and surely a face."""
        return max(self.sightings, key=lambda sighting: sighting.area_share * sighting.face.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a picture looks like as a whole, to notice cuts.

    Args:
        colours: histogram, sums to 1.
        layout: small grey picture.
    """

    colours: Float32[np.ndarray, " bin"]
    layout: UInt8[np.ndarray, "18 32"]

    @classmethod
    def of(cls, picture: UInt8[np.ndarray, "y x 3"]) -> Look:
        """Look at an RGB picture."""
        small = cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA)
        colours = cv2.calcHist([small], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
        grey = cv2.cvtColor(cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        return cls(colours=colours / colours.sum(), layout=grey)

    def is_cut_from(self, earlier: Look) -> bool:
        """Tell whether the camera cut between the two."""
        colours = float(np.abs(self.colours - earlier.colours).sum()) / 2
        return colours > CUT_COLOURS and 1 - _correlation(self.layout, earlier.layout) > CUT_LAYOUT


def link(keyframes: Sequence[Sequence[Sighting]], cuts: frozenset[int], embed: Embed | None) -> list[Track]:
    """The clip's tracks, the most present first.

    Args:
        keyframes: the faces of each.
        cuts: keyframes that a cut comes before.
        embed: the face recogniser: unit vectors of crops; None: pieces are not joined.
    """
    tracks = link_overlaps(keyframes, cuts)
    if embed is not None and len(tracks) > 1:
        tracks = join(tracks, embed, most=max(LEAST_EMBEDDED, len(keyframes) // 2))
    return sorted(tracks, key=lambda track: (-track.presence, track.sightings[0].keyframe))


def link_overlaps(keyframes: Sequence[Sequence[Sighting]], cuts: frozenset[int]) -> list[Track]:
    """Pieces of tracks, by overlap alone."""
    pieces: list[list[Sighting]] = []
    shot_start = 0
    for keyframe, sightings in enumerate(keyframes):
        if keyframe in cuts:
            shot_start = keyframe
        earliest = max(shot_start, keyframe - 1 - MOST_SKIPPED)
        going_on = [piece for piece in pieces if piece[-1].keyframe >= earliest]
        left = list(range(len(sightings)))
        for piece, k in _best_pairs(going_on, sightings):
            going_on[piece].append(sightings[k])
            left.remove(k)
        pieces.extend([sightings[k]] for k in left)
    return [Track(tuple(piece)) for piece in pieces]


def _best_pairs(pieces: Sequence[Sequence[Sighting]], faces: Sequence[Sighting]) -> Iterator[tuple[int, int]]:
    """Pairs of piece and face, the largest overlap first, each at most once."""
    overlaps = [
        (-overlap(piece[-1].face.box, face.face.box), p, k)
        for p, piece in enumerate(pieces)
        for k, face in enumerate(faces)
    ]
    taken_pieces: set[int] = set()
    taken_faces: set[int] = set()
    for negative, p, k in sorted(overlaps):
        if -negative >= LEAST_OVERLAP and p not in taken_pieces and k not in taken_faces:
            taken_pieces.add(p)
            taken_faces.add(k)
            yield p, k


def overlap(one: Float32[np.ndarray, 4], other: Float32[np.ndarray, 4]) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.clip(sides, 0, None).prod())
    both = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared
    return shared / both if both > 0 else 0.0


def join(pieces: Sequence[Track], embed: Embed, *, most: int) -> list[Track]:
    """Join the pieces that show one person, the most alike first; only the `most` present are compared.

    Linkage is complete: a face that lies between two people must not make them one.
    """
    ranked = sorted(pieces, key=lambda piece: (-piece.presence, piece.sightings[0].keyframe))
    embedded, rest = ranked[:most], ranked[most:]
    vectors = embed(np.stack([piece.best.crop for piece in embedded]))
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    groups = {k: [k] for k in range(len(embedded))}
    owner = list(range(len(embedded)))
    for one, other in sorted(combinations(range(len(embedded)), 2), key=lambda pair: float(distance[pair])):
        first, second = owner[one], owner[other]
        if distance[one, other] >= SAME_PERSON:
            break
        if first == second or distance[np.ix_(groups[first], groups[second])].max() >= SAME_PERSON:
            continue
        if not _meet(embedded, groups[first], groups[second]):
            for k in groups.pop(second):
                groups[first].append(k)
                owner[k] = first
    return [_merged([embedded[k] for k in group]) for group in groups.values()] + list(rest)


def _meet(pieces: Sequence[Track], one: Sequence[int], other: Sequence[int]) -> bool:
    """Tell whether two groups of pieces are ever in one picture: then they are two persons."""
    seen = frozenset[int]().union(*(pieces[k].keyframes for k in one))
    return any(seen & pieces[k].keyframes for k in other)


def _merged(pieces: Sequence[Track]) -> Track:
    sightings = [sighting for piece in pieces for sighting in piece.sightings]
    return Track(tuple(sorted(sightings, key=lambda sighting: sighting.keyframe)))


def _correlation(one: UInt8[np.ndarray, "y x"], other: UInt8[np.ndarray, "y x"]) -> float:
    first, second = (picture.astype(np.float64) - picture.mean() for picture in (one, other))
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 1.0
