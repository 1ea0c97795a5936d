"""What is odd about a copy of IEMOCAP, as far as its text files and file names tell. No media is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from extraction.corpora.corpus import Problem
from extraction.corpora.iemocap.dialogues import (
    FILMS,
    SENTENCES,
    TRANSCRIPTIONS,
    FilmedDialogue,
    IemocapQuirks,
    Release,
)
from extraction.corpora.iemocap.files import Transcription
from extraction.corpora.layout import relative
from summer.corpus import Utterance, context_of


def problems(
    release: Release, utterances: Sequence[Utterance], quirks: IemocapQuirks, protocol: str
) -> Iterator[Problem]:
    """Problems of the whole release, then dialogue by dialogue.

    Args:
        utterances: all rows, those that are context included.
    """
    labelled = len(utterances) - context_of(utterances)
    yield from _count_problems(release, labelled, quirks, protocol)
    for folder, count in sorted(release.appledouble.items()):
        yield Problem(
            kind="appledouble",
            where=relative(folder, release.root),
            known=True,
            what=f"{count} files ._*, attributes that macOS put into the archive",
            remedy="they are ignored; delete them if you like",
        )
    yield from _whole_kind_missing(release)
    any_film = any(dialogue.film for dialogue in release.dialogues)
    any_sound = any(dialogue.sentences for dialogue in release.dialogues)
    for dialogue in release.dialogues:
        rows = [utterance for utterance in utterances if utterance.dialogue == dialogue.name]
        yield from _transcription_problems(release, dialogue, rows)
        yield from _media_problems(release, dialogue, rows, any_film=any_film, any_sound=any_sound)


def _count_problems(
    release: Release, labelled: int, quirks: IemocapQuirks, protocol: str
) -> Iterator[Problem]:
    remedy = "unpack or download it again, unless a subset is what you want"
    names = {dialogue.name for dialogue in release.dialogues}
    if len(names) != quirks.dialogues:
        what = f"{len(names)} dialogues, the release has {quirks.dialogues}"
        yield Problem(kind="count", where=".", known=False, what=what, remedy=remedy)
    absent = [name for name in quirks.dev_dialogues if name not in names]
    if absent:
        what = f"{len(absent)} of the dialogues of the dev split are absent: {', '.join(absent)}"
        yield Problem(kind="count", where=".", known=False, what=what, remedy=remedy)
    if len(names) != quirks.dialogues:
        return
    counts = Counter(turn.label for dialogue in release.dialogues for turn in dialogue.turns)
    differing = [
        f"{counts[label]} {label}, the release has {quirks.turns.get(label, 0)}"
        for label in sorted(counts.keys() | quirks.turns.keys())
        if counts[label] != quirks.turns.get(label, 0)
    ]
    if differing:
        yield Problem(kind="count", where=".", known=False, what="; ".join(differing), remedy=remedy)
    if protocol == "erc7433" and labelled != quirks.erc7433.rows:
        yield Problem(
            kind="count",
            where=".",
            known=False,
            what=f"{labelled} labelled turns in erc7433, published work has {quirks.erc7433.rows}",
            remedy="compare the evaluations of the turns that iemocap.toml lists with the release",
        )


def _whole_kind_missing(release: Release) -> Iterator[Problem]:
    count = len(release.dialogues)
    if not any(dialogue.film for dialogue in release.dialogues):
        yield Problem(
            kind="missing",
            where=f"Session*/{FILMS}",
            known=False,
            what=f"no film of any of {count} dialogues",
            remedy="unpack the films under the root; text and audio can be extracted without them",
        )
    if not any(dialogue.sentences for dialogue in release.dialogues):
        yield Problem(
            kind="missing",
            where=f"Session*/{SENTENCES}",
            known=False,
            what=f"no sentence of any of {count} dialogues",
            remedy="unpack the sentences under the root; until then the sound of the films is used",
        )


def _transcription_problems(
    release: Release, dialogue: FilmedDialogue, rows: Sequence[Utterance]
) -> Iterator[Problem]:
    where = relative(dialogue.session / TRANSCRIPTIONS / f"{dialogue.name}.txt", release.root)
    if dialogue.transcription is None:
        yield Problem(
            kind="missing",
            where=where,
            known=False,
            what=f"no transcription of {len(rows)} utterances; their text is empty",
            remedy="restore the file from the release",
        )
        return
    yield from _line_problems(where, dialogue.transcription)
    for utterance in rows:
        if not utterance.text:
            yield Problem(
                kind="no-text",
                where=utterance.id,
                known=False,
                what=f"{Path(where).name} has no words of it; its text is empty",
                remedy="restore the file from the release",
            )


def _line_problems(where: str, transcription: Transcription) -> Iterator[Problem]:
    passed_over = [
        ("unparsable", transcription.notes, "lines without a turn, noises and asides"),
        ("unrated", transcription.unrated, "XX turns, which nobody rated"),
    ]
    for kind, count, noun in passed_over:
        if count:
            what = f"{count} {noun}"
            yield Problem(kind=kind, where=where, known=True, what=what, remedy="they are passed over")
    for number, line in transcription.unparsable:
        yield Problem(
            kind="unparsable",
            where=where,
            known=False,
            what=f"line {number} is no turn, or is one for the second time: {line[:60]!r}",
            remedy="it is passed over; compare the file with the release",
        )
    if transcription.encoding != "utf-8":
        yield Problem(
            kind="encoding",
            where=where,
            known=False,
            what=f"not UTF-8, read as {transcription.encoding}",
            remedy="compare the words of this dialogue with the film",
        )


def _media_problems(
    release: Release, dialogue: FilmedDialogue, rows: Sequence[Utterance], *, any_film: bool, any_sound: bool
) -> Iterator[Problem]:
    if any_film and dialogue.film is None:
        yield Problem(
            kind="missing",
            where=relative(dialogue.session / FILMS / f"{dialogue.name}.avi", release.root),
            known=False,
            what=f"no film of {len(rows)} utterances",
            remedy="their video rows get the status missing; put the file there and run with --retry-failed",
        )
    for utterance in rows:
        if utterance.end_seconds is None:
            yield Problem(
                kind="mis-timed",
                where=utterance.id,
                known=False,
                what="the evaluation's times are no interval, so that its picture cannot be found",
                remedy="correct the times in the evaluation file",
            )
        if any_sound and utterance.id not in dialogue.sentences:
            yield Problem(
                kind="missing",
                where=utterance.id,
                known=False,
                what="no wav file of this sentence",
                remedy="restore it; until then the sound of the film is used, where there is one",
            )
