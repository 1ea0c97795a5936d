"""What is said between the server and the process that predicts: plain data, which goes through a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

FILM = "recording"  # what the page calls it: a name beside its own address


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is the same for all questions.

    Args:
        asr_model: None: nothing is heard.
        guesses_speakers: of lines without one.
        most_lines: of a transcript.
    """

    run: Path
    device: str
    workers: int | None
    asr_model: str | None
    guesses_speakers: bool
    most_seconds: float
    most_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prediction.

    Args:
        recording, transcript: at least one.
        out: the folder of the timeline; what is extracted there already is not extracted again.
        names: what speakers of the transcript are really called.
        line_names: by the place of a line, from 0, the speaker who says it after all.
    """

    recording: Path | None
    transcript: Path | None
    out: Path
    names: Mapping[str, str] = field(default_factory=dict)
    line_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def given(self) -> list[Path]:
        """The files of the user."""
        return [path for path in (self.recording, self.transcript) if path is not None]


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done, and how much of it: `done` of `total`; nothing is known of a total of 0."""

    doing: str
    done: float = 0.0
    total: float = 0.0


class SpokenLine(NamedTuple):
    """Who says what; a speaker of "" is nobody known."""

    speaker: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A prediction is made, and lies in the folder of the question.

    Args:
        speakers: by the names of the transcript, how many lines each says.
        lines: who says what, in order.
        is_whole: no fault of the program left anything undone.
    """

    speakers: Mapping[str, int]
    lines: Sequence[SpokenLine] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """There is none, and the user is told why."""

    message: str
