"""What the page does for whichever session asks: each of its events, and what then stands where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr

from pipelines.serve import view
from pipelines.serve.line import Line, Turn
from pipelines.serve.messages import Refused
from pipelines.serve.questions import Answer, Stage
from pipelines.serve.talks import Talk, Talks

MOST_NAMES = 24  # that can be corrected: of those who say most
MOST_NAME_LETTERS = 60
SECONDS_BETWEEN_LOOKS = 0.4


class Sessions:
    """The events of the page. Those that change it yield, each time, what is to stand in

        status, result, read, again, naming, *names

    Args:
        hears: words are heard where there is no transcript.
    """

    def __init__(self, talks: Talks, line: Line, *, hears: bool) -> None:
        self._talks, self._line, self._hears = talks, line, hears

    def greet(self, request: gr.Request) -> str:
        """A page is loaded: places for its files."""
        talk = self._talks.opened(request.session_hash or "")
        return view.places_for_files(talk, self._talks.limits, hears=self._hears)

    def leave(self, request: gr.Request) -> None:
        """A page is closed: everything of it goes."""
        self._talks.close_session(request.session_hash)

    async def read(self, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Predict what was given."""
        async for shown in self._predicted(request, None):
            yield shown

    async def read_again(self, request: gr.Request, *names: str) -> AsyncIterator[list[Any]]:
        """Predict it with the names that were typed."""
        async for shown in self._predicted(request, names):
            yield shown

    async def _predicted(
        self, request: gr.Request, typed: tuple[str, ...] | None
    ) -> AsyncIterator[list[Any]]:
        try:
            talk = self._talks.of_session(request.session_hash)
            if typed is not None:
                talk.names.update(corrected(talk.speakers, typed))
            turn = self._line.join(talk, talk.names)
        except Refused as refused:
            yield shown(view.refused(str(refused)))
            return
        told = ""
        while not turn.over.is_set():
            if (now := self._told(turn)) != told:
                told = now
                yield shown(told, is_busy=True)
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        if turn.answer is not None:
            yield self._with_answer(talk, turn.answer)
            return
        status, result, *others = shown(view.refused(turn.refusal))
        yield [status, result if talk.speakers else "", *others]  # what was said of other files goes

    def _told(self, turn: Turn) -> str:
        before = self._line.before(turn)
        return view.waiting(before) if before else view.under_way(turn.stage or Stage("beginning"))

    def _with_answer(self, talk: Talk, answer: Answer) -> list[Any]:
        ordered = sorted(answer.speakers, key=lambda name: -answer.speakers[name])
        talk.speakers = tuple(ordered[:MOST_NAMES])
        boxes = [
            gr.update(
                visible=True, value=talk.names.get(name, name), label=_label(name, answer.speakers[name])
            )
            for name in talk.speakers
        ]
        boxes += [gr.update(visible=False)] * (MOST_NAMES - len(boxes))
        done = shown(view.said("done: the conversation is below"))
        return [done[0], view.result(talk, answer), *done[2:4], gr.update(visible=True), *boxes]


def corrected(speakers: tuple[str, ...], typed: tuple[str, ...]) -> Mapping[str, str]:
    """What the speakers are really called; a name that was emptied is left as it was in the transcript."""
    names = (" ".join(name.split())[:MOST_NAME_LETTERS] for name in typed)
    return {speaker: name or speaker for speaker, name in zip(speakers, names, strict=False)}


def shown(status: str, *, is_busy: bool = False) -> list[Any]:
    """A status, with all else as it is; while it is busy the buttons can not be pressed."""
    button = gr.update(interactive=not is_busy)
    return [status, gr.update(), button, button, *[gr.update()] * (1 + MOST_NAMES)]


def _label(name: str, lines: int) -> str:
    return f"{name or '(no name)'}, {lines} {'line' if lines == 1 else 'lines'}"
