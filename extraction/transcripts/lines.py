"""What every transcript becomes: lines in the order of their times, and what was odd about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

MOST_LINES = 100_000  # a hundred hours of talk; more is some other kind of file


class TranscriptError(ValueError):
    """A transcript that cannot be read; the message names the file, the place, the value and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Who says what, and when.

    Args:
        speaker: a name; "" where the transcript does not say.
        text: plain words, never markup.
        start_seconds, end_seconds: half-open, on the media's own clock; None where it does not say.
    """

    speaker: str
    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether there is a stretch of time in which it is said."""
        return self.start_seconds is not None and self.end_seconds is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Lines in order, ready to be read.

    Args:
        path: of the file; None of one that was heard.
        notes: what was odd, in words, for people.
    """

    lines: tuple[Line, ...]
    path: Path | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def ordered(lines: Sequence[Line], *, path: Path | None, notes: Iterable[str] = ()) -> Transcript:
    """Put lines into the order of their times, drop those without words, and say what was odd.

    Lines that overlap stay as they are: people talk at once. Of one whose end is not after its start, words
    are kept and times are not: there is nothing to hear or see.

    Raises:
        TranscriptError: no line has words, or there are more than 100,000.
    """
    where = str(path) if path else "what was heard"
    if len(lines) > MOST_LINES:
        raise TranscriptError(
            f"{where} has {len(lines):,} lines, more than {MOST_LINES:,}; give a transcript of one recording"
        )
    with_words = [line for line in lines if line.text]
    if not with_words:
        raise TranscriptError(f"{where} has no line with words; give another transcript, or none")
    kept = [_with_times_that_are_some(line) for line in with_words]
    placed = _by_start(kept)
    notes = [
        *notes,
        *_note(len(lines) - len(with_words), "without words", "left out"),
        *_note(_changed(with_words, kept), "whose end is not after their start", "read without times"),
        *_note(_changed(kept, placed), "out of order", "put into the order of their times"),
        *_note(_overlapping(placed), "that begin before an earlier one ends", "kept as they are"),
    ]
    return Transcript(lines=tuple(placed), path=path, notes=tuple(notes))


def _with_times_that_are_some(line: Line) -> Line:
    start, end = line.start_seconds, line.end_seconds
    if start is not None and end is not None and end > start >= 0:
        return line
    return line if start is None and end is None else replace(line, start_seconds=None, end_seconds=None)


def _by_start(lines: Sequence[Line]) -> list[Line]:
    """In the order of times; a line without stays behind the one that it stood behind."""
    latest, keys = -math.inf, []
    for line in lines:
        latest = line.start_seconds if line.start_seconds is not None else latest
        keys.append(latest)
    return [lines[k] for k in sorted(range(len(lines)), key=lambda k: (keys[k], k))]


def _changed(before: Sequence[Line], after: Sequence[Line]) -> int:
    return sum(one is not other for one, other in zip(before, after, strict=True))


def _overlapping(lines: Sequence[Line]) -> int:
    count, latest = 0, -math.inf
    for line in lines:
        if line.start_seconds is not None and line.end_seconds is not None:
            count += line.start_seconds < latest
            latest = max(latest, line.end_seconds)
    return count


def _note(count: int, what: str, done: str) -> list[str]:
    return [f"lines {what}: {count}, {done}"] if count else []
