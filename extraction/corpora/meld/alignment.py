"""MELD-FAIR: in which pieces of MELD's clips the words of an utterance are really spoken.

Carneiro, Weber, Wermter: Whose Emotion Matters? Speaking Activity Localisation without Prior Knowledge,
Neurocomputing 545, 2023. MELD's clips are often out of step with their words, which begin in the clip before
or end in the one after. Its file MELD_video_realignment_timestamps.csv has a row per piece, in the order in
which they are spoken:

    Split,Dialogue ID,Utterance ID,Original Dialogue ID,Original Utterance ID,Start Time,End Time

The `Original` numbers are MELD's own: whose clip it is. `Utterance ID` counts the rows of a dialogue from 0
without gaps, where MELD's have some in 76 dialogues. Read as MELD's number it would name 91 utterances
that do not exist, and give others the words of a neighbour (counted).

Times are seconds of the release's plain clips: 101 of its test clips are used past the end of what replaces
them, corrected (counted). So pieces are always of plain clips. Ends lie up to 0.11 s past the end of a clip
(counted on train and dev), which is then meant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from extraction.corpora.meld.parts import Key, Part, clip_name
from extraction.corpora.tables import Defects, Row, read_table
from extraction.extractor import MediaSpan

NUMBERS = ("Dialogue ID", "Utterance ID", "Original Dialogue ID", "Original Utterance ID")
TIMES = ("Start Time", "End Time")
SLACK_SECONDS = 0.15
OTHER_VERSION = "take the annotations of MELD's own repository, of which it was made"


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a clip, [start, end) in seconds."""

    clip: Key
    start_seconds: float
    end_seconds: float

    def __str__(self) -> str:
        return f"{clip_name(self.clip)} {self.start_seconds:g}-{self.end_seconds:g}"


Alignment = Mapping[str, tuple[Piece, ...]]  # by id of the utterance


def read_alignment(path: Path, parts: Sequence[Part]) -> Alignment:
    """The pieces of each utterance of these splits; of those that the file does not know there is no entry.

    Raises:
        CorpusError: an unreadable table; rows that are no interval, or that name what these annotations have
            not: they are of another version. It names all such rows.
    """
    ids = {part.split.value: _ids_by_position(part) for part in parts}
    pieces: dict[str, list[Piece]] = {}
    defects = Defects(path)
    for row in read_table(path, ("Split", *NUMBERS, *TIMES)):
        with defects.noted():
            dialogue, position, *clip = (row.whole_number(column) for column in NUMBERS)
            start, end = _interval(row)
            members = ids.get(row["Split"], {}).get(dialogue)
            if members is None:
                continue  # of a split or a dialogue that was left out
            if position >= len(members):
                remedy = f"dialogue {dialogue} has {len(members)} rows; {OTHER_VERSION}"
                raise row.error("Utterance ID", remedy)
            pieces.setdefault(members[position], []).append(Piece((clip[0], clip[1]), start, end))
    defects.refuse()
    return {name: tuple(of_one) for name, of_one in pieces.items()}


def _ids_by_position(part: Part) -> dict[int, list[str]]:
    """Ids of a split's utterances, by dialogue, in the order of MELD's numbers."""
    found: dict[int, list[str]] = {}
    for utterance in part.utterances:
        found.setdefault(int(utterance.dialogue), []).append(utterance.id)
    return found


def _interval(row: Row) -> tuple[float, float]:
    times = []
    for column in TIMES:
        try:
            times.append(float(row[column]))
        except ValueError as error:
            raise row.error(column, "give seconds from the start of the clip, such as 1.5") from error
    start, end = times
    if not 0 <= start < end < math.inf:
        raise row.error(
            "End Time", f"it must be later than Start Time, {row['Start Time']}, which is 0 or more"
        )
    return start, end


def span_of(pieces: Sequence[Piece], part: Part) -> MediaSpan | list[Key]:
    """The pieces in the plain clips of a split; of clips that are not there their numbers instead."""
    plain: Mapping[Key, Path] = {} if part.files is None else part.files.plain
    missing = [piece.clip for piece in pieces if piece.clip not in plain]
    if missing:
        return missing
    first, *others = [
        MediaSpan(
            path=plain[piece.clip],
            start_seconds=piece.start_seconds,
            end_seconds=piece.end_seconds,
            slack_seconds=SLACK_SECONDS,
        )
        for piece in pieces
    ]
    return replace(first, then=tuple(others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Where the sound and the picture of an utterance are taken from.

    Args:
        span: None if there is no file.
        is_aligned: the span is that of its pieces.
        unaligned: why it is not, where it was asked for.
        missing: clips of its pieces that are not there.
    """

    span: MediaSpan | None
    is_aligned: bool = False
    unaligned: str = ""
    missing: tuple[Key, ...] = ()
