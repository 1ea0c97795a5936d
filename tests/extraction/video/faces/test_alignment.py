"""Alignment: known transforms come back, turned faces come out upright."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from extraction.video.faces.alignment import (
    TEMPLATE,
    UPRIGHT,
    aligned_crop,
    crop_matrix,
    similarity,
    standardised,
)
from extraction.video.faces.detection import FaceDetector
from tests.extraction.video.conftest import portrait, turned


def moved(points: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def test_a_known_turn_zoom_and_shift_is_found_again() -> None:
    angle, zoom = np.radians(35), 2.5
    matrix = np.array(
        [
            [zoom * np.cos(angle), -zoom * np.sin(angle), 11.0],
            [zoom * np.sin(angle), zoom * np.cos(angle), -7.0],
        ]
    )
    np.testing.assert_allclose(similarity(UPRIGHT, moved(UPRIGHT, matrix)), matrix, atol=1e-4)


def test_no_other_similarity_is_closer_to_the_template() -> None:
    landmarks = (UPRIGHT + np.random.default_rng(0).normal(0, 6, UPRIGHT.shape)).astype(np.float32)
    best = similarity(landmarks, UPRIGHT)
    error = float(((moved(landmarks, best) - UPRIGHT) ** 2).sum())
    for turn, zoom, x, y in np.random.default_rng(1).normal(0, 0.05, (200, 4)):
        nudge = (1 + zoom) * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        other = np.hstack([nudge @ best[:, :2], nudge @ best[:, 2:] + [[20 * x], [20 * y]]])
        assert ((moved(landmarks, other) - UPRIGHT) ** 2).sum() >= error - 1e-3


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = (UPRIGHT * (-1, 1)).astype(np.float32)
    assert np.linalg.det(similarity(mirrored, UPRIGHT)[:, :2]) > 0


def test_landmarks_in_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="all 5 landmarks"):
        similarity(np.zeros((5, 2), dtype=np.float32), UPRIGHT)


@pytest.mark.parametrize("degrees", [-40, 25])
def test_a_turned_face_gives_the_crop_of_the_upright_one(degrees: float) -> None:
    detector = FaceDetector(torch.device("cpu"))
    upright = portrait("hopper")
    landmarks = detector([upright])[0][0].landmarks
    picture, matrix = turned(upright, degrees)
    one = aligned_crop(upright, crop_matrix(landmarks)).astype(int)
    other = aligned_crop(picture, crop_matrix(moved(landmarks, matrix))).astype(int)
    inner = (slice(20, 140), slice(20, 140))  # the turned picture lost its corners
    assert np.abs(one - other)[inner].mean() < 6
    assert np.abs(one - aligned_crop(picture, crop_matrix(landmarks)).astype(int))[inner].mean() > 20


def test_a_turned_face_is_detected_and_its_eyes_come_out_level() -> None:
    detector = FaceDetector(torch.device("cpu"))
    picture, _ = turned(portrait("hopper"), 20)
    crop = aligned_crop(picture, crop_matrix(detector([picture])[0][0].landmarks))
    framed = np.asarray(cv2.copyMakeBorder(crop, 80, 80, 80, 80, cv2.BORDER_REPLICATE), dtype=np.uint8)
    landmarks = detector([framed])[0][0].landmarks - 80
    left, right = landmarks[:2]
    assert abs(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))) < 4
    assert np.abs(landmarks - TEMPLATE).max() < 12


@pytest.mark.parametrize("zoom", [0.9, 0.4, 0.11])
def test_a_crop_shows_the_same_points_however_large_the_face_is(zoom: float) -> None:
    """On a picture of linear ramps every resampling is exact, so half a pixel off would show."""
    y, x = np.mgrid[0:1600, 0:1600]
    picture = np.stack([x / 1600, y / 1600, (x + y) / 3200], axis=2) * 250
    matrix = np.array([[zoom, 0.0, 80 - zoom * 800], [0.0, zoom, 80 - zoom * 800]])
    crop = aligned_crop(picture.astype(np.uint8), matrix).astype(float)
    v, u = np.mgrid[0:160, 0:160]
    back_x, back_y = (u - 80) / zoom + 800, (v - 80) / zoom + 800
    expected = np.stack([back_x / 1600, back_y / 1600, (back_x + back_y) / 3200], axis=2) * 250
    bias = (crop - expected)[20:140, 20:140].mean()
    assert abs(bias + 0.5) < 0.12  # uint8 cuts off half a level on average; a pixel is 0.16 to 0.5 levels


def test_fine_stripes_average_out_in_a_strongly_shrunken_crop() -> None:
    stripes = np.zeros((1600, 1600, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    matrix = np.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])
    assert aligned_crop(stripes, matrix).std() < 2


def test_a_face_partly_outside_its_picture_has_a_whole_crop() -> None:
    landmarks = ((UPRIGHT - 120) * 3).astype(np.float32)
    crop = aligned_crop(portrait("collins"), crop_matrix(landmarks))
    assert crop.shape == (160, 160, 3)


def test_values_are_standardised_as_the_network_was_trained() -> None:
    crops = np.zeros((2, 160, 160, 3), dtype=np.uint8)
    crops[1, :, :, 2] = 255
    values = standardised(crops)
    assert values.shape == (2, 3, 160, 160)
    assert values[0].unique().tolist() == [-127.5 / 128]
    assert values[1, 2].unique().tolist() == [127.5 / 128]
