"""The process that predicts may die, hang or be stopped: the next question is answered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pipelines.serve import predictor
from pipelines.serve.messages import DIED, GONE, TOO_SLOW, Refused
from pipelines.serve.predictor import Predictor
from pipelines.serve.questions import Answer, Question, Refusal, Setting, Stage

SETTING = Setting(
    run=Path("run"),
    device="cpu",
    workers=0,
    asr_model=None,
    guesses_speakers=False,
    most_seconds=60,
    most_lines=60,
)


def obeys(_: Setting, questions: Connection) -> None:
    """Stands in for the process: does what the name of the recording says."""
    os.setpgid(0, 0)
    questions.send(Stage("ready"))
    while True:
        question = questions.recv()
        match question.recording.stem:
            case "dies":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "sleeps":
                questions.send(Stage("reading", 1, 2))
                time.sleep(600)
            case "refuses":
                questions.send(Refusal("no"))
            case _:
                questions.send(Answer(speakers={str(os.getpid()): 1}))


def refuses_to_start(_: Setting, questions: Connection) -> None:
    """Stands in for the process of a run that is none."""
    questions.send(Refusal("x holds no run"))


def ends_at_once(_: Setting, __: Connection) -> None:
    """Stands in for a broken installation."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Predictor]:
    monkeypatch.setattr(predictor, "_start", obeys)
    with Predictor(SETTING, work_seconds=600) as made:
        yield made


def ask(made: Predictor, what: str, *, stop: bool = False) -> int:
    """The process that answered."""
    shown: list[Stage] = []
    question = Question(recording=Path(what), transcript=None, out=Path("out"))
    answer = made.ask(question, show=shown.append, should_stop=lambda: stop and len(shown) > 1)
    return int(next(iter(answer.speakers)))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_process_answers_question_after_question(asked: Predictor) -> None:
    assert ask(asked, "answers") == ask(asked, "answers") != os.getpid()
    with pytest.raises(Refused, match="^no$"):
        ask(asked, "refuses")


def test_a_recording_that_kills_the_process_costs_one_answer(asked: Predictor) -> None:
    first = ask(asked, "answers")
    with pytest.raises(Refused, match=DIED):
        ask(asked, "dies")
    assert ask(asked, "answers") != first


def test_a_question_whose_page_is_closed_is_broken_off(asked: Predictor) -> None:
    first = ask(asked, "answers")
    with pytest.raises(Refused, match=GONE):
        ask(asked, "sleeps", stop=True)
    assert not is_running(first)
    assert is_running(ask(asked, "answers"))


def test_one_that_takes_too_long_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "_start", obeys)
    with Predictor(SETTING, work_seconds=0.1) as made, pytest.raises(Refused, match=TOO_SLOW):
        ask(made, "sleeps")


def test_the_process_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "_start", obeys)
    with Predictor(SETTING, work_seconds=600) as made:
        process = ask(made, "answers")
    assert not is_running(process)


@pytest.mark.parametrize(
    ("start", "told"), [(refuses_to_start, "holds no run"), (ends_at_once, "ended as it began")]
)
def test_a_run_that_cannot_be_used_is_told_before_anything_is_served(
    monkeypatch: pytest.MonkeyPatch, start: object, told: str
) -> None:
    monkeypatch.setattr(predictor, "_start", start)
    with pytest.raises(ValueError, match=told), Predictor(SETTING, work_seconds=1):
        pass
