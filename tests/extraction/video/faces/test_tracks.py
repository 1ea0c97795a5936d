"""Linking of faces that are made up: the colour of a crop is the person, and the embedding reads it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extraction.video.faces.detection import Face
from extraction.video.faces.tracks import Look, Sighting, Track, link, link_overlaps, overlap
from tests.extraction.video.conftest import portrait

PERSONS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


def seen(
    keyframe: int, person: str, *, x: float, size: float = 60, motion: float | None = None, near: float = 0.5
) -> Sighting:
    box = np.array([x, 50, x + size, 50 + size], dtype=np.float32)
    return Sighting(
        keyframe=keyframe,
        index=10 * keyframe,
        seconds=0.4 * keyframe,
        face=Face(box=box, landmarks=np.zeros((5, 2), dtype=np.float32), confidence=0.99),
        x=(x + size / 2) / 640,
        y=(50 + size / 2) / 360,
        size=size / 360,
        area_share=size * size / (640 * 360),
        nearness=near,
        crop=np.full((160, 160, 3), PERSONS[person], dtype=np.uint8),
        mouth_motion=motion,
    )


def by_colour(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    colours = crops[:, 0, 0].astype(np.float32)
    return colours / np.linalg.norm(colours, axis=1, keepdims=True)


def persons(tracks: Sequence[Track]) -> list[list[tuple[int, str]]]:
    names = {colour: name for name, colour in PERSONS.items()}
    return [
        [(s.keyframe, names[tuple(int(v) for v in s.crop[0, 0])]) for s in track.sightings]
        for track in tracks
    ]


def test_two_people_side_by_side_are_two_tracks_the_larger_first() -> None:
    keyframes = [[seen(k, "green", x=300 - 4 * k), seen(k, "red", x=100 + 5 * k, size=80)] for k in range(4)]
    tracks = link(keyframes, frozenset(), by_colour)
    assert persons(tracks) == [[(k, "red") for k in range(4)], [(k, "green") for k in range(4)]]


def test_a_face_missed_in_two_keyframes_is_still_the_same_piece_and_in_three_is_not() -> None:
    def gap(length: int) -> int:
        keyframes = [[seen(0, "red", x=100)], *([] for _ in range(length)), [seen(length + 1, "red", x=105)]]
        return len(link_overlaps(keyframes, frozenset()))

    assert [gap(1), gap(2), gap(3)] == [1, 1, 2]


def test_after_a_cut_the_same_place_may_be_another_person() -> None:
    keyframes = [[seen(k, "red" if k < 2 else "green", x=100)] for k in range(4)]
    assert len(link_overlaps(keyframes, frozenset())) == 1
    assert persons(link(keyframes, frozenset({2}), by_colour)) == [
        [(0, "red"), (1, "red")],
        [(2, "green"), (3, "green")],
    ]


def test_shots_and_reverse_shots_become_one_track_per_person() -> None:
    keyframes = [[seen(k, "red" if k % 2 else "green", x=100)] for k in range(6)]
    tracks = link(keyframes, frozenset(range(1, 6)), by_colour)
    assert persons(tracks) == [
        [(0, "green"), (2, "green"), (4, "green")],
        [(1, "red"), (3, "red"), (5, "red")],
    ]


def test_without_a_recogniser_pieces_stay_apart() -> None:
    keyframes = [[seen(0, "red", x=100)], [seen(1, "red", x=400)]]
    assert len(link(keyframes, frozenset(), None)) == 2
    assert len(link(keyframes, frozenset(), by_colour)) == 1


def test_two_faces_of_one_picture_are_never_one_person() -> None:
    keyframes = [[seen(0, "red", x=100), seen(0, "red", x=400)], [seen(1, "red", x=250)]]
    tracks = link(keyframes, frozenset({1}), by_colour)
    assert sorted(len(track.sightings) for track in tracks) == [1, 2]
    assert all(len(track.keyframes) == len(track.sightings) for track in tracks)


def test_a_single_piece_costs_no_embedding_and_a_crowd_a_bounded_number() -> None:
    asked: list[int] = []

    def counting(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked.append(len(crops))
        return by_colour(crops)

    link([[seen(k, "red", x=100)] for k in range(5)], frozenset(), counting)
    assert asked == []
    crowd = [[seen(k, "blue", x=70 * place) for place in range(30)] for k in range(4)]
    tracks = link(crowd, frozenset(), counting)
    assert asked == [8]
    assert len(tracks) == 30
    assert sum(len(track.sightings) for track in tracks) == 120


def test_every_sighting_ends_in_exactly_one_track_in_order_of_time() -> None:
    random = np.random.default_rng(0)
    keyframes = [
        [
            seen(k, str(random.choice(list(PERSONS))), x=float(random.integers(0, 500)))
            for _ in range(random.integers(0, 4))
        ]
        for k in range(30)
    ]
    tracks = link(keyframes, frozenset({7, 19}), by_colour)
    assert sorted(id(s) for t in tracks for s in t.sightings) == sorted(id(s) for k in keyframes for s in k)
    for track in tracks:
        moments = [sighting.keyframe for sighting in track.sightings]
        assert moments == sorted(set(moments))


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0, 0, 10, 10], dtype=np.float32)
    assert overlap(box, box) == 1
    assert abs(overlap(box, box + np.float32(5)) - 25 / 175) < 1e-6
    assert overlap(box, box + np.float32(10)) == 0
    assert overlap(box * 0, box * 0) == 0


def test_a_cut_is_told_from_a_camera_that_moves_and_from_a_lamp() -> None:
    picture = portrait("collins")
    look = Look.of(picture)
    other = Look.of(portrait("mona_lisa"))
    assert other.is_cut_from(look)
    assert look.is_cut_from(other)
    assert not look.is_cut_from(look)
    assert not Look.of(np.roll(picture, 90, axis=1)).is_cut_from(look)
    assert not Look.of((picture * 0.8).astype(np.uint8)).is_cut_from(look)
