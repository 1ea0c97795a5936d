"""The face of an utterance: a few of its crops, in colours as the network knows them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import Float32, UInt8

from extraction.speakers.face import MOST_CROPS, face_vector


def mean_colours(crops: UInt8[np.ndarray, "face 160 160 3"]) -> Float32[np.ndarray, "face dim"]:
    colours = crops.mean(axis=(1, 2)).astype(np.float32)
    return colours / np.linalg.norm(colours, axis=1, keepdims=True)


def written(folder: Path, colours: list[tuple[int, int, int]]) -> list[Path]:
    paths = []
    for place, (red, green, blue) in enumerate(colours):
        picture = np.full((160, 160, 3), (blue, green, red), dtype=np.uint8)  # OpenCV's order
        paths.append(folder / f"{place:06d}.png")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def test_the_mean_of_a_few_crops_in_rgb_as_a_unit_vector(tmp_path: Path) -> None:
    paths = written(tmp_path, [(200, 0, 0)] * 9)
    asked: list[int] = []

    def embed(crops: UInt8[np.ndarray, "face 160 160 3"]) -> Float32[np.ndarray, "face dim"]:
        asked.append(len(crops))
        return mean_colours(crops)

    np.testing.assert_allclose(face_vector(paths, embed), [1, 0, 0], atol=1e-6)
    assert asked == [MOST_CROPS]


def test_first_and_last_are_among_them(tmp_path: Path) -> None:
    paths = written(tmp_path, [(200, 0, 0), *[(0, 200, 0)] * 6, (0, 0, 200)])
    found = face_vector(paths, mean_colours)
    assert found is not None
    assert found[0] == pytest.approx(found[2])
    assert found[0] > 0


def test_without_a_crop_there_is_no_face() -> None:
    assert face_vector([], mean_colours) is None


def test_crops_that_cannot_be_read_are_left_out_and_none_is_left_is_no_face(tmp_path: Path) -> None:
    paths = written(tmp_path, [(200, 0, 0)] * 2)
    paths[0].write_bytes(b"cut short")
    np.testing.assert_allclose(face_vector(paths, mean_colours), [1, 0, 0], atol=1e-6)
    paths[1].unlink()
    assert face_vector(paths, mean_colours) is None
