"""Clips made for training: mouths that open or close, and plain colours that any network tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extraction.video.clips.labelled import FaceClip, ScoreName
from extraction.video.faces.alignment import TEMPLATE, aligned_crop, crop_matrix
from extraction.video.network.backbones import load_detector
from tests.extraction.video.conftest import portrait


@dataclass(frozen=True, kw_only=True)
class MadeClips:
    """Meets `LabelledClips`."""

    training: Sequence[FaceClip]
    dev: Sequence[FaceClip]
    classes: Sequence[str] = ("one", "other")
    score: ScoreName = "accuracy"
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def content(self) -> Any:
        return [[clip.crops[0].name, clip.label] for clip in [*self.training, *self.dev]]

    def of_epoch(self, random: np.random.Generator, *, frames: int) -> list[FaceClip]:
        shuffled = [self.training[k] for k in random.permutation(len(self.training))]
        return [replace(clip, crops=clip.crops[:frames]) for clip in shuffled]


def colours(folder: Path, *, clips: int = 2, frames: int = 1, swapped_dev: bool = False) -> MadeClips:
    """Clips of noise in two colours; where `swapped_dev` is set the held-out ones have the wrong class."""
    random = np.random.default_rng(0)

    def clip(name: str, label: int, truth: int) -> FaceClip:
        colour = np.array([(200, 60, 60), (60, 60, 200)][label])
        pictures = [
            np.clip(colour + random.normal(0, 30, (160, 160, 3)), 0, 255).astype(np.uint8)
            for _ in range(frames)
        ]
        return FaceClip(crops=written(pictures, folder, f"{name}-{label}"), label=truth)

    return MadeClips(
        training=[clip(f"train{k}", label, label) for k in range(clips) for label in (0, 1)],
        dev=[clip("dev", label, 1 - label if swapped_dev else label) for label in (0, 1)],
    )


def mouths(folder: Path, *, training: int, dev: int, frames: int) -> MadeClips:
    """A portrait whose mouth opens (class 0), and the same pictures in reverse (class 1)."""
    picture = portrait("collins")
    face = aligned_crop(picture, crop_matrix(load_detector("cpu")([picture])[0][0].landmarks))
    random = np.random.default_rng(0)

    def both_ways(name: str) -> list[FaceClip]:
        moved = np.roll(face, tuple(random.integers(-4, 5, size=2)), axis=(0, 1))
        openings = np.linspace(random.uniform(0, 0.25), random.uniform(0.75, 1), frames)
        opening = FaceClip(crops=written([opened(moved, k) for k in openings], folder, name), label=0)
        return [opening, replace(opening, crops=opening.crops[::-1], label=1)]

    return MadeClips(
        training=[clip for k in range(training) for clip in both_ways(f"train{k}")],
        dev=[clip for k in range(dev) for clip in both_ways(f"dev{k}")],
        classes=("opening", "closing"),
    )


def opened(crop: NDArray[np.uint8], opening: float) -> NDArray[np.uint8]:
    """The crop with its mouth painted open, 0 to 1."""
    (left, y), (right, _) = TEMPLATE[3:]
    rows, columns = np.mgrid[0:160, 0:160]
    across, along = (columns - (left + right) / 2) / 22, (rows - y) / (2 + 16 * opening)
    mask = np.clip(1.4 - 1.2 * (across**2 + along**2), 0, 1)[..., None] * 0.85 * min(1.0, 3 * opening)
    return np.asarray(crop * (1 - mask) + np.array([52, 24, 30]) * mask, dtype=np.uint8)


def written(pictures: Sequence[NDArray[np.uint8]], folder: Path, name: str) -> tuple[Path, ...]:
    """The pictures as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{name}-{k}.png" for k in range(len(pictures)))
    for path, picture in zip(paths, pictures, strict=True):
        assert cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return paths
