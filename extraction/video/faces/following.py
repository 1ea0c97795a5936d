"""Tracks followed through every picture between keyframes: grey faces, 25 a second.

Paper: not there. Who speaks shows in how a mouth moves, and keyframes are 0.4 s apart. No picture is searched
for faces again: where a face is at time t, between its sightings a and b, is first interpolated,

    guess(t) = place(a) + (t - t_a) / (t_b - t_a) (found(b) - found(a))

then corrected by where the part around the eyes, as it looked at a, is found again nearby (normalised
correlation; where nothing is like it, the guess stands). At b the place is half what was followed and half
what the detector found, whose boxes tremble by some hundredths of a face. After its last sighting before a
cut or a gap a face is followed for as long as it is found again, at most for a second.

What is cut out is a square as long as the longer side of the detector's box. (LR-ASD's own demonstration cuts
0.7 of it, lower; on our boxes talkers and listeners then come closer together.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray

from extraction.media import GreyFrame
from extraction.video.faces.tracks import MOST_SKIPPED, Sighting, Track

SLOTS_PER_SECOND = 25
FACE_PIXELS = 112
MATCH_PIXELS = 64  # to which the longer side of a box is brought where faces are looked for again
EYES_PIXELS = (44, 28)  # width and height of the part that is looked for, in that scale
EYES_HIGHER = 8  # its centre above that of the box
SEARCH_PIXELS = 8  # on every side
LEAST_LIKENESS = 0.5  # normalised correlation
DETECTED_SHARE = 0.5  # of the place at a sighting that is the detector's
LARGEST_STEP = 0.25  # of a face, by which the detector may differ; else it alone is believed
MOST_HELD_SECONDS = 1.0
MOST_SLOTS = 150  # of a stretch: six seconds
LONGEST_REPEAT = 13  # slots that one picture may fill: half a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A face seen without a gap.

    Args:
        track: its position among the tracks.
        first_slot: when it begins, in 25ths of a second from the start of the span.
        faces: one a slot.
    """

    track: int
    first_slot: int
    faces: UInt8[np.ndarray, "slot 112 112"]


