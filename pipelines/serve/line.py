"""The line: predictions are made one after the other, in the order in which they were asked for.

A thread of its own does them, so that whoever asked may go away without standing in anybody's way: of a talk
that is closed the turn is passed over, or broken off.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.serve.messages import GONE, Refused
from pipelines.serve.questions import Answer, Question, Stage
from pipelines.serve.talks import Talk, Talks

LOGGER = logging.getLogger("pipelines.serve")


class Predicts(Protocol):
    """What answers a question, one at a time."""

    def ask(
        self, question: Question, *, show: Callable[[Stage], None], should_stop: Callable[[], bool]
    ) -> Answer:
        """Answer it.

        Raises:
            Refused: the user is told why not.
        """


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """A question in the line.

    Args:
        stage: what is being done, once it is its turn.
        answer, refusal: one of them, once it is over.
    """

    talk: Talk
    question: Question
    stage: Stage | None = None
    answer: Answer | None = None
    refusal: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class Line:
    """The line of a server; `close` ends it."""

    def __init__(self, predictor: Predicts, talks: Talks) -> None:
        self._predictor, self._talks = predictor, talks
        self._waiting: deque[Turn] = deque()
        self._under_way: Turn | None = None
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="line", daemon=True)
        self._thread.start()

    def join(self, talk: Talk) -> Turn:
        """Ask for a prediction of what the talk was given, with the names that its user gave.

        Raises:
            Refused: too many wait, the talk is being read already, or it is gone.
        """
        with self._changed:
            most = self._talks.limits.most_waiting
            waiting = sum(not turn.talk.is_closed for turn in self._waiting)
            if self._is_closed or (self._under_way is not None and waiting >= most):
                raise Refused(f"{_told(waiting)} already, which is as many as may; try again in some minutes")
            self._talks.begin(talk)
            given = talk.given
            question = Question(
                recording=given.get("recording"),
                transcript=given.get("transcript"),
                out=talk.out,
                names=dict(talk.names),
                line_names=dict(talk.line_names),
            )
            turn = Turn(talk=talk, question=question)
            self._waiting.append(turn)
            self._changed.notify_all()
            return turn

    def before(self, turn: Turn) -> int:
        """How many are done before it; 0: it is its turn, or over."""
        with self._changed:
            if turn not in self._waiting:
                return 0
            ahead = [
                one for one in list(self._waiting)[: self._waiting.index(turn)] if not one.talk.is_closed
            ]
            return len(ahead) + (self._under_way is not None)

    def close(self) -> None:
        """Break off what is under way, and take nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            try:
                self._answer(turn)
            finally:
                with self._changed:
                    self._under_way = None
                self._talks.end(turn.talk)
                turn.over.set()

    def _next(self) -> Turn | None:
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                for turn in self._waiting:
                    turn.refusal = GONE
                    self._talks.end(turn.talk)
                    turn.over.set()
                return None
            self._under_way = self._waiting.popleft()
            return self._under_way

    def _answer(self, turn: Turn) -> None:
        def should_stop() -> bool:
            return turn.talk.is_closed or self._is_closed

        def show(stage: Stage) -> None:
            turn.stage = stage

        if should_stop():
            turn.refusal = GONE
            return
        try:
            turn.answer = self._predictor.ask(turn.question, show=show, should_stop=should_stop)
        except Refused as refused:
            turn.refusal = str(refused)


def _told(waiting: int) -> str:
    return (
        "one person waits" if waiting == 1 else f"{waiting} people wait" if waiting else "somebody is served"
    )
