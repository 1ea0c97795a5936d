"""The process that predicts: it alone opens what strangers gave, and may die of it.

It reads questions from a pipe and writes stages, then an answer or a refusal. What the user can mend is a
refusal; an error that nobody foresaw ends the process with its traceback in the server's log.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from extraction.run import Report
from extraction.transcripts import Media, read_transcript
from extraction.weights import speech_model
from pipelines.devices import device_named
from pipelines.predict.command import PredictionOrder
from pipelines.predict.run import models_of, predict, write_timeline
from pipelines.predict.watching import Watch
from pipelines.serve.limits import length_told
from pipelines.serve.messages import NO_SPACE, NOT_YOURS, Refused
from pipelines.serve.questions import FILM, Answer, Question, Refusal, Setting, SpokenLine, Stage
from pipelines.serve.sentences import sentence
from summer.corpus import Modality

LOGGER = logging.getLogger("pipelines.serve")
READ = {
    Modality.TEXT: "reading the words",
    Modality.AUDIO: "reading the sound",
    Modality.VIDEO: "reading the faces",
}


def answer_questions(setting: Setting, questions: Connection) -> None:
    """Say whether the run can be used, then answer until the server ends.

    The first word is a stage, or a refusal with the message for whoever starts the server.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        check(setting)
    except ValueError as error:
        questions.send(Refusal(str(error)))
        return
    questions.send(Stage("ready"))
    with contextlib.suppress(EOFError):  # the server has ended
        while True:
            question: Question = questions.recv()
            questions.send(answered(question, setting, Reporter(questions)))


def check(setting: Setting) -> None:
    """Load what every question needs.

    Raises:
        ValueError: no such run, device or weights; the message says how to mend it.
    """
    order = _order(setting, Question(recording=None, transcript=None, out=setting.run))
    models_of(order, device_named(setting.device))
    if setting.asr_model is not None:
        speech_model(setting.asr_model)


def answered(question: Question, setting: Setting, reporter: Reporter) -> Answer | Refusal:
    """Predict, and write page and timelines."""
    try:
        check_limits(question, setting)
        predicted = predict(
            _order(setting, question), reporter, names=question.names, line_names=question.line_names
        )
        if predicted is None:
            return Refusal(NOT_YOURS)  # nobody asks it to stop: it is ended
        reporter.connection.send(Stage("drawing the page"))
        write_timeline(question.out, predicted, film=FILM if question.recording else None)
    except ValueError as error:
        LOGGER.info("refused: %s", error)
        return Refusal(sentence(error, question.given))
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        LOGGER.info("refused: %s", error)
        return Refusal(sentence(error, question.given))
    for fault in predicted.errors:
        LOGGER.error("left undone: %s", fault)
    said = (row.utterance for row in predicted.timeline.rows)
    lines = tuple(SpokenLine(one.speaker, one.text) for one in said)
    return Answer(speakers=dict(predicted.speakers), lines=lines, is_whole=not predicted.errors)


def check_limits(question: Question, setting: Setting) -> None:
    """Look at the files before work goes into them.

    Raises:
        Refused: too long, or nothing says what is said.
        TranscriptError: one of them is not what it should be.
    """
    if not question.given:
        raise Refused("there is nothing to read; give a video, a sound file or a transcript")
    if question.recording is not None:
        media = Media.opened(question.recording)
        if media.seconds > setting.most_seconds:
            raise Refused(
                f"{media.path.name} lasts {length_told(media.seconds)}, and this server takes at most "
                f"{length_told(setting.most_seconds)}; give a piece of it"
            )
    if question.transcript is None:
        if setting.asr_model is None:
            raise Refused(
                "what is said? Give a transcript (.srt, .vtt, .csv or .json): this server does not listen "
                "by itself"
            )
        return
    lines = len(read_transcript(question.transcript).lines)
    if lines > setting.most_lines:
        raise Refused(
            f"{question.transcript.name} has {lines:,} lines, and this server takes at most "
            f"{setting.most_lines:,}; give a piece of it"
        )


def _order(setting: Setting, question: Question) -> PredictionOrder:
    heard: dict[str, Any] = {}
    if question.transcript is None and setting.asr_model is not None:
        heard = {"asr": True, "asr_model": setting.asr_model}
    return PredictionOrder(
        media=question.recording,
        transcript=question.transcript,
        run=setting.run,
        out=question.out,
        device=setting.device,
        workers=setting.workers,
        guess_speakers=setting.guesses_speakers,
        **heard,
    )


@dataclass(frozen=True, slots=True)
class Reporter:
    """Sends stages to the server."""

    connection: Connection

    @contextmanager
    def listening(self, minutes: float) -> Iterator[Watch]:
        """Minutes of the recording."""
        self.connection.send(Stage("listening", 0, minutes))
        yield self._watch("listening")

    @contextmanager
    def reading(self, modality: Modality) -> Iterator[Watch]:
        """Utterances."""
        self.connection.send(Stage(READ[modality]))
        yield self._watch(READ[modality])

    def was_read(self, modality: Modality, report: Report) -> None:
        """Faults of the program go to the log; all else stands in the page."""

    def _watch(self, doing: str) -> Watch:
        def show(done: float, total: float, _: int) -> None:
            self.connection.send(Stage(doing, done, total))

        return Watch(show=show, should_stop=lambda: False)


def _end_with_parent() -> None:
    """A killed server cannot end this process: it ends itself, whatever it is at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
