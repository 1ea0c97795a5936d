"""Whose face: rules on made-up tracks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from extraction.video.faces.choice import DOUBTFUL, MOST_JUDGED, NOBODY_TALKS, STILL_MOUTH, Talk, choose
from extraction.video.faces.tracks import Track
from tests.extraction.video.faces.test_tracks import seen


def unheard(_: Sequence[Track]) -> Talk:
    raise AssertionError("who talks was not to be judged")


def judged(*scores: float) -> Callable[[Sequence[Track]], Talk]:
    def listen(tracks: Sequence[Track]) -> Talk:
        assert len(tracks) == len(scores) or not scores
        return Talk(scores=scores, says="talking", least=0.25)

    return listen


def large(*motion: float | None, near: float = 0.2) -> Track:
    return Track(tuple(seen(k, "red", x=50, size=120, motion=m, near=near) for k, m in enumerate(motion)))


def small(*motion: float | None, near: float = 0.9, confidence: float = 0.99) -> Track:
    faces = [seen(k, "green", x=290, size=70, motion=m, near=near) for k, m in enumerate(motion)]
    return Track(tuple(replace(s, face=replace(s.face, confidence=confidence)) for s in faces))


def test_one_track_is_taken_without_looking_further() -> None:
    choice = choose([large(0.1)], 1, "talking", unheard)
    assert choice.how == "only face"
    assert choice.remark == ""
    assert math.isnan(choice.talking_score)
    assert choice.track.sightings[0].face.box[0] == 50


def test_a_single_face_that_hardly_moves_its_mouth_gets_a_remark() -> None:
    assert choose([large(0.0, 0.01, None)], 3, "talking", unheard).remark == STILL_MOUTH
    assert choose([large(None)], 1, "talking", unheard).remark == ""


def test_largest_and_central_differ_where_the_nearer_face_is_the_smaller() -> None:
    tracks = [large(0.0, 0.0), small(0.0, 0.0)]
    assert choose(tracks, 2, "largest", unheard).track is tracks[0]
    choice = choose(tracks, 2, "central", unheard)
    assert choice.track is tracks[1]
    assert choice.how == "central: 2 of 2 tracks, score 0.0383 over 0.025"  # 2 areas x nearness, of 640 x 360


def test_the_talker_is_who_the_judge_says_and_the_lead_is_told() -> None:
    tracks = [large(0.1, 0.1), small(0.1, 0.1)]
    choice = choose(tracks, 2, "talking", judged(0.2, 0.7))
    assert choice.track is tracks[1]
    assert choice.how == "talking: 2 of 2 tracks, score 0.7 over 0.2"
    assert (choice.talking_score, choice.talking_margin) == pytest.approx((0.7, 0.5))
    assert choice.remark == ""


def test_where_nobody_surely_talks_the_likeliest_is_taken_with_a_remark() -> None:
    tracks = [large(0.1, 0.1), small(0.1, 0.1)]
    choice = choose(tracks, 2, "talking", judged(0.1, 0.2))
    assert (choice.track, choice.remark) == (tracks[1], NOBODY_TALKS)


def test_without_sound_or_motion_the_largest_is_taken_and_it_is_said() -> None:
    tracks = [large(0.0, None), small(0.0, 0.0)]
    silent, still = (choose(tracks, 2, "talking", judged(*scores)) for scores in ((), (0.0, 0.0)))
    assert silent.how.startswith("largest, no sound: 1 of 2 tracks")
    assert still.how.startswith("largest, no mouth moves with the sound: 1 of 2 tracks")
    assert still.remark == NOBODY_TALKS
    assert math.isnan(silent.talking_score)


@pytest.mark.parametrize(
    "odd", [small(0.5, 0.5, 0.5, 0.5, confidence=0.85), small(0.5)], ids=["an arm", "once in eleven"]
)
def test_what_is_hardly_a_face_or_hardly_there_is_not_meant(odd: Track) -> None:
    face = large(*[0.1] * 11)
    for tracks in ([face, odd], [odd, face]):
        choice = choose(tracks, 14, "talking", unheard)
        assert choice.track is face
        assert choice.how == "only track of 2 that could be meant"


def test_where_nothing_is_surely_a_face_all_stand_and_it_is_said() -> None:
    tracks = [small(0.1, 0.1, confidence=0.8), small(0.1, confidence=0.7)]
    choice = choose(tracks, 20, "talking", judged(0.1, 0.9))
    assert (choice.track, choice.remark) == (tracks[1], DOUBTFUL)


def test_in_a_crowd_the_most_present_are_judged() -> None:
    crowd = [large(*[0.1] * 4) for _ in range(MOST_JUDGED + 3)]
    assert choose(crowd, 4, "talking", judged(*[0.3] * MOST_JUDGED)).track is crowd[0]
