"""Faces followed between keyframes: a portrait that moves over a picture, its way known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.media import GreyFrame
from extraction.video.faces.detection import Face
from extraction.video.faces.following import FACE_PIXELS, Stretch, follow
from extraction.video.faces.tracks import Sighting, Track
from tests.extraction.video.conftest import portrait
from tests.extraction.video.faces.test_tracks import seen

WIDTH, HEIGHT, SIDE = 480, 270, 90
Way = Callable[[float], tuple[float, float]]


def straight(seconds: float) -> tuple[float, float]:
    return 140 + 40 * seconds, 130.0


def waving(seconds: float) -> tuple[float, float]:
    """Back and forth 0.6 times between two keyframes: what no interpolation knows."""
    return 200 + 9 * np.sin(2 * np.pi * 1.5 * seconds), 130 + 5 * np.sin(2 * np.pi * 1.1 * seconds)


def pictures(
    way: Way, *, rate: float, seconds: float, hidden: tuple[float, float] = (9, 9)
) -> Iterator[GreyFrame]:
    """A face on its way over a striped picture, but for a time when it is hidden."""
    face = cv2.cvtColor(cv2.resize(portrait("hopper"), (SIDE, SIDE)), cv2.COLOR_RGB2GRAY)
    ground = np.tile(np.linspace(60, 200, WIDTH), (HEIGHT, 1)).astype(np.uint8)
    for index in range(round(seconds * rate)):
        time, picture = index / rate, ground.copy()
        x, y = way(time)
        shift = np.array([[1, 0, x - SIDE / 2], [0, 1, y - SIDE / 2]])
        if not hidden[0] <= time < hidden[1]:
            cv2.warpAffine(face, shift, (WIDTH, HEIGHT), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
        yield GreyFrame(index=index, seconds=time, luma=picture)


def sighting(keyframe: int, way: Way, *, rate: float, off: float = 0.0) -> Sighting:
    """What a detector finds in every tenth picture, `off` pixels beside the truth."""
    index = 10 * keyframe
    x, y = way(index / rate)
    box = np.array([x - SIDE / 2 + off, y - SIDE / 2, x + SIDE / 2 + off, y + SIDE / 2], dtype=np.float32)
    face = Face(box=box, landmarks=np.zeros((5, 2), dtype=np.float32), confidence=0.99)
    return replace(seen(keyframe, "red", x=0), index=index, seconds=index / rate, face=face)


def followed(
    way: Way,
    keyframes: Sequence[int],
    *,
    rate: float = 25.0,
    seconds: float = 2.0,
    cuts: Sequence[int] = (),
    hidden: tuple[float, float] = (9, 9),
    trembling: float = 0.0,
) -> list[Stretch]:
    sightings = [
        sighting(k, way, rate=rate, off=trembling * (-1) ** place) for place, k in enumerate(keyframes)
    ]
    frames = pictures(way, rate=rate, seconds=seconds, hidden=hidden)
    return list(follow([Track(tuple(sightings))], frozenset(cuts), frames))


def restlessness(faces: NDArray[np.uint8]) -> float:
    """Mean change from one face to the next: a face that does not move itself should stand still."""
    return float(np.abs(np.diff(faces.astype(np.float64), axis=0)).mean())


@pytest.mark.parametrize("rate", [12.0, 24.0, 25.0, 30.0, 59.94])
def test_there_is_a_face_for_every_25th_of_a_second_whatever_the_rate(rate: float) -> None:
    keyframes = range(int(2 * rate / 10) + 1)
    (stretch,) = followed(straight, keyframes, rate=rate)
    assert stretch.first_slot == 0
    assert stretch.faces.shape[1:] == (FACE_PIXELS, FACE_PIXELS)
    assert abs(len(stretch.faces) - 50) <= 2


def test_a_face_on_a_way_that_interpolation_does_not_know_stands_still_in_its_frame() -> None:
    (stretch,) = followed(waving, range(6))
    (still,) = followed(lambda _: (200.3, 130.4), range(6))
    assert restlessness(stretch.faces) < 2.0
    assert restlessness(still.faces) < 0.5


def test_a_trembling_detector_moves_the_face_by_half_as_much() -> None:
    (firm,) = followed(straight, range(6))
    (stretch,) = followed(straight, range(6), trembling=4.0)
    jumps = [restlessness(stretch.faces[k - 1 : k + 1]) for k in (10, 20, 30, 40)]
    (blind,) = followed(straight, range(6), trembling=8.0)
    jumps_of_twice = [restlessness(blind.faces[k - 1 : k + 1]) for k in (10, 20, 30, 40)]
    assert restlessness(firm.faces) < max(jumps) < max(jumps_of_twice)


def test_before_its_first_sighting_a_face_is_not_followed() -> None:
    (stretch,) = followed(straight, [2, 3, 4])
    assert stretch.first_slot == 20


def test_after_its_last_a_face_is_followed_as_long_as_it_is_found() -> None:
    (gone,) = followed(straight, [0, 1], hidden=(0.72, 9))
    assert len(gone.faces) == 18
    (held,) = followed(lambda _: (200.0, 130.0), [0, 1], seconds=3.0)
    assert 34 <= len(held.faces) <= 36  # a second after the sighting at 0.4 s


def test_a_cut_or_a_long_gap_ends_a_stretch() -> None:
    hidden = (0.88, 1.2)
    assert [s.first_slot for s in followed(straight, [0, 1, 2, 3, 4], cuts=[3], hidden=hidden)] == [0, 30]
    assert [s.first_slot for s in followed(straight, [0, 4], hidden=hidden)] == [0, 40]


def test_long_stretches_come_in_pieces_that_miss_no_slot() -> None:
    pieces = followed(lambda _: (200.0, 130.0), range(46), seconds=18.0)
    assert [len(piece.faces) for piece in pieces] == [150, 150, 150]
    assert [piece.first_slot for piece in pieces] == [0, 150, 300]


def test_faces_at_the_edge_and_flat_pictures_are_no_errors() -> None:
    (edge,) = followed(lambda _: (10.0, 20.0), range(3), seconds=1.0)
    assert len(edge.faces) == 25
    flat = (GreyFrame(index=k, seconds=k / 25, luma=np.full((HEIGHT, WIDTH), 7, np.uint8)) for k in range(25))
    track = Track(tuple(sighting(k, straight, rate=25.0) for k in range(3)))
    (stretch,) = follow([track], frozenset(), flat)
    assert (stretch.faces == 7).all()
