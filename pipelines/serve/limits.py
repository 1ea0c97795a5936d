"""How much, how long and how many: what one user may ask of the server that all share."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_MEGABYTE = 1_000_000
SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused beyond.

    Args:
        most_bytes: of a recording.
        most_seconds: of a recording.
        most_waiting: predictions that wait while one is made.
        most_transcript_bytes: of a transcript.
        most_talks: sessions that have something on the disk.
        kept_seconds: after the last use.
        reserved_bytes: of the disk that uploads leave free.
    """

    most_bytes: int = 500 * BYTES_PER_MEGABYTE
    most_seconds: float = 30 * SECONDS_PER_MINUTE
    most_waiting: int = 8
    most_transcript_bytes: int = 8 * BYTES_PER_MEGABYTE
    most_talks: int = 100
    kept_seconds: float = 30 * SECONDS_PER_MINUTE
    reserved_bytes: int = 200 * BYTES_PER_MEGABYTE

    @property
    def most_lines(self) -> int:
        """Of a transcript: nobody says more than one line a second for long."""
        return max(1, round(self.most_seconds))

    @property
    def work_seconds(self) -> float:
        """Most time that a prediction may take: ten times the longest recording, and ten minutes to begin."""
        return 10 * (self.most_seconds + SECONDS_PER_MINUTE)


def size_told(size: int) -> str:
    """A size in words."""
    if size < BYTES_PER_MEGABYTE:
        return f"{max(1, round(size / 1000))} kB"
    return f"{size / BYTES_PER_MEGABYTE:,.1f}".removesuffix(".0") + " MB"


def length_told(seconds: float) -> str:
    """A length in words; seconds, where it is less than a minute."""
    if seconds < SECONDS_PER_MINUTE:
        return _counted(seconds, "second")
    return _counted(seconds / SECONDS_PER_MINUTE, "minute")


def _counted(number: float, noun: str) -> str:
    told = f"{number:.1f}".removesuffix(".0")
    return f"{told} {noun}" if told == "1" else f"{told} {noun}s"
