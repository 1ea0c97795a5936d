"""The server's side of the process that predicts: started once, started again when it died or was stopped.

A recording that crashes a decoder, takes all memory or never ends costs the one who gave it an answer, and
nobody else anything. Models, imports and device are there from the second question on.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType

from pipelines.serve.messages import DIED, GONE, TOO_SLOW, Refused
from pipelines.serve.questions import Answer, Question, Refusal, Setting, Stage

LOGGER = logging.getLogger("pipelines.serve")
SECONDS_BETWEEN_LOOKS = 0.2


class Predictor:
    """Answers one question at a time; a context manager, at whose end the process is gone.

    Args:
        work_seconds: most time for one question.
    """

    def __init__(self, setting: Setting, *, work_seconds: float) -> None:
        self._setting, self._work_seconds = setting, work_seconds
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Predictor:
        """Start the process.

        Raises:
            ValueError: the run cannot be used; the message says why.
        """
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._end)
            self._started()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, whatever it is at."""
        self._end()

    def ask(
        self, question: Question, *, show: Callable[[Stage], None], should_stop: Callable[[], bool]
    ) -> Answer:
        """Have a question answered.

        Raises:
            Refused: the user is told why not.
        """
        show(Stage("beginning"))
        try:
            connection = self._started()
        except ValueError as error:
            LOGGER.error("the process that predicts cannot start again: %s", error)
            raise Refused(DIED) from error
        try:
            connection.send(question)
            return self._answer(connection, show, should_stop)
        except (EOFError, OSError) as error:
            LOGGER.error("the process that predicts has ended; its own message, if any, stands above")
            self._end()
            raise Refused(DIED) from error

    def _answer(
        self, connection: Connection, show: Callable[[Stage], None], should_stop: Callable[[], bool]
    ) -> Answer:
        latest = time.monotonic() + self._work_seconds
        while True:
            if connection.poll(SECONDS_BETWEEN_LOOKS):
                said = connection.recv()
                if isinstance(said, Answer):
                    return said
                if isinstance(said, Refusal):
                    raise Refused(said.message)
                show(said)
            if should_stop():
                self._end()
                raise Refused(GONE)
            if time.monotonic() > latest:
                self._end()
                raise Refused(TOO_SLOW)

    def _started(self) -> Connection:
        """The pipe of a process that is ready."""
        if self._connection is not None and self._process is not None and self._process.is_alive():
            return self._connection
        self._end()
        context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_start, args=(self._setting, theirs), name="predictor")
        self._process.start()
        theirs.close()
        try:
            first = self._connection.recv()
        except EOFError as error:
            self._end()
            raise ValueError(
                "the process that predicts ended as it began; its own message stands above"
            ) from error
        if isinstance(first, Refusal):
            self._end()
            raise ValueError(first.message)
        return self._connection

    def _end(self) -> None:
        """End the process and those that it started."""
        if self._process is not None and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _start(setting: Setting, questions: Connection) -> None:
    os.setpgid(0, 0)  # a group of its own: Ctrl-C is for the server, which ends the whole group
    from pipelines.console import command_errors
    from pipelines.serve.child import answer_questions  # imports torch, which the server does without

    with command_errors():  # sets up the log
        answer_questions(setting, questions)
