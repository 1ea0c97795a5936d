"""What is wrong with a media file, found without decoding it, and the error that says so."""

from __future__ import annotations

from pathlib import Path

import av

from summer.corpus import Status

MOST_PIXELS = 8192 * 4320  # of a picture: a damaged header declares any, and decoders keep up to 17 of them
WHOLE_ENOUGH = 0.9  # share of what is declared that must be present; encoders' padding costs far less
UNKNOWN_RIFF_SIZE = 0x7FFFF000  # from here on, what programs write that do not know the length beforehand


class MediaError(ValueError):
    """A clip that cannot be read.

    Args:
        status: missing, corrupt, no_audio, no_video, too_short or truncated.
        reason: why, with the values, for people.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(status, reason)  # both, so that the error survives the way between processes
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def check_file(path: Path) -> None:
    """Refuse what cannot be opened.

    Raises:
        MediaError: missing, or corrupt if it has no bytes.
    """
    try:
        if path.exists() and not path.is_file():
            raise MediaError(Status.MISSING, f"{path} is not a file")
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(Status.CORRUPT, f"{path.name} is empty (0 bytes)")
    except OSError as error:
        raise MediaError(Status.MISSING, f"{path} cannot be read: {error.strerror}") from error


def check_riff_size(path: Path) -> None:
    """Compare a WAV's or AVI's own word on its size with the file's: FFmpeg takes what is there for all.

    Raises:
        MediaError: truncated.
    """
    with path.open("rb") as file:
        head = file.read(8)
    size = path.stat().st_size
    promised = int.from_bytes(head[4:8], "little") + 8
    if head[:4] == b"RIFF" and promised < UNKNOWN_RIFF_SIZE and size < WHOLE_ENOUGH * promised:
        raise MediaError(
            Status.TRUNCATED, f"{path.name} has {size:,} of the {promised:,} bytes that its header promises"
        )


def is_mp4(path: Path) -> bool:
    """Tell by the first bytes whether a file is of the MP4 family."""
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def is_wav(path: Path) -> bool:
    """Tell by the first bytes whether a file is a WAV."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WAVE"


def damage(path: Path, error: av.error.FFmpegError | ValueError) -> MediaError:
    """FFmpeg's error in words."""
    size = path.stat().st_size
    cause = error.strerror if isinstance(error, av.error.FFmpegError) else str(error)
    if is_mp4(path):
        words = "is an MP4 without a readable index: cut off, or damaged"
    else:
        words = f"is not media that FFmpeg can read: {cause}"
    return MediaError(Status.CORRUPT, f"{path.name} ({size:,} bytes) {words}")
