"""Labelled clips: what the training asks of whoever has faces with classes, and how faces are read.

A clip is a few aligned crops, kept as pictures on the disk and read when its turn comes, so that memory does
not grow with the number of clips. What an epoch trains on follows from its random numbers alone: a run that
resumes draws what an unbroken one draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from extraction.video.faces.alignment import CROP_PIXELS

ScoreName = Literal["accuracy", "weighted F1"]


class ClipsError(ValueError):
    """Faces that cannot be trained on; the message names them and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceClip:
    """Some crops in the order in which the network sees them, and their class.

    Args:
        crops: files of 160 x 160 pixels, at least one.
        label: index of the class.
        mirrored: seen from left to right, as a whole.
    """

    crops: tuple[Path, ...]
    label: int
    mirrored: bool = False

    def read(self) -> UInt8[np.ndarray, "frame 160 160 3"]:
        """The crops in RGB.

        Raises:
            ClipsError: a file is gone, damaged or of another size.
        """
        crops = np.stack([read_crop(path) for path in self.crops])
        return np.ascontiguousarray(crops[:, :, ::-1]) if self.mirrored else crops


@runtime_checkable
class LabelledClips(Protocol):
    """What a network is tuned on.

    Attributes:
        classes: their names; a label is the position of one.
        score: by which the epoch is chosen.
        dev: clips to choose the epoch by; none of their pictures is trained on.
        content: of all that the tuned network depends on, to be hashed: names of classes, of pictures.
        counts: what the record says of it: clips, pictures, whatever was left out.
    """

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def score(self) -> ScoreName: ...
    @property
    def dev(self) -> Sequence[FaceClip]: ...
    @property
    def content(self) -> Any: ...
    @property
    def counts(self) -> Mapping[str, int]: ...

    def of_epoch(self, random: np.random.Generator, *, frames: int) -> list[FaceClip]:
        """The clips of an epoch, in the order in which they are trained on.

        Args:
            frames: of a clip, at most.
        """
        ...


def read_crop(path: Path) -> UInt8[np.ndarray, "160 160 3"]:
    """An aligned crop in RGB.

    Raises:
        ClipsError: the file is gone, damaged or of another size.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    size = None if picture is None else picture.shape[:2]
    if picture is None or size != (CROP_PIXELS, CROP_PIXELS):
        was = "cannot be read" if picture is None else f"is of {size} pixels"
        raise ClipsError(
            f"the aligned face {path} {was}, and {CROP_PIXELS} x {CROP_PIXELS} are wanted; delete its folder "
            "and run the same command again"
        )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
