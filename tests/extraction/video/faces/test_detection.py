"""Detection against facenet-pytorch's own MTCNN, picture by picture."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from extraction.video.faces.detection import Face, FaceDetector
from extraction.video.faces.tracks import overlap
from tests.extraction.video.conftest import portrait


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(torch.device("cpu"))


def on_grey(*faces: NDArray[np.uint8], height: int = 360, width: int = 640) -> NDArray[np.uint8]:
    """Pictures side by side on grey, each scaled to 0.9 of the height, or as they are if smaller."""
    canvas = np.full((height, width, 3), 110, dtype=np.uint8)
    step = width // len(faces)
    for k, face in enumerate(faces):
        scale = min(0.9 * height / face.shape[0], 0.9 * step / face.shape[1], 1.0)
        small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (height - small.shape[0]) // 2, k * step + (step - small.shape[1]) // 2
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


@pytest.mark.parametrize("name", ["collins", "hopper", "mona_lisa"])
def test_a_face_is_where_facenet_pytorchs_own_driver_finds_it(detector: FaceDetector, name: str) -> None:
    picture = on_grey(portrait(name))
    boxes, _, landmarks = MTCNN().detect(picture, landmarks=True)
    found = detector([picture])[0]
    assert len(found) == len(boxes) == 1
    assert overlap(found[0].box, np.float32(boxes[0].tolist())) > 0.7
    off = np.linalg.norm(found[0].landmarks - np.float32(landmarks[0].tolist()), axis=1)
    assert off.max() < 0.1 * np.sqrt(found[0].area)
    assert found[0].confidence > 0.95


def test_no_face_mixed_sizes_and_several_faces_share_a_batch_and_are_as_alone(detector: FaceDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    pictures = [
        on_grey(portrait("collins")),
        noise,
        on_grey(portrait("collins"), portrait("hopper")),
        on_grey(portrait("hopper"), height=384, width=496),
        np.zeros((8, 8, 3), dtype=np.uint8),
    ]
    together = detector(pictures)
    assert [len(faces) for faces in together] == [1, 0, 2, 1, 0]
    for picture, faces in zip(pictures, together, strict=True):
        for face, alone in zip(faces, detector([picture])[0], strict=True):
            np.testing.assert_allclose(face.box, alone.box, atol=0.1)
            np.testing.assert_allclose(face.landmarks, alone.landmarks, atol=0.1)


def test_faces_at_one_place_in_two_pictures_are_two(detector: FaceDetector) -> None:
    both = on_grey(portrait("collins"), portrait("hopper"))
    left = both.copy()
    left[:, 320:] = 110
    assert [len(faces) for faces in detector([left, both, left])] == [1, 2, 1]


def test_faces_come_the_likeliest_first(detector: FaceDetector) -> None:
    faces = detector([on_grey(portrait("mona_lisa"), portrait("hopper"), portrait("collins"))])[0]
    assert len(faces) == 3
    assert all(first.confidence >= second.confidence for first, second in pairwise(faces))


def test_a_face_too_small_for_the_first_search_is_found_by_the_second(detector: FaceDetector) -> None:
    face = detector([portrait("hopper")])[0][0]
    side = np.sqrt(face.area)
    small = cv2.resize(portrait("hopper"), None, fx=34 / side, fy=34 / side, interpolation=cv2.INTER_AREA)
    picture = on_grey(np.asarray(small, dtype=np.uint8), height=720, width=1280)
    found = detector([picture])[0]
    assert len(found) == 1
    assert 24 < np.sqrt(found[0].area) < 46  # a twelfth of 720 is 60


def test_boxes_are_in_pixels_of_the_whole_picture_whatever_its_size(detector: FaceDetector) -> None:
    picture = on_grey(portrait("collins"))
    large = np.asarray(cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    small_face, large_face = (detector([each])[0][0] for each in (picture, large))
    assert overlap(np.float32(small_face.box * 3), large_face.box) > 0.8


def test_a_picture_of_nothing_and_no_picture_hold_no_face(detector: FaceDetector) -> None:
    nothing: list[list[Face]] = detector([np.full((90, 160, 3), 128, dtype=np.uint8)])
    assert nothing == [[]]
    assert detector([]) == []
