"""Faces of the demo corpus: a portrait that moves, talks and makes a face.

No part of the paper. A portrait is put on a plate (a canvas larger than the frame, eyes at a fixed place and
distance). Each frame warps the face on the plate by Gaussian bumps (mouth opening with the loudness of the
speech, corners and brows with the emotion) and films the plate with a moving camera.
Lengths on the face are in units of the distance between the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Point = tuple[float, float]

PLATE_WIDTH, PLATE_HEIGHT = 512, 320
EYES_AT = (256.0, 132.0)  # where the middle of the eyes lies on every plate
EYE_DISTANCE = 46.0
CAMERA_BELOW_EYES = 0.55  # the camera looks at a point this far below the eyes


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A picture, where its face is (pixels), and how a speaker's looks are derived from it."""

    file: str
    left_eye: Point
    right_eye: Point
    left_mouth: Point
    right_mouth: Point
    lips_below_corners: float = 0.0  # where the lips part; a smile's corners lie above it
    mirrored: bool = False
    widened: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # blue, green, red
    saturation: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What an emotion does to a face and to its movement. Hertz, pixels, degrees, eye distances."""

    sway_hertz: float = 0.35
    sway_pixels: float = 4.0
    tremble_pixels: float = 0.0
    tilt_degrees: float = 0.0
    zoom_end: float = 1.02
    corners: Point = (0.0, 0.0)  # outward, down
    brows: Point = (0.0, 0.0)  # inward, down
    nose_down: float = 0.0
    jaw: float = 1.0  # how far speech opens the mouth


MANNERS = {
    "neutral": Manner(),
    "surprise": Manner(sway_hertz=0.9, sway_pixels=5, zoom_end=1.16, brows=(0.0, -0.16), jaw=1.35),
    "fear": Manner(tremble_pixels=1.3, zoom_end=0.93, brows=(0.06, -0.12), corners=(0.05, 0.04), jaw=0.8),
    "sadness": Manner(sway_hertz=0.2, tilt_degrees=5, zoom_end=0.97, corners=(-0.03, 0.12), jaw=0.7),
    "joy": Manner(sway_hertz=1.3, sway_pixels=7, tilt_degrees=-3, corners=(0.10, -0.13), jaw=1.15),
    "disgust": Manner(sway_pixels=6, tilt_degrees=-6, zoom_end=0.92, nose_down=-0.09, brows=(0.04, 0.08)),
    "anger": Manner(
        sway_hertz=2.1, sway_pixels=5, tremble_pixels=0.6, zoom_end=1.12, brows=(0.08, 0.13), jaw=1.3
    ),
}


class Actor:
    """A portrait on its plate, ready to be filmed."""

    def __init__(self, portrait: Portrait, folder: Path) -> None:
        """Read the portrait and put it on its plate.

        Args:
            portrait: whose picture, and where its face is.
            folder: where the pictures lie.

        Raises:
            FileNotFoundError: the picture cannot be read.
        """
        picture = cv2.imread(str(folder / portrait.file))
        if picture is None:
            raise FileNotFoundError(
                f"{folder / portrait.file}: no such picture; see ../README.md for its source"
            )
        to_plate = _placement(portrait)
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        picture = cv2.addWeighted(picture, portrait.saturation, grey, 1 - portrait.saturation, 0)
        self.plate = _plate(np.asarray(picture, np.uint8), to_plate, portrait.tint)
        self.lips_below_corners = portrait.lips_below_corners
        corners = [to_plate @ np.array([*at, 1.0]) for at in (portrait.left_mouth, portrait.right_mouth)]
        self.left_mouth, self.right_mouth = sorted((float(x), float(y)) for x, y in corners)

    def frame(
        self,
        *,
        second: float,
        progress: float,
        opening: float,
        emotion: str,
        phase: float,
        size: tuple[int, int],
        nearness: float = 1.0,
    ) -> Picture:
        """Film one frame.

        Args:
            second: since the clip began.
            progress: share of the clip gone by, 0 to 1.
            opening: of the mouth, 0 to 1.
            emotion: a key of `MANNERS`.
            phase: radians; where the movement begins.
            size: width and height of the frame in pixels.
            nearness: how many times larger than usual the face appears.

        Returns:
            A BGR frame.

        Raises:
            KeyError: unknown emotion.
        """
        manner = MANNERS[emotion]
        posed = self._posed(manner, opening=min(1.0, opening * manner.jaw))
        zoom = nearness * (1.0 + (manner.zoom_end - 1.0) * progress)
        camera = _camera(manner, second=second, zoom=zoom, phase=phase, size=size)
        filmed = cv2.warpAffine(
            posed, camera, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(filmed, np.uint8)

    def _posed(self, manner: Manner, *, opening: float) -> Picture:
        """The plate with the expression and the opened mouth."""
        unit = EYE_DISTANCE
        (left_x, left_y), (right_x, right_y) = self.left_mouth, self.right_mouth
        mouth_x, mouth_y = (left_x + right_x) / 2, (left_y + right_y) / 2 + self.lips_below_corners * unit
        eye_x, eye_y = EYES_AT
        outward, down = manner.corners
        inward, lowered = manner.brows
        bumps = [
            (left_x, left_y, 0.22, -outward, down),
            (right_x, right_y, 0.22, outward, down),
            (eye_x - unit / 2, eye_y - 0.32 * unit, 0.26, inward, lowered),
            (eye_x + unit / 2, eye_y - 0.32 * unit, 0.26, -inward, lowered),
            (mouth_x, mouth_y - 0.5 * unit, 0.24, 0.0, manner.nose_down),
            (mouth_x, mouth_y + 0.42 * unit, 0.36, 0.0, 0.26 * opening),
            (mouth_x, mouth_y - 0.14 * unit, 0.24, 0.0, -0.05 * opening),
        ]
        posed = _warped(self.plate, bumps)
        width = right_x - left_x
        centre = (mouth_x, mouth_y + 0.09 * unit * opening)
        return _darkened(posed, centre=centre, radii=(0.36 * width, 0.20 * unit * opening), opening=opening)


def scenery(*, second: float, size: tuple[int, int]) -> Picture:
    """A landscape without anybody in it, passing by.

    Args:
        second: since the clip began.
        size: width and height of the frame in pixels.

    Returns:
        A BGR frame.

    Raises:
        ValueError: never.
    """
    width, height = size
    rows = np.linspace(0.0, 1.0, height)[:, None, None]
    picture = np.array([235.0, 190.0, 150.0]) * (1 - rows) + np.array([190.0, 215.0, 240.0]) * rows
    picture = np.repeat(picture, width, axis=1)
    columns = np.arange(width)
    for depth, colour in enumerate(([150, 140, 110], [90, 130, 80], [50, 95, 60])):
        along = (columns + 14 * (depth + 1) * second) / width * 6.3
        ridge = height * (0.45 + 0.17 * depth + 0.07 * np.sin(along * (1.1 + depth) + depth))
        picture[np.arange(height)[:, None] > ridge[None, :]] = colour
    return picture.astype(np.uint8)


def _placement(portrait: Portrait) -> NDArray[np.float64]:
    """Affine map from the picture, as it lies in its file, to its plate."""
    (left_x, left_y), (right_x, right_y) = portrait.left_eye, portrait.right_eye
    scale = EYE_DISTANCE / float(np.hypot(right_x - left_x, right_y - left_y))
    across = scale * portrait.widened
    middle_x, middle_y = (left_x + right_x) / 2, (left_y + right_y) / 2
    if portrait.mirrored:
        across = -across
    shift_x, shift_y = EYES_AT[0] - across * middle_x, EYES_AT[1] - scale * middle_y
    return np.array([[across, 0, shift_x], [0, scale, shift_y]])


def _plate(picture: Picture, to_plate: NDArray[np.float64], tint: tuple[float, float, float]) -> Picture:
    """The picture at its place, before a blurred copy of itself where it is too narrow."""
    size = (PLATE_WIDTH, PLATE_HEIGHT)
    backdrop = cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (0, 0), 18)
    shrink = abs(to_plate[0, 0])
    softened = cv2.GaussianBlur(picture, (0, 0), 0.45 / shrink) if shrink < 0.8 else picture
    placed = cv2.warpAffine(softened, to_plate, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = np.ones(picture.shape[:2], np.float32)
    inside[:, :8] = inside[:, -8:] = 0.0
    mask = cv2.warpAffine(inside, to_plate, size, flags=cv2.INTER_LINEAR)
    mask = cv2.GaussianBlur(cv2.erode(mask, np.ones((15, 15))), (0, 0), 6)[..., None]
    mixed = placed * mask + backdrop * (1 - mask)
    return np.asarray(np.clip(mixed * np.array(tint), 0, 255), np.uint8)


def _camera(
    manner: Manner, *, second: float, zoom: float, phase: float, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Affine map from the plate to the frame at one moment."""
    turn = 2 * np.pi * manner.sway_hertz * second + phase
    shake = manner.tremble_pixels
    shift_x = manner.sway_pixels * np.sin(turn) + shake * np.sin(2 * np.pi * 7.3 * second + phase)
    shift_y = 0.6 * manner.sway_pixels * np.sin(1.7 * turn) + shake * np.cos(2 * np.pi * 6.1 * second)
    degrees = manner.tilt_degrees + 1.5 * np.sin(0.8 * turn + 1.0)
    at = (EYES_AT[0], EYES_AT[1] + CAMERA_BELOW_EYES * EYE_DISTANCE)
    camera = cv2.getRotationMatrix2D(at, degrees, zoom)
    camera[:, 2] += (size[0] / 2 - at[0] + shift_x, size[1] / 2 - at[1] + shift_y)
    return np.asarray(camera, np.float64)


