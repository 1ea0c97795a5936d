"""Whose face: rules on made-up tracks, mouth motion on a portrait whose mouth is pulled about."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from extraction.video.faces.alignment import aligned_crop, crop_matrix
from extraction.video.faces.choice import Sound, choose, mouth_motion, talking_scores
from extraction.video.faces.detection import FaceDetector
from extraction.video.faces.tracks import Track
from tests.extraction.video.conftest import portrait
from tests.extraction.video.faces.test_tracks import seen

RATE = 8000


def sound(*loudness: float) -> Sound:
    """A tone whose amplitude is one of `loudness` for 0.4 s around each keyframe."""
    time = np.arange(round(0.4 * RATE)) / RATE
    tone = np.concatenate([amplitude * np.sin(2 * np.pi * 200 * time) for amplitude in loudness])
    return Sound(samples=tone.astype(np.float32), sampling_rate=RATE, start_seconds=-0.2)


def unheard() -> Sound | None:
    raise AssertionError("the sound was not needed")


def large(*motion: float | None, near: float = 0.2) -> Track:
    return Track(tuple(seen(k, "red", x=50, size=120, motion=m, near=near) for k, m in enumerate(motion)))


def small(*motion: float | None, near: float = 0.9) -> Track:
    return Track(tuple(seen(k, "green", x=290, size=70, motion=m, near=near) for k, m in enumerate(motion)))


def test_one_track_is_taken_without_looking_further() -> None:
    track, how = choose([large(0.1)], "talking", unheard)
    assert how == "only face"
    assert track.sightings[0].face.box[0] == 50


def test_largest_and_central_differ_where_the_nearer_face_is_the_smaller() -> None:
    tracks = [large(0.0, 0.0), small(0.0, 0.0)]
    assert choose(tracks, "largest", unheard)[0] is tracks[0]
    chosen, how = choose(tracks, "central", unheard)
    assert chosen is tracks[1]
    assert how == "central: 2 of 2 tracks, score 0.0383 over 0.025"  # 2 areas x nearness, over 640 x 360


def test_the_talker_is_whose_mouth_moves_while_it_is_loud() -> None:
    listener, talker = large(0.0, 0.3, 0.0), small(0.3, 0.0, 0.3)
    chosen, how = choose([listener, talker], "talking", lambda: sound(0.8, 0.1, 0.8))
    assert chosen is talker
    assert how.startswith("talking: 2 of 2 tracks")
    assert choose([listener, talker], "talking", lambda: sound(0.01, 0.8, 0.01))[0] is listener


def test_scores_are_motion_weighted_by_loudness() -> None:
    scores = talking_scores([large(0.1, 0.4), small(0.2)], sound(0.6, 0.2))
    assert scores == pytest.approx([(0.6 * 0.1 + 0.2 * 0.4) / 0.8, 0.6 * 0.2 / 0.8], rel=1e-3)


def test_without_sound_or_motion_the_largest_is_taken_and_it_is_said() -> None:
    tracks = [large(0.0, None), small(0.0, 0.0)]
    assert choose(tracks, "talking", lambda: None)[1].startswith("largest, no sound: 1 of 2 tracks")
    for heard in (sound(0.5, 0.5), sound(0.0, 0.0)):
        chosen, how = choose(tracks, "talking", lambda heard=heard: heard)  # type: ignore[misc]
        assert chosen is tracks[0]
        assert how.startswith("largest, no mouth moves with the sound: 1 of 2 tracks")


def test_loudness_is_the_rms_around_a_moment_on_the_spans_clock() -> None:
    time = np.arange(RATE) / RATE
    tone = np.where(time < 0.5, 0.5, 0.0) * np.sin(2 * np.pi * 100 * time)
    heard = Sound(samples=tone.astype(np.float32), sampling_rate=RATE, start_seconds=1.0)
    assert heard.loudness(1.25) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert heard.loudness(1.5) == pytest.approx(0.5 / 2, rel=1e-2)
    assert heard.loudness(1.8) == 0
    assert heard.loudness(0.2) == 0
    assert heard.loudness(9.0) == 0


@pytest.fixture(scope="module")
def crop() -> NDArray[np.uint8]:
    picture = portrait("hopper")
    return aligned_crop(picture, crop_matrix(FaceDetector(torch.device("cpu"))([picture])[0][0].landmarks))


def test_a_mouth_that_opens_moves_and_a_still_one_does_not(crop: NDArray[np.uint8]) -> None:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    opened = grey.copy()
    opened[112:122, 66:94] = 30
    assert mouth_motion(crop, grey) == 0
    assert mouth_motion(crop, opened) > 0.05


def test_blinks_flicker_and_moving_heads_are_not_taken_for_speech(crop: NDArray[np.uint8]) -> None:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    blink = grey.copy()
    blink[60:72, 40:120] = 150
    flicker = (grey * 0.86 + 16).astype(np.uint8)
    shift = np.roll(grey, 1, axis=1)
    opened = grey.copy()
    opened[112:122, 66:94] = 30
    speech = mouth_motion(crop, opened)
    assert mouth_motion(crop, blink) == 0
    assert mouth_motion(crop, flicker) < 0.05 * speech
    assert mouth_motion(crop, shift) < 0.5 * speech
