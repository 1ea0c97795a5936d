"""A media file opened by FFmpeg, and nothing but this file.

Some of FFmpeg's formats are lists: HLS, DASH, concat scripts, SDP, numbered pictures and others name files or
addresses, which FFmpeg opens in their place, by whatever name the list itself goes. So only formats are read
that hold their pictures and sounds themselves, and no protocol but that of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

RECORDINGS = (
    *(
        "mov",
        "matroska",
        "webm",
        "avi",
        "flv",
        "live_flv",
        "asf",
        "ogg",
        "mpegts",
        "mpeg",
        "mxf",
        "gxf",
        "nut",
    ),
    *("rm", "wtv", "dv", "ivf", "yuv4mpegpipe"),  # of pictures and sound
    *("m4v", "mpegvideo", "mjpeg", "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "vc1", "dirac"),
    *("wav", "w64", "aiff", "au", "caf", "voc", "nistsphere", "sox", "mp3", "aac", "ac3", "eac3", "amr"),
    *("flac", "ape", "wv", "tta", "qoa", "mpc", "mpc8", "dts", "dtshd", "mlp", "truehd", "oma"),
)
ONE_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(RECORDINGS)}


def open_recording(path: Path, **options: Any) -> InputContainer:
    """Open a file that holds what it shows.

    Args:
        options: of `av.open`.

    Raises:
        av.error.ArgumentError: it is of a format that is not read: a list of other files, a picture.
        av.error.FFmpegError: it is damaged, or none that FFmpeg knows.
    """
    opened: InputContainer = av.open(
        str(path), metadata_errors="replace", container_options=ONE_FILE, **options
    )
    return opened