def _warped(plate: Picture, bumps: list[tuple[float, float, float, float, float]]) -> Picture:
    """Move the plate by Gaussian bumps: x, y in pixels, then width, right and down in eye distances."""
    rows, columns = np.mgrid[0:PLATE_HEIGHT, 0:PLATE_WIDTH].astype(np.float32)
    from_x, from_y = columns.copy(), rows.copy()
    for x, y, width, right, down in bumps:
        bell = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (width * EYE_DISTANCE) ** 2))
        from_x -= bell * right * EYE_DISTANCE
        from_y -= bell * down * EYE_DISTANCE
    moved = cv2.remap(plate, from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def _darkened(posed: Picture, *, centre: Point, radii: Point, opening: float) -> Picture:
    """Paint the inside of the mouth."""
    rows, columns = np.mgrid[0:PLATE_HEIGHT, 0:PLATE_WIDTH].astype(np.float32)
    across, along = max(radii[0], 1.0), max(radii[1], 1.0)
    distance = ((columns - centre[0]) / across) ** 2 + ((rows - centre[1]) / along) ** 2
    mask = np.clip(1.4 - 1.2 * distance, 0.0, 1.0)[..., None] * 0.85 * min(1.0, 3 * opening)
    inside = np.array([30.0, 24.0, 52.0])
    return np.asarray(posed * (1 - mask) + inside * mask, np.uint8)
