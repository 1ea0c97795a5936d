"""Two people side by side, one of whom talks with the clip's sound: made of the shared real clips.

The talker is one of CREMA-D's six clips, with its own sound; the other is one of four people from other
clips, who may well move and speak, but not what is heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.media_factory import Picture, Sound, write

Side = Literal["left", "right"]
WIDTH, HEIGHT = 480, 360  # of each half
RATE = 30
SOUND_RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class Bystander:
    """A stretch of a clip that shows one person.

    Args:
        first: frame that it begins with.
        region: x0, y0, x1, y1 in pixels, four to three.
    """

    name: str
    first: int
    region: tuple[int, int, int, int]


BYSTANDERS = (
    Bystander(name="pyfeat_WolfgangLanger_Pexels", first=0, region=(160, 0, 640, 360)),
    Bystander(name="pyfeat_single_face", first=0, region=(60, 0, 540, 360)),
    Bystander(name="short_hamilton_clip", first=95, region=(40, 0, 520, 360)),
    Bystander(name="facenet_video", first=40, region=(90, 580, 410, 820)),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A made clip, and the half of its picture in which the talker is."""

    path: Path
    side: Side


def talking_pairs(media: Path, folder: Path) -> Iterator[Pair]:
    """48 clips: six of the talker, beside each of four people, on either side."""
    others = {bystander: pictures(media / f"{bystander.name}.mp4", bystander) for bystander in BYSTANDERS}
    for talker, (bystander, other) in product(sorted(media.glob("crema_d/*.flv")), others.items()):
        talking = pictures(talker)
        sound = Sound(rate=SOUND_RATE, samples=heard(talker.with_suffix(".wav")))
        for side in ("left", "right"):
            halves = [talking, other] if side == "left" else [other, talking]
            path = folder / f"{talker.stem}-{bystander.name}-{side}.mp4"
            yield Pair(path=write_pair(path, halves, sound), side=side)


def out_of_step(media: Path, folder: Path, *, seconds: float) -> Iterator[Pair]:
    """12 clips: six of the talker beside himself some time later, on either side; the sound of the first."""
    for talker in sorted(media.glob("crema_d/*.flv")):
        talking = pictures(talker)
        late = [talking[0]] * round(seconds * RATE) + talking
        sound = Sound(rate=SOUND_RATE, samples=heard(talker.with_suffix(".wav")))
        for side in ("left", "right"):
            halves = [talking, late] if side == "left" else [late, talking]
            path = folder / f"{talker.stem}-late-{seconds}-{side}.mp4"
            yield Pair(path=write_pair(path, halves, sound), side=side)


def write_pair(path: Path, halves: list[list[NDArray[np.uint8]]], sound: Sound) -> Path:
    """As long as the shorter of the two."""
    rgb = [np.hstack(pair) for pair in zip(*halves, strict=False)]
    picture = Picture(rgb=rgb, width=2 * WIDTH, height=HEIGHT, rate=RATE, options={"preset": "ultrafast"})
    return write(path, picture=picture, sound=sound)


def pictures(path: Path, part: Bystander | None = None) -> list[NDArray[np.uint8]]:
    """The pictures of a clip at `RATE`, each as large as a half."""
    first, region = (0, (0, 0, WIDTH, HEIGHT)) if part is None else (part.first, part.region)
    x0, y0, x1, y1 = region
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or RATE)
        decoded = islice(container.decode(stream), first, None)
        frames = [frame.to_ndarray(format="rgb24")[y0:y1, x0:x1] for frame in decoded]
    wanted = range(int(len(frames) * RATE / rate))
    return [
        np.asarray(cv2.resize(frames[int(k * rate / RATE)], (WIDTH, HEIGHT)), dtype=np.uint8) for k in wanted
    ]


def heard(path: Path) -> NDArray[np.float32]:
    """(1, sample) sound of a WAV."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1).astype(np.float32) / 32768
