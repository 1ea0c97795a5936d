"""One `summer-predict` command, carried out: transcript and recording → features → models → timeline."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from extraction.corpora import Corpus
from extraction.transcripts import (
    SUFFIXES,
    Media,
    Transcript,
    TranscriptError,
    conversation,
    read_transcript,
)
from pipelines.console import INTERRUPTED, same_command
from pipelines.devices import device_named
from pipelines.predict.command import PredictionOrder
from pipelines.predict.display import print_timeline
from pipelines.predict.features import Read, Reading, read_features_of
from pipelines.predict.listening import listened
from pipelines.predict.page import beside, timeline_page
from pipelines.predict.terminal import Terminal
from pipelines.predict.watching import Watcher
from summer.corpus import Modality, Utterance
from summer.durable import write_aside
from summer.report.timeline import Said, Timeline
from summer.runs.folder import RunError, read_record
from summer.runs.model import EmotionModel, load_model
from summer.training.attention import Attended

if TYPE_CHECKING:
    from extraction.speakers import Guess

DONE, LEFT_UNDONE = 0, 1
CSV, JSON, VTT, PAGE = "timeline.csv", "timeline.json", "timeline.vtt", "conversation.html"
FEATURES = "features"
UNFIT_FOR_A_FOLDER = re.compile(r"[^\w.-]+")


def carry_out(order: PredictionOrder) -> int:
    """Read what is to be read, ask the models, write the timeline.

    Returns:
        The exit status: 0 done, 1 rows left undone by a fault of the program, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True)
    predicted = predict(order, Terminal(console))
    if predicted is None:
        console.print(f"stopped; {same_command()}", highlight=False)
        return INTERRUPTED
    write_timeline(order.out, predicted)
    print_timeline(console, predicted.timeline, order.out, (PAGE, CSV, JSON, VTT))
    return LEFT_UNDONE if predicted.errors else DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What came of an order.

    Args:
        by: the run, in words.
        features: the folder of the features.
        speakers: how much each says, by the names of the transcript.
        attended: by model, then by id, what each utterance was read with in view.
        errors: faults of this program; their rows are left undone.
    """

    timeline: Timeline
    media: Media | None
    by: str
    features: Path
    speakers: Mapping[str, int]
    attended: Mapping[str, Mapping[str, Attended]]
    errors: Sequence[str]


def predict(
    order: PredictionOrder,
    watcher: Watcher,
    *,
    names: Mapping[str, str] | None = None,
    line_names: Mapping[int, str] | None = None,
) -> Predicted | None:
    """Make the timeline; None if the user stopped it.

    Args:
        names: what speakers of the transcript are really called.
        line_names: by the place of a line, from 0, the speaker who says it after all.

    Raises:
        ValueError: as `carry_out`.
    """
    device = device_named(order.device)
    models = models_of(order, device)
    media = Media.opened(order.media) if order.media is not None else None
    transcript = _transcript(order, media, device, watcher)
    if transcript is None:
        return None
    written, names = _with_line_names(transcript, line_names or {}), names or {}
    corpus = _corpus(order, _renamed(written, names), media, models)
    reading = Reading(
        corpus=corpus,
        media=media,
        origins=models[0].features,
        run=order.run,
        folder=order.out / FEATURES,
        device=device,
        workers=order.workers,
        overwrite=order.overwrite,
    )
    wanted = tuple(m for m in Modality if any(m in model.modalities for model in models))
    first = tuple(m for m in wanted if m is Modality.VIDEO and order.guess_speakers)
    read = read_features_of(reading, first, watcher)  # who speaks is a part of what words are read with
    guesses: Sequence[Guess] = ()
    if order.guess_speakers and not read.stopped:
        from pipelines.predict.speakers import name_speakers  # imports the face network: not for those named

        crops = reading.folder / corpus.name / "crops"
        named = name_speakers(written, corpus, read, crops=crops, device=device)
        written, guesses = named.transcript, named.guesses
        corpus = _corpus(order, _renamed(written, names), media, models)
        reading = replace(reading, corpus=corpus)
    if not read.stopped:
        read = read.with_more(read_features_of(reading, tuple(m for m in wanted if m not in first), watcher))
    if read.stopped:
        return None
    notes = (*(media.notes if media else ()), *written.notes, *read.notes)
    return Predicted(
        timeline=_marked(_timeline(corpus, models, read, notes), guesses),
        media=media,
        by=_told(models),
        features=reading.folder / corpus.name,
        speakers=Counter(line.speaker for line in written.lines),
        attended=_attended(corpus, models, read),
        errors=read.errors,
    )


def write_timeline(out: Path, predicted: Predicted, *, film: str | None = None) -> None:
    """Write the four files.

    Args:
        film: where the page finds the recording, as a path relative to it; None: where it lies.

    Raises:
        DiskError: the disk is full or refuses.
    """
    timeline = predicted.timeline
    if film is None and predicted.media is not None:
        film = beside(predicted.media.path, out)
    page = timeline_page(
        timeline,
        predicted.media,
        attended=predicted.attended,
        film=film,
        features=predicted.features,
        run=predicted.by,
    )
    write_aside(out / PAGE, page.encode())
    write_aside(out / CSV, timeline.csv().encode())
    write_aside(out / JSON, timeline.json().encode())
    write_aside(out / VTT, timeline.webvtt().encode())


def models_of(order: PredictionOrder, device: str) -> list[EmotionModel]:
    """Those asked for, else all of the run; the student last, for it is the one that is shown.

    Raises:
        RunError: there is no such run or model, or it does not say how its features were made.
    """
    names = order.models or read_record(order.run).get("models", [None])  # of no run it is said which it is
    models = [load_model(order.run, model=name, seed=order.seed).to(device) for name in dict.fromkeys(names)]
    if not models[0].features:
        raise RunError(
            f"{order.run} does not say how its features were made, as runs of before 0.2.0; train it again"
        )
    return sorted(models, key=lambda model: model.name == "student")


def _told(models: Sequence[EmotionModel]) -> str:
    origin = models[-1].origin
    names = " and ".join(model.name for model in models)
    return f"What {names} say, trained on {origin.corpus}, seed {origin.seed}; they had no truth to see here"


def _transcript(
    order: PredictionOrder, media: Media | None, device: str, watcher: Watcher
) -> Transcript | None:
    """What is said, as written or as heard; None if the user stopped the listening."""
    if order.transcript is not None and order.asr:
        raise TranscriptError("--transcript says what is said, and --asr would hear it; give one of them")
    if order.transcript is not None:
        return read_transcript(order.transcript)
    if not order.asr:
        raise TranscriptError(
            f"what is said? Give --transcript FILE ({', '.join(SUFFIXES)}), or --asr to have it heard"
        )
    if media is None:
        raise TranscriptError("--asr has nothing to listen to; give a recording")
    return listened(order, media, device, watcher)


def _with_line_names(transcript: Transcript, line_names: Mapping[int, str]) -> Transcript:
    lines = (
        replace(line, speaker=line_names.get(place, line.speaker))
        for place, line in enumerate(transcript.lines)
    )
    return replace(transcript, lines=tuple(lines))


def _renamed(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    lines = (replace(line, speaker=names.get(line.speaker, line.speaker)) for line in transcript.lines)
    return replace(transcript, lines=tuple(lines))


def _corpus(
    order: PredictionOrder, transcript: Transcript, media: Media | None, models: Sequence[EmotionModel]
) -> Corpus:
    named = order.media or transcript.path or Path("recording")
    return conversation(
        transcript,
        media,
        labels=models[0].labels,
        name=UNFIT_FOR_A_FOLDER.sub("-", named.stem).strip(".-") or "recording",
        most_utterances=min(model.longest_dialogue for model in models),
        pause_seconds=order.pause_seconds,
    )


def _timeline(corpus: Corpus, models: Sequence[EmotionModel], read: Read, notes: Sequence[str]) -> Timeline:
    utterances = [clip.utterance for clip in corpus.clips]
    able, left_out = [], []
    for model in models:
        if known := _known(model, read):
            able.append((model.name, model.predict(utterances, known)))
        else:
            left_out.append(f"the {model.name} reads {', '.join(model.modalities)}: nothing of it is here")
    if not able:
        raise RunError(f"{'; '.join(left_out)}; give a recording, a transcript, or another run")
    return Timeline(
        labels=models[0].labels,
        models=tuple(name for name, _ in able),
        rows=[_said(row, utterances[row], able, read) for row in range(len(utterances))],
        notes=(*notes, *left_out),
    )


def _known(model: EmotionModel, read: Read) -> dict[Modality, NDArray[np.float32]]:
    """What there is of what a model reads."""
    return {m: vectors for m, vectors in read.vectors.items() if m in model.modalities and vectors.any()}


def _attended(
    corpus: Corpus, models: Sequence[EmotionModel], read: Read
) -> dict[str, Mapping[str, Attended]]:
    """Of those models that read anything and tell what they attended to."""
    utterances = [clip.utterance for clip in corpus.clips]
    told = {m.name: m.attention(utterances, known) for m in models if (known := _known(m, read))}
    return {name: attended for name, attended in told.items() if attended is not None}


def _marked(timeline: Timeline, guesses: Sequence[Guess]) -> Timeline:
    """The same with what was guessed of the speakers; none: nothing was."""
    if not guesses:
        return timeline
    rows = [
        replace(row, speaker_guessed=guess.is_guessed)
        for row, guess in zip(timeline.rows, guesses, strict=True)
    ]
    return replace(timeline, rows=rows)


def _said(
    row: int, utterance: Utterance, able: Sequence[tuple[str, NDArray[np.float32]]], read: Read
) -> Said:
    return Said(
        utterance=utterance,
        probabilities={name: probabilities[row] for name, probabilities in able},
        statuses={modality: statuses[row] for modality, statuses in read.statuses.items()},
    )
