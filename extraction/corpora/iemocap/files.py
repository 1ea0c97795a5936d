"""The two text formats of IEMOCAP: evaluations (labels and times) and transcriptions (words).

An evaluation file holds blocks; the first line is tab separated, then one line per evaluator (not read):

    [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
    C-E2:	Neutral;	()
    C-F1:	Neutral; Sadness;	()          the speaker's own rating
    A-E3:	val 3; act 2; dom  2;	()

A transcription has one line per turn; lines without one ("M: [LAUGHTER]") and unrated turns (XX) occur:

    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
    Ses01F_impro01_MXX0 [011.0000-012.0000]: Okay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from extraction.corpora.corpus import CorpusError

TIMES = r"\[\s*(?P<start>\d+(?:\.\d+)?)\s*-\s*(?P<end>\d+(?:\.\d+)?)\s*\]"
# Session, who wears the markers, scene, who speaks, number.
TURN = r"(?P<turn>Ses\d\d[FM]_\w+_[FM](?:\d{3}|XX\d+))"
RATED = re.compile(TIMES + r"\s+" + TURN + r"\s+(?P<label>[a-z]+)\s+\[.*")
SPOKEN = re.compile(TURN + r"\s*" + TIMES + r"\s*:\s?(?P<text>.*)")
NOTE = re.compile(r"[FM]: ?.*")  # a noise or an aside, said by one of the two, that is no turn
UNRATED = re.compile(r".*_[FM]XX\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedTurn:
    """One turn as the evaluators have it.

    Args:
        start_seconds, end_seconds: on the clock of the dialogue.
        label: by majority, "xxx" where there was none.
    """

    id: str
    start_seconds: float
    end_seconds: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """The words of one dialogue.

    Args:
        texts: by turn.
        notes: lines that are no turn, as the release has them.
        unrated: XX turns.
        unparsable: lines of any other form, with their number.
        encoding: "utf-8", or "cp1252" where the file is not UTF-8.
    """

    texts: Mapping[str, str]
    notes: int
    unrated: int
    unparsable: Sequence[tuple[int, str]]
    encoding: str


def read_evaluation(path: Path) -> list[RatedTurn]:
    """Read the turns of one dialogue, in order of time.

    Raises:
        CorpusError: not readable, a line in brackets of another form, a turn twice, no turn at all.
    """
    turns: dict[str, RatedTurn] = {}
    text, _ = read_lines(path)
    for number, line in enumerate(text, start=1):
        if match := RATED.fullmatch(line):
            name = match["turn"]
            if name in turns:
                raise CorpusError(f"{path}, line {number}: turn {name!r} is there twice; keep one of the two")
            turns[name] = RatedTurn(
                id=name,
                start_seconds=float(match["start"]),
                end_seconds=float(match["end"]),
                label=match["label"],
            )
        elif line.startswith("["):
            raise CorpusError(
                f"{path}, line {number}: {line[:60]!r} is not '[start - end] turn label [v, a, d]'; restore "
                "the file from the release"
            )
    if not turns:
        raise CorpusError(f"{path} holds no turn; restore the file from the release")
    return sorted(turns.values(), key=lambda turn: (turn.start_seconds, turn.end_seconds, turn.id))


def read_transcription(path: Path) -> Transcription:
    """Read the words of one dialogue; of a turn that is there twice, the first.

    Raises:
        CorpusError: the file cannot be read.
    """
    texts: dict[str, str] = {}
    notes, unrated, unparsable = 0, 0, []
    lines, encoding = read_lines(path)
    for number, line in enumerate(lines, start=1):
        match = SPOKEN.fullmatch(line)
        if match and UNRATED.fullmatch(match["turn"]):
            unrated += 1
        elif match and match["turn"] not in texts:
            texts[match["turn"]] = match["text"].strip()
        elif NOTE.fullmatch(line):
            notes += 1
        elif line:
            unparsable.append((number, line))
    return Transcription(texts=texts, notes=notes, unrated=unrated, unparsable=unparsable, encoding=encoding)


def read_lines(path: Path) -> tuple[list[str], str]:
    """Lines of a text file, stripped, and its encoding: UTF-8, else Windows-1252.

    Raises:
        CorpusError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}; check its rights") from error
    try:
        text, encoding = content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = content.decode("cp1252", errors="replace"), "cp1252"
    return [line.strip() for line in text.split("\n")], encoding
