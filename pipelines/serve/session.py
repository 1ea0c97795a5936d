"""What the page does for whichever session asks: each of its events, and what then stands where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import gradio as gr

from pipelines.serve import view
from pipelines.serve.line import Line, Turn
from pipelines.serve.messages import Refused
from pipelines.serve.questions import Answer, SpokenLine, Stage
from pipelines.serve.talks import Talk, Talks

MOST_NAMES = 24  # that can be corrected: of those who say most
MOST_NAME_LETTERS = 60
NOBODY, BETWEEN = "?", ": "  # how a line is shown: a name, or nobody known, before the words
SECONDS_BETWEEN_LOOKS = 0.4


class Sessions:
    """The events of the page. Those that change it yield, each time, what is to stand in

        status, result, read, again, naming, lines, *names

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

    async def read_again(self, request: gr.Request, lines: str, *names: str) -> AsyncIterator[list[Any]]:
        """Predict it with the names that were typed, of speakers and before single lines."""
        async for shown in self._predicted(request, (lines, names)):
            yield shown

    async def _predicted(
        self, request: gr.Request, typed: tuple[str, tuple[str, ...]] | None
    ) -> AsyncIterator[list[Any]]:
        try:
            talk = self._talks.of_session(request.session_hash)
            if typed is not None:
                lines, names = typed
                talk.line_names.update(corrected_lines(talk.lines, lines, talk.names))
                talk.names.update(corrected(talk.speakers, names))
            turn = self._line.join(talk)
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
        talk.speakers, talk.lines = tuple(ordered[:MOST_NAMES]), answer.lines
        boxes = [
            gr.update(
                visible=True, value=talk.names.get(name, name), label=_label(name, answer.speakers[name])
            )
            for name in talk.speakers
        ]
        boxes += [gr.update(visible=False)] * (MOST_NAMES - len(boxes))
        done = shown(view.said("done: the conversation is below"))
        return [
            done[0],
            view.result(talk, answer),
            *done[2:4],
            gr.update(visible=True),
            as_typed(talk.lines),
            *boxes,
        ]


def corrected(speakers: tuple[str, ...], typed: tuple[str, ...]) -> Mapping[str, str]:
    """What the speakers are really called; a name that was emptied is left as it was in the transcript."""
    names = (_on_one_line(name)[:MOST_NAME_LETTERS] for name in typed)
    return {speaker: name or speaker for speaker, name in zip(speakers, names, strict=False)}


def as_typed(lines: Sequence[SpokenLine]) -> str:
    """Lines as they stand in the page, to be corrected: `NAME: words`."""
    return "\n".join(f"{line.speaker or NOBODY}{BETWEEN}{_on_one_line(line.words)}" for line in lines)


def corrected_lines(lines: Sequence[SpokenLine], typed: str, names: Mapping[str, str]) -> Mapping[int, str]:
    """By place, who says a line after all: of those whose name is another than was shown.

    Args:
        names: what speakers of the transcript are called now; whoever types such a name means that speaker.

    Raises:
        Refused: something else was changed than a name.
    """
    rows = typed.strip().splitlines()
    if len(rows) != len(lines):
        raise Refused(f"there are {len(lines)} lines, and {len(rows)} came back; change the names alone")
    speakers = {called: speaker for speaker, called in names.items()}
    changed = {}
    for place, (line, row) in enumerate(zip(lines, rows, strict=True)):
        words = _on_one_line(line.words)
        name = row.strip().removesuffix(words).rstrip()
        if not row.strip().endswith(words) or not name.endswith(BETWEEN.strip()):
            raise Refused(f"line {place + 1} is no longer `NAME: {words}`; change the names alone")
        name = _name_in(name.removesuffix(BETWEEN.strip()))
        if name != line.speaker:
            changed[place] = speakers.get(name, name)
    return changed


def _name_in(typed: str) -> str:
    name = _on_one_line(typed)[:MOST_NAME_LETTERS]
    return "" if name == NOBODY else name


def _on_one_line(words: str) -> str:
    return " ".join(words.split())


def shown(status: str, *, is_busy: bool = False) -> list[Any]:
    """A status, with all else as it is; while it is busy the buttons can not be pressed."""
    button = gr.update(interactive=not is_busy)
    return [status, gr.update(), button, button, *[gr.update()] * (2 + MOST_NAMES)]


def _label(name: str, lines: int) -> str:
    return f"{name or '(no name)'}, {lines} {'line' if lines == 1 else 'lines'}"
