"""Transcripts as CSV and as JSON: what speech recognisers and people's own tables give.

    CSV     columns text, start, end, and speaker where it is known
    JSON    a list of objects with these keys, or an object that has such a list under segments (Whisper,
            WhisperX), utterances, or lines

`words` and `transcript` may stand for text, `start_seconds` and `start_time` for start, and so for end,
`name` for speaker. Times are seconds, or hours, minutes and seconds with colons; they may be left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from extraction.transcripts.clock import seconds_of
from extraction.transcripts.lines import Line, TranscriptError
from extraction.transcripts.markup import with_names
from summer.durable import json_of

NAMES_OF = {
    "text": ("text", "words", "transcript", "utterance"),
    "start": ("start", "start_seconds", "start_time", "begin"),
    "end": ("end", "end_seconds", "end_time"),
    "speaker": ("speaker", "name"),
}
LISTS = ("segments", "utterances", "lines")
LONGEST_SHOWN = 40


def read_csv(text: str, path: Path) -> list[Line]:
    """Lines of a table, in its order.

    Raises:
        TranscriptError: not CSV, no column of words, ragged rows, or a time that is none.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if not set(header) & set(NAMES_OF["text"]):
            hint = "; separate cells by commas" if len(header) == 1 and ";" in header[0] else ""
            raise TranscriptError(
                f"{path}, line 1: no column named text among {', '.join(header)}; add it{hint}"
            )
        rows = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise TranscriptError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells where the header has "
                    f"{len(header)}; quote cells that hold commas"
                )
            rows.append((f"line {reader.line_num}", dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise TranscriptError(
            f"{path}, line {reader.line_num}: not CSV: {error}; quote cells that hold commas or quotes"
        ) from error
    return with_names([_line(entry, f"{path}, {where}") for where, entry in rows])


def read_json(text: str, path: Path) -> list[Line]:
    """Lines of a list of objects, in its order.

    Raises:
        TranscriptError: not JSON, no such list, an object without words, or a time that is none.
    """
    try:
        found = json_of(text)
    except ValueError as error:
        raise TranscriptError(f"{path} is not JSON: {error}; write it again") from error
    entries = _list_in(found)
    if entries is None:
        raise TranscriptError(
            f"{path} has no list of lines; give a list of objects with text, start, end and speaker, or an "
            f"object that has one under {', '.join(LISTS)}"
        )
    lines = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not _has(entry, "text"):
            raise TranscriptError(f"{where} has no text: {str(entry)[:LONGEST_SHOWN]}; give each its words")
        lines.append(_line({str(key).lower(): value for key, value in entry.items()}, where))
    return with_names(lines)


def _list_in(found: object) -> Sequence[Any] | None:
    if isinstance(found, dict):
        found = next((found[name] for name in LISTS if isinstance(found.get(name), list)), None)
    return found if isinstance(found, list) else None


def _has(entry: Mapping[str, Any], what: str) -> bool:
    return any(str(key).lower() in NAMES_OF[what] for key in entry)


def _line(entry: Mapping[str, Any], where: str) -> Line:
    text, speaker = _of(entry, "text"), _of(entry, "speaker")
    return Line(
        speaker=" ".join(str(speaker or "").split()),
        text=" ".join(str(text or "").split()),
        start_seconds=_time(entry, "start", where),
        end_seconds=_time(entry, "end", where),
    )


def _of(entry: Mapping[str, Any], what: str) -> Any:
    return next((entry[name] for name in NAMES_OF[what] if name in entry), None)


def _time(entry: Mapping[str, Any], what: str, where: str) -> float | None:
    value = _of(entry, what)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = None if isinstance(value, bool) else seconds_of(str(value))
    if found is None:
        raise TranscriptError(
            f"{where}: {what} is {str(value)[:LONGEST_SHOWN]!r}; give seconds from the start of the "
            "recording, such as 12.5 or 00:00:12.500, or leave it empty"
        )
    return found
