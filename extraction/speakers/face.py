"""A vector for the face of an utterance: the mean of those of a few of its aligned crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from extraction.video.faces.tracks import Embed

MOST_CROPS = 4  # of an utterance, evenly taken


def face_vector(crops: Sequence[Path], embed: Embed) -> Float32[np.ndarray, " dim"] | None:
    """The unit vector of a face; None where there is no crop of it that can be read.

    Args:
        crops: PNG files in order of time, as `summer-extract --keep-crops` leaves them.
        embed: unit vectors of RGB crops.
    """
    if not crops:
        return None
    places = np.unique(np.linspace(0, len(crops) - 1, MOST_CROPS).round().astype(int))
    looked_at = [cv2.imread(str(crops[place]), cv2.IMREAD_COLOR_RGB) for place in places]
    pictures = [picture for picture in looked_at if picture is not None]
    if not pictures:
        return None
    mean = embed(np.stack(pictures)).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
