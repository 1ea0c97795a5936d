"""Aligned crops: every face upright, of one size, its eyes and mouth at fixed places.

Paper: appendix A.1 (faces are aligned by their landmarks before the 3D-CNN).

    a = sum conj(s - mean s) (t - mean t) / sum |s - mean s|^2        b = mean t - a mean s

is the similarity t ~ a s + b of least squares between the landmarks s and the template t, written as complex
numbers: |a| zooms, its angle turns, no mirror image is possible (Umeyama 1991, in the plane).

The template gives the network the crop it was trained on: an MTCNN box that fills 128 of 160 pixels (a
margin of 32), squeezed in height and stretched in width to a square. Over 110 level, frontal faces of ten
clips the landmarks lie, from the centre of the box and in units of the root of its area, mirrored and
averaged, at (-+0.199, -0.128) for the eyes, (0, 0.101) for the nose, (-+0.173, 0.295) for the mouth's
corners, and a box is 1.35 times as high as wide: hence the stretch by the root of that, 1.16. Against a crop
that is not stretched, distances within one person fall by 5 % relative to those between persons.

Departures from the paper: that fixed stretch after the similarity.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from numpy.typing import NDArray
from torch import Tensor

CROP_PIXELS = 160
BOX_PIXELS = 128  # of the crop
STRETCH = 1.16
LANDMARKS_OF_BOX = np.array(
    [(-0.199, -0.128), (0.199, -0.128), (0.0, 0.101), (-0.173, 0.295), (0.173, 0.295)]
)
UPRIGHT = CROP_PIXELS / 2 + BOX_PIXELS * LANDMARKS_OF_BOX
TEMPLATE = CROP_PIXELS / 2 + BOX_PIXELS * LANDMARKS_OF_BOX * (STRETCH, 1 / STRETCH)
LEAST_ZOOM = 0.5  # below, the picture is averaged down first: bilinear sampling would skip pixels


def similarity(
    landmarks: Float[np.ndarray, "point 2"], template: Float[np.ndarray, "point 2"]
) -> Float64[np.ndarray, "2 3"]:
    """The turn, zoom and shift that bring the landmarks closest to the template.

    Returns:
        an affine matrix: template ~ matrix @ (x, y, 1).

    Raises:
        ValueError: all landmarks are in one place.
    """
    source, target = (points.astype(np.float64) @ (1, 1j) for points in (landmarks, template))
    middle, goal = source.mean(), target.mean()
    spread = (np.abs(source - middle) ** 2).sum()
    if spread == 0:
        raise ValueError(f"all {len(landmarks)} landmarks are at {middle}: a face needs at least two places")
    turn = (np.conj(source - middle) * (target - goal)).sum() / spread
    shift = goal - turn * middle
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def crop_matrix(landmarks: Float32[np.ndarray, "5 2"]) -> Float64[np.ndarray, "2 3"]:
    """The affine matrix from a picture to the aligned crop of one of its faces."""
    middle = CROP_PIXELS / 2
    stretch = np.array([[STRETCH, 0, middle - STRETCH * middle], [0, 1 / STRETCH, middle - middle / STRETCH]])
    matrix: NDArray[np.float64] = stretch @ np.vstack([similarity(landmarks, UPRIGHT), (0, 0, 1)])
    return matrix


def aligned_crop(
    picture: UInt8[np.ndarray, "y x *rgb"], matrix: Float64[np.ndarray, "2 3"]
) -> UInt8[np.ndarray, "160 160 *rgb"]:
    """Cut a face out; beyond the picture its border is repeated.

    Args:
        picture: RGB or grey.
        matrix: from `crop_matrix`.
    """
    zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if zoom < LEAST_ZOOM:
        picture, matrix = _averaged_down(picture, matrix, shrink=int(1 / zoom + 1e-6))
    return cv2.warpAffine(
        picture, matrix, (CROP_PIXELS, CROP_PIXELS), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _averaged_down(
    picture: UInt8[np.ndarray, "y x *rgb"], matrix: Float64[np.ndarray, "2 3"], *, shrink: int
) -> tuple[UInt8[np.ndarray, "v u *rgb"], Float64[np.ndarray, "2 3"]]:
    """Replace squares of `shrink` pixels by their mean, around the face only, and adapt the matrix."""
    corners = np.array([(0, 0, 1), (CROP_PIXELS, 0, 1), (0, CROP_PIXELS, 1), (CROP_PIXELS, CROP_PIXELS, 1)])
    back = corners @ cv2.invertAffineTransform(matrix).T
    low = np.clip(np.floor(back.min(axis=0)).astype(int) - shrink, 0, None)
    high = np.ceil(back.max(axis=0)).astype(int) + shrink
    region = picture[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    size = (max(1, region.shape[1] // shrink), max(1, region.shape[0] // shrink))
    small = cv2.resize(region, size, interpolation=cv2.INTER_AREA)
    step_x, step_y = region.shape[1] / size[0], region.shape[0] / size[1]
    # pixel (u, v) of the small picture is the mean around ((u + 0.5) step - 0.5) + low of the whole one
    enlarge = np.array(
        [[step_x, 0, (step_x - 1) / 2 + low[0]], [0, step_y, (step_y - 1) / 2 + low[1]], [0, 0, 1]]
    )
    return small, matrix @ enlarge


def standardised(crops: UInt8[np.ndarray, "frame 160 160 3"]) -> Float[Tensor, "frame 3 160 160"]:
    """Crops as the networks read them: (value - 127.5) / 128, channels first."""
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128