def follow(tracks: Sequence[Track], cuts: frozenset[int], frames: Iterable[GreyFrame]) -> Iterator[Stretch]:
    """Cut each track's face out of every picture, in stretches of at most `MOST_SLOTS`.

    Args:
        tracks: of the span's keyframes.
        cuts: keyframes that a cut comes before.
        frames: all pictures of the span, in order.
    """
    followers = [_Follower(position, track, cuts) for position, track in enumerate(tracks)]
    for frame in frames:
        for follower in followers:
            yield from follower.take(frame)
    for follower in followers:
        yield from follower.finished()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a face is: the centre of its box and the longer side, in pixels."""

    centre: Float64[np.ndarray, 2]
    side: float

    @classmethod
    def of(cls, sighting: Sighting) -> _Place:
        low, high = sighting.face.box[:2].astype(np.float64), sighting.face.box[2:].astype(np.float64)
        return cls((low + high) / 2, float((high - low).max()))

    def towards(self, other: _Place, share: float) -> _Place:
        return _Place(
            self.centre + share * (other.centre - self.centre), self.side + share * (other.side - self.side)
        )

    def is_near(self, other: _Place) -> bool:
        return bool(np.linalg.norm(self.centre - other.centre) < LARGEST_STEP * other.side)

    def moved(self, step: NDArray[np.float64]) -> _Place:
        return _Place(self.centre + step, self.side)


@dataclass(slots=True)
class _Anchor:
    """The last sighting: when, where it is put, where the detector found it, what the eyes looked like."""

    seconds: float
    place: _Place
    found: _Place
    eyes: NDArray[np.uint8]


@dataclass(slots=True)
class _Follower:
    position: int
    track: Track
    cuts: frozenset[int]
    done: int = 0  # sightings that are past
    anchor: _Anchor | None = None
    next_slot: int = 0
    faces: list[NDArray[np.uint8]] = field(default_factory=list)

    def take(self, frame: GreyFrame) -> Iterator[Stretch]:
        """The next picture of the span."""
        place = self._locate(frame)
        if place is None:
            yield from self.finished()
            return
        slot = round(frame.seconds * SLOTS_PER_SECOND)
        if slot < self.next_slot:  # a picture before it has this slot already
            return
        if slot - self.next_slot > LONGEST_REPEAT:
            yield from self.finished()
        if self.faces:
            self.faces.extend([self.faces[-1]] * (slot - self.next_slot))
        self.faces.append(_cut_out(frame.luma, place))
        self.next_slot = slot + 1
        if len(self.faces) >= MOST_SLOTS:
            yield from self.finished()

    def finished(self) -> Iterator[Stretch]:
        """The stretch that is under way, which ends here."""
        if self.faces:
            first_slot = self.next_slot - len(self.faces)
            yield Stretch(track=self.position, first_slot=first_slot, faces=np.stack(self.faces))
        self.faces = []

    def _locate(self, frame: GreyFrame) -> _Place | None:
        sightings = self.track.sightings
        seen: Sighting | None = None
        while self.done < len(sightings) and sightings[self.done].index <= frame.index:
            seen, self.done = sightings[self.done], self.done + 1
        if seen is not None:
            return self._anchored(frame, seen)
        anchor, coming = self.anchor, self._coming()
        if anchor is None:
            return None
        if coming is not None:
            share = (frame.seconds - anchor.seconds) / (coming.seconds - anchor.seconds)
            found = _Place.of(coming)
            guess = anchor.place.moved(share * (found.centre - anchor.found.centre))
            guess = _Place(guess.centre, guess.side + share * (found.side - anchor.found.side))
            return _found_again(frame.luma, anchor.eyes, guess) or guess
        if frame.seconds - anchor.seconds > MOST_HELD_SECONDS:
            self.anchor = None
            return None
        held = _found_again(frame.luma, anchor.eyes, anchor.place)
        if held is None:
            self.anchor = None
        else:
            anchor.place = held
        return held

    def _anchored(self, frame: GreyFrame, seen: Sighting) -> _Place:
        found = _Place.of(seen)
        place = found
        if self.anchor is not None and self._follows(self.done - 2, self.done - 1):
            step = found.centre - self.anchor.found.centre
            guess = _Place(self.anchor.place.centre + step, found.side)
            followed = _found_again(frame.luma, self.anchor.eyes, guess)
            if followed is not None and followed.is_near(found):
                place = followed.towards(found, DETECTED_SHARE)
        self.anchor = _Anchor(frame.seconds, place, found, _scaled(frame.luma, place, EYES_PIXELS))
        return place

    def _coming(self) -> Sighting | None:
        """The next sighting, if the face is surely there until then."""
        if 0 < self.done < len(self.track.sightings) and self._follows(self.done - 1, self.done):
            return self.track.sightings[self.done]
        return None

    def _follows(self, earlier: int, later: int) -> bool:
        one, other = self.track.sightings[earlier].keyframe, self.track.sightings[later].keyframe
        return other - one <= 1 + MOST_SKIPPED and not any(k in self.cuts for k in range(one + 1, other + 1))


def _found_again(luma: NDArray[np.uint8], eyes: NDArray[np.uint8], guess: _Place) -> _Place | None:
    """Where the eyes are near the guess, to a fraction of a pixel; None where nothing is like them."""
    width, height = EYES_PIXELS
    window = _scaled(luma, guess, (width + 2 * SEARCH_PIXELS, height + 2 * SEARCH_PIXELS))
    likeness = cv2.matchTemplate(window, eyes, cv2.TM_CCOEFF_NORMED)
    y, x = np.unravel_index(int(likeness.argmax()), likeness.shape)
    if not likeness[y, x] >= LEAST_LIKENESS:  # so that flat pictures, NaN, are like nothing
        return None
    step = np.array([_peak(likeness[y], int(x)), _peak(likeness[:, x], int(y))]) - SEARCH_PIXELS
    return guess.moved(step * guess.side / MATCH_PIXELS)


def _peak(values: NDArray[Any], top: int) -> float:
    """The top of the parabola through a maximum and its two neighbours."""
    if not 0 < top < len(values) - 1:
        return float(top)
    before, at, after = (float(values[k]) for k in (top - 1, top, top + 1))
    bend = before - 2 * at + after
    return top + (0.5 * (before - after) / bend if bend < 0 else 0.0)


def _scaled(luma: NDArray[np.uint8], place: _Place, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The part around the eyes, of so many pixels where the box is `MATCH_PIXELS` long."""
    zoom = place.side / MATCH_PIXELS
    centre = place.centre - (0, EYES_HIGHER * zoom)
    return _cut(luma, centre, (size[0] * zoom, size[1] * zoom), size)


def _cut_out(luma: NDArray[np.uint8], place: _Place) -> NDArray[np.uint8]:
    return _cut(luma, place.centre, (place.side, place.side), (FACE_PIXELS, FACE_PIXELS))


def _cut(
    luma: NDArray[np.uint8], centre: NDArray[np.float64], extent: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A rectangle of the picture, its place to a fraction of a pixel, its border repeated beyond."""
    whole = (max(1, round(extent[0])), max(1, round(extent[1])))
    part = cv2.getRectSubPix(luma, whole, (float(centre[0]), float(centre[1])))
    shrinks = whole[0] > size[0]
    resized = cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
