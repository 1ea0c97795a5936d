"""SubRip (.srt) and WebVTT (.vtt): blocks of a line of times and rows of words, with an empty row between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from extraction.transcripts.clock import seconds_of
from extraction.transcripts.lines import Line, TranscriptError
from extraction.transcripts.markup import plain, shared_out, turns_of, voices, with_names

ARROW = "-->"
NO_CUES = ("NOTE", "STYLE", "REGION", "WEBVTT")  # blocks of WebVTT that hold no words


def read_subtitles(text: str, path: Path) -> list[Line]:
    """Lines of a SubRip or WebVTT file, in its order.

    Args:
        text: the whole file.
        path: for messages.

    Raises:
        TranscriptError: a line of times that is none, or no such line at all.
    """
    lines: list[Line] = []
    for row, block in _blocks(text):
        lines.extend(_cue(block, path, row))
    if not lines and ARROW not in text:
        raise TranscriptError(
            f"{path} has no line of times such as 00:00:01.000 {ARROW} 00:00:02.500; give SubRip or WebVTT"
        )
    return with_names(lines)


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each block's first row, and its rows."""
    row, block = 1, list[str]()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            row = row if block else number
            block.append(line)
        elif block:
            yield row, block
            block = []
    if block:
        yield row, block


def _cue(block: list[str], path: Path, row: int) -> list[Line]:
    at = next((k for k, line in enumerate(block[:2]) if ARROW in line), None)
    if at is None:
        return []  # WebVTT's header and notes, and what stands in SubRip without times
    if block[0].split(maxsplit=1)[0].rstrip(":") in NO_CUES and at > 0:
        return []
    start, end = _times(block[at], path, row + at)
    words = "\n".join(block[at + 1 :])
    lines = [
        Line(speaker=speaker, text=plain(turn)) for speaker, said in voices(words) for turn in turns_of(said)
    ]
    return shared_out(lines, start, end)


def _times(line: str, path: Path, row: int) -> tuple[float, float]:
    first, _, rest = line.partition(ARROW)
    last = rest.split()  # WebVTT says after it where on the picture the words stand
    start, end = seconds_of(first), seconds_of(last[0]) if last else None
    if start is None or end is None:
        raise TranscriptError(
            f"{path}, line {row}: {line.strip()!r} is no line of times; write 00:00:01.000 {ARROW} "
            "00:00:02.500"
        )
    return start, end
