"""Clip files of the demo corpus: H.264 and AAC in mp4, as in MELD, but small.

No part of the paper. One encoder thread and the muxer's bit-exact mode, so that the same encoder versions
write the same bytes. For that the width must be a multiple of 128 too: at 288 or 320 pixels libx264 writes
slightly different files each time from the same frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FRAME_RATE_HERTZ = 25
AUDIO_RATE_HERTZ = 48_000
SAMPLES_A_PACKET = 1024
CONSTANT_QUALITY = "24"


def write_clip(path: Path, frames: Sequence[NDArray[np.uint8]], sound: NDArray[np.float32]) -> None:
    """Write one clip.

    Args:
        path: of the mp4 file; its folder exists.
        frames: BGR, all of one even size, 25 a second.
        sound: channels x samples at 48 kHz; one channel (mono) or six (5.1).

    Raises:
        ValueError: another number of channels.
        av.FFmpegError: the encoder failed.
    """
    layouts = {1: "mono", 6: "5.1"}
    if sound.shape[0] not in layouts:
        raise ValueError(f"{path}: {sound.shape[0]} channels; one or six can be written")
    layout = layouts[sound.shape[0]]
    with av.open(str(path), "w", options={"fflags": "+bitexact", "movflags": "-faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE_HERTZ)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        video.options = {"crf": CONSTANT_QUALITY, "preset": "veryslow", "threads": "1"}
        audio = container.add_stream("aac", rate=AUDIO_RATE_HERTZ, layout=layout)
        audio.bit_rate = 48_000 if layout == "mono" else 160_000
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE_HERTZ)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, sound.shape[1], SAMPLES_A_PACKET):
            block = np.ascontiguousarray(sound[:, start : start + SAMPLES_A_PACKET])
            chunk = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            chunk.sample_rate, chunk.pts, chunk.time_base = (
                AUDIO_RATE_HERTZ,
                start,
                Fraction(1, AUDIO_RATE_HERTZ),
            )
            container.mux(audio.encode(chunk))
        container.mux(audio.encode(None))


def cut_short(path: Path) -> None:
    """Keep the first three fifths of a clip: its index, at the end, is lost, and with it every frame.

    Args:
        path: of the mp4 file.

    Raises:
        OSError: the file cannot be read or written.
    """
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
