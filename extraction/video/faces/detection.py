"""Faces in keyframes: where they are, their five landmarks, how sure the detector is.

Paper: appendix A.1 (MTCNN). Faces are looked for in a shrunken picture, and down to a share of its shorter
side rather than to a number of pixels, so that the cost does not depend on the resolution: 1/12 at first, 60
pixels in 720p; pictures where no face is that large are searched again down to 1/24. Boxes and landmarks come
back in pixels of the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from extraction.video.faces.cascade import Candidates, Cascade
from extraction.video.options import SMALLEST_SHARES

SMALLEST_PIXELS = 20.0  # of a face, in the whole picture: below, MTCNN finds little but noise
SEARCHED_PIXELS = 30.0  # what the smallest face is shrunken to


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in a picture.

    Args:
        box: x0, y0, x1, y1 in pixels; may reach beyond the picture.
        landmarks: (x, y) of left eye, right eye, nose, left and right corner of the mouth, as seen.
        confidence: the detector's probability, 0.7 to 1.
    """

    box: Float32[np.ndarray, 4]
    landmarks: Float32[np.ndarray, "5 2"]
    confidence: float

    @property
    def area(self) -> float:
        """In square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


class FaceDetector:
    """MTCNN on pictures of any sizes, several at once."""

    def __init__(self, device: torch.device) -> None:
        self._cascade = Cascade(device)

    def __call__(self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[list[Face]]:
        """The faces of each picture, the likeliest first.

        Raises:
            DeviceMemoryError: a single picture does not fit the device.
        """
        found: list[list[Face]] = [[] for _ in pictures]
        for share in SMALLEST_SHARES:
            for same_size in _by_size(pictures, [k for k, faces in enumerate(found) if not faces]):
                batch = self._search([pictures[k] for k in same_size], share)
                for k, faces in zip(same_size, batch, strict=True):
                    found[k] = faces
        return found

    def _search(self, pictures: Sequence[UInt8[np.ndarray, "y x 3"]], share: float) -> list[list[Face]]:
        height, width = pictures[0].shape[:2]
        smallest = max(share * min(height, width), SMALLEST_PIXELS)
        shrink = min(1.0, SEARCHED_PIXELS / smallest)
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        small = np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])
        scale = np.array([width / size[0], height / size[1]], dtype=np.float32)
        return _faces(self._cascade(small, smallest * shrink), scale, len(pictures))


def _by_size(pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], chosen: Sequence[int]) -> Iterator[list[int]]:
    sizes = dict.fromkeys(pictures[k].shape for k in chosen)
    for size in sizes:
        yield [k for k in chosen if pictures[k].shape == size]


def _faces(found: Candidates, scale: Float32[np.ndarray, 2], count: int) -> list[list[Face]]:
    faces: list[list[Face]] = [[] for _ in range(count)]
    boxes, landmarks = found.boxes.numpy() * np.tile(scale, 2), found.landmarks.numpy() * scale
    order = found.probabilities.argsort(descending=True, stable=True).tolist()
    for k in order:
        face = Face(box=boxes[k], landmarks=landmarks[k], confidence=float(found.probabilities[k]))
        faces[int(found.pictures[k])].append(face)
    return faces
