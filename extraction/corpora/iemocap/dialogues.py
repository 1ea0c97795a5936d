"""The dialogues of IEMOCAP as found on disk: rated turns, words, film and sound of each. No media opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic.dataclasses import dataclass as validated

from extraction.corpora.corpus import CorpusError
from extraction.corpora.iemocap.files import RatedTurn, Transcription, read_evaluation, read_transcription
from extraction.corpora.layout import APPLEDOUBLE, entries, folders_under, is_file, the_only
from extraction.corpora.quirks import STRICT, Quirks
from summer.corpus import Split

SESSION = re.compile(r"Session(\d+)")
EVALUATIONS = "dialog/EmoEvaluation"
TRANSCRIPTIONS = "dialog/transcriptions"
FILMS = "dialog/avi/DivX"
SENTENCES = "sentences/wav"


@validated(frozen=True, kw_only=True, config=STRICT)
class SharedLabels:
    """Which turns without a majority the field's shared features label nevertheless.

    Args:
        undecided: the majority label of these turns.
        label: what they are called.
        turns: their ids.
        rows: labelled turns of the whole protocol, as published work has it.
    """

    undecided: str
    label: str
    turns: tuple[str, ...]
    rows: int


@validated(frozen=True, kw_only=True, config=STRICT)
class IemocapQuirks(Quirks):
    """The TOML of IEMOCAP.

    Args:
        labels: of both protocols, in the order of the shared features.
        turns: rated turns by majority label.
    """

    labels: tuple[str, ...]
    test_sessions: tuple[int, ...]
    dev_dialogues: tuple[str, ...]
    dialogues: int
    turns: dict[str, int]
    erc7433: SharedLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmedDialogue:
    """One dialogue.

    Args:
        turns: all that were rated, in order of time; those of other labels are context.
        transcription: None if the file is absent.
        film: None if the file is absent.
        sentences: sound file by turn.
    """

    name: str
    split: Split
    session: Path
    turns: Sequence[RatedTurn]
    transcription: Transcription | None
    film: Path | None
    sentences: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """All that was found, in corpus order.

    Args:
        appledouble: number of AppleDouble files by folder.
    """

    root: Path
    dialogues: Sequence[FilmedDialogue]
    appledouble: Mapping[Path, int] = field(default_factory=dict)


def find_dialogues(root: Path, quirks: IemocapQuirks) -> Release:
    """Find and read all dialogues.

    Raises:
        CorpusError: no session, a session twice, a file that cannot be read.
    """
    found: list[FilmedDialogue] = []
    appledouble: dict[Path, int] = {}
    for number, session in sorted(_sessions(root).items()):
        found += [
            _read_dialogue(path, session, _split(path.stem, number, quirks), appledouble)
            for path in _files(session / EVALUATIONS, ".txt", appledouble)
        ]
    if not found:
        raise CorpusError(
            f"{root} holds no Session*/{EVALUATIONS}/*.txt, down to three folders deep; give --root the "
            "folder IEMOCAP_full_release"
        )
    order = list(Split)
    found.sort(key=lambda dialogue: (order.index(dialogue.split), dialogue.name))
    return Release(root=root, dialogues=found, appledouble=appledouble)


def _sessions(root: Path) -> dict[int, Path]:
    found: dict[int, list[Path]] = {}
    for folder in folders_under(root):
        match = SESSION.fullmatch(folder.name)
        if match and (folder / EVALUATIONS).is_dir():
            found.setdefault(int(match[1]), []).append(folder)
    only = {number: the_only(folders, f"Session{number}") for number, folders in found.items()}
    return {number: folder for number, folder in only.items() if folder is not None}


def _split(dialogue: str, session: int, quirks: IemocapQuirks) -> Split:
    if session in quirks.test_sessions:
        return Split.TEST
    return Split.DEV if dialogue in quirks.dev_dialogues else Split.TRAIN


def _read_dialogue(
    evaluation: Path, session: Path, split: Split, appledouble: dict[Path, int]
) -> FilmedDialogue:
    name = evaluation.stem
    transcription = session / TRANSCRIPTIONS / f"{name}.txt"
    film = session / FILMS / f"{name}.avi"
    sentences = _files(session / SENTENCES / name, ".wav", appledouble)
    return FilmedDialogue(
        name=name,
        split=split,
        session=session,
        turns=read_evaluation(evaluation),
        transcription=read_transcription(transcription) if is_file(transcription) else None,
        film=film if is_file(film) else None,
        sentences={path.stem: path for path in sentences},
    )


def _files(folder: Path, suffix: str, appledouble: dict[Path, int]) -> Iterator[Path]:
    for path in entries(folder) if folder.is_dir() else []:
        if path.name.startswith(APPLEDOUBLE):
            appledouble[folder] = appledouble.get(folder, 0) + 1
        elif path.suffix == suffix:
            yield path
