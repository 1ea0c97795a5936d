"""From a clip to its faces: decode, detect and align some keyframes at a time, and let the pictures go.

Paper: appendix A.1. Only 160 x 160 crops are kept, so that a clip of any length and resolution takes little
memory: 77 kB per face and keyframe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from extraction.extractor import MediaSpan
from extraction.media import Frame, read_keyframes
from extraction.video.faces.alignment import aligned_crop, crop_matrix
from extraction.video.faces.detection import Face
from extraction.video.faces.speaking import mouth_motion
from extraction.video.faces.tracks import Look, Sighting

Detect = Callable[[Sequence[UInt8[np.ndarray, "_ _ 3"]]], list[list[Face]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """All faces of a clip.

    Args:
        keyframes: the faces of each keyframe, maybe none.
        cuts: keyframes that a camera cut comes before.
    """

    keyframes: tuple[tuple[Sighting, ...], ...]
    cuts: frozenset[int]

    @property
    def count(self) -> int:
        """Faces in all."""
        return sum(len(faces) for faces in self.keyframes)


def gather(
    span: MediaSpan, detect: Detect, *, every: int, most: int, chunk: int, with_motion: bool
) -> Sightings:
    """Find the faces of a span's keyframes.

    Args:
        every, most, chunk: see `read_keyframes`.
        with_motion: measure mouths as well.

    Raises:
        MediaError: the span cannot be read, or not whole.
        DeviceMemoryError: a single picture does not fit the device.
    """
    keyframes: list[tuple[Sighting, ...]] = []
    cuts: set[int] = set()
    look: Look | None = None
    for frames in read_keyframes(span, every=every, most=most, chunk=chunk, with_motion=with_motion):
        for frame, faces in zip(frames, detect([frame.rgb for frame in frames]), strict=True):
            earlier, look = look, Look.of(frame.rgb)
            if earlier is not None and (frame.after_cut or look.is_cut_from(earlier)):
                cuts.add(len(keyframes))
            keyframes.append(tuple(_sighting(len(keyframes), frame, face) for face in faces))
    return Sightings(keyframes=tuple(keyframes), cuts=frozenset(cuts))


def _sighting(keyframe: int, frame: Frame, face: Face) -> Sighting:
    height, width = frame.rgb.shape[:2]
    matrix = crop_matrix(face.landmarks)
    crop = aligned_crop(frame.rgb, matrix)
    after = None if frame.luma_after is None else aligned_crop(frame.luma_after, matrix)
    low, high = face.box.reshape(2, 2) / np.array([width, height])
    middle = (low + high) / 2
    off = np.linalg.norm((middle - 0.5) * (width, height)) / (0.5 * np.hypot(width, height))
    return Sighting(
        keyframe=keyframe,
        index=frame.index,
        seconds=frame.seconds,
        face=face,
        x=float(middle[0]),
        y=float(middle[1]),
        size=float(high[1] - low[1]),
        area_share=face.area / (width * height),
        nearness=max(0.0, 1.0 - float(off)),
        crop=crop,
        mouth_motion=None if after is None else mouth_motion(crop, after),
    )
