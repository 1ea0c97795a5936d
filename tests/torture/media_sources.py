"""Media to be damaged: a clip of a face and a tone in each container, and some real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.media_factory import Picture, Sound, write
from tests.places import DEMO, SHARED

FRAMES, RATE_HERTZ, SIDE_PIXELS = 14, 25, 112
MOST_BYTES = 1 << 20  # of a real file that is damaged: larger ones cost time and show nothing else
VIDEO = {  # suffix: codecs of picture and sound, pixel format
    ".mp4": ("libx264", "aac", "yuv420p"),
    ".mov": ("mpeg4", "pcm_s16le", "yuv420p"),
    ".mkv": ("libx264", "flac", "yuv420p"),
    ".webm": ("libvpx", "libopus", "yuv420p"),
    ".avi": ("mpeg4", "libmp3lame", "yuv420p"),
    ".ts": ("mpeg2video", "mp2", "yuv420p"),
    ".flv": ("flv", "libmp3lame", "yuv420p"),
    ".mpg": ("mpeg1video", "mp2", "yuv420p"),
    ".wmv": ("wmv2", "libmp3lame", "yuv420p"),
    ".nut": ("ffv1", "pcm_s16le", "yuv420p"),
    ".raw.avi": ("rawvideo", "pcm_s16le", "bgr24"),
    ".jpeg.mov": ("mjpeg", "pcm_s16le", "yuvj420p"),
}
SOUND = {
    ".wav": "pcm_s16le",
    ".float.wav": "pcm_f32le",
    ".mp3": "libmp3lame",
    ".flac": "flac",
    ".ogg": "flac",
    ".opus": "libopus",
    ".m4a": "aac",
    ".aac": "aac",
    ".aiff": "pcm_s16be",
    ".au": "pcm_s16be",
    ".ac3": "ac3",
}
REAL = (
    "media/crema_d/1001_DFA_ANG_XX.flv",
    "media/crema_d/1001_DFA_HAP_XX.wav",
    "media/pyfeat_single_face.mp4",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that is whole."""

    name: str
    suffix: str
    content: bytes


def sources(folder: Path) -> list[Source]:
    """One per container and codec, then the real ones that are small enough."""
    folder.mkdir(parents=True, exist_ok=True)
    faces = moving_face()
    made = []
    for suffix, (codec, sound, pixels) in VIDEO.items():
        picture = Picture(
            rgb=faces,
            rate=RATE_HERTZ,
            width=SIDE_PIXELS,
            height=SIDE_PIXELS,
            codec=codec,
            pixel_format=pixels,
        )
        made.append(write(folder / f"clip{suffix}", picture=picture, sound=tone(sound)))
    made += [write(folder / f"sound{suffix}", sound=tone(codec)) for suffix, codec in SOUND.items()]
    real = [SHARED / name for name in REAL] + sorted((DEMO / "train_splits").glob("*.mp4"))[:1]
    made += [path for path in real if path.is_file() and path.stat().st_size <= MOST_BYTES]
    return [Source(name=path.name, suffix=path.suffix, content=path.read_bytes()) for path in made]


def tone(codec: str) -> Sound:
    """As long as the pictures, at a rate that every codec knows."""
    return Sound(seconds=FRAMES / RATE_HERTZ, rate=48_000, codec=codec)


def moving_face() -> list[NDArray[np.uint8]]:
    """A portrait that MTCNN finds, moved by a pixel each time."""
    picture = cv2.imread(str(DEMO / "authoring" / "portraits" / "hopper.jpg"))
    assert picture is not None, "the demo's portraits are gone"
    small = cv2.resize(
        cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA
    )
    return [np.ascontiguousarray(np.roll(small, step % 4, axis=1), dtype=np.uint8) for step in range(FRAMES)]
