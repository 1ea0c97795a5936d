"""A transcript by its path: which format it has, and which encoding."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from pathlib import Path

from extraction.transcripts.lines import Line, Transcript, TranscriptError, ordered
from extraction.transcripts.subtitles import read_subtitles
from extraction.transcripts.tables import read_csv, read_json
from summer.durable import is_no_file

READERS: Mapping[str, Callable[[str, Path], list[Line]]] = {
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".csv": read_csv,
    ".json": read_json,
}
SUFFIXES = tuple(READERS)
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FALLBACK = "cp1252"  # what editors on Windows write
MOST_BYTES = 64 << 20


def read_transcript(path: Path) -> Transcript:
    """Read a transcript, whichever of the four formats it has.

    Args:
        path: .srt, .vtt, .csv or .json; UTF-8, or UTF-16 with its mark. What is neither is read as
            Windows-1252, and a note says so.

    Raises:
        TranscriptError: no such file, another format, or nothing in it that can be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TranscriptError(f"{path} is no transcript by its name; give {', '.join(SUFFIXES)}")
    text, notes = _decoded(_content(path), path)
    return ordered(reader(text, path), path=path, notes=notes)


def _content(path: Path) -> bytes:
    if is_no_file(path):
        raise TranscriptError(f"{path} is a folder, a pipe or a device; give a transcript")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TranscriptError(
                f"{path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}; give a transcript"
            )
        content = path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            f"{path} cannot be read: {error.strerror}; check the path and its rights"
        ) from error
    if not content.strip():
        raise TranscriptError(f"{path} is empty; give another transcript, or none")
    return content


def _decoded(content: bytes, path: Path) -> tuple[str, list[str]]:
    encoding = next((MARKS[mark] for mark in MARKS if content.startswith(mark)), "utf-8")
    try:
        return _checked(content.decode(encoding), path), []
    except UnicodeDecodeError as error:
        byte = f"byte 0x{content[error.start]:02x} at offset {error.start}"
    text = content.decode(FALLBACK, errors="replace")
    return _checked(text, path), [f"{path.name} is not {encoding} ({byte}): read as Windows-1252"]


def _checked(text: str, path: Path) -> str:
    if "\0" in text:
        raise TranscriptError(
            f"{path} holds null bytes: it is no text, or UTF-16 without its mark; save it as UTF-8"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
