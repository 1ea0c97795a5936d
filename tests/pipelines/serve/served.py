"""A server for the time of a test, and a session of its page without a browser."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pipelines.serve.home import new_home
from pipelines.serve.limits import Limits
from pipelines.serve.line import Predicts
from pipelines.serve.messages import GONE, Refused
from pipelines.serve.questions import Answer, Question, SpokenLine, Stage
from pipelines.serve.run import address, check_extra, listening, served

SPEAKERS = ("Mira", "Mira", "Mira", "Mira", "")
PATIENCE_SECONDS = 600.0  # a machine with other work


class Parrot:
    """Predicts at once what the files are called; on being told, not before it may."""

    def __init__(self) -> None:
        self.began, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def ask(
        self, question: Question, *, show: Callable[[Stage], None], should_stop: Callable[[], bool]
    ) -> Answer:
        show(Stage("reading the words", 1, 2))
        self.began.set()
        while not self.may_answer.wait(0.02):
            if should_stop():
                raise Refused(GONE)
        if question.recording and question.recording.suffix == ".m3u8":
            raise Refused(f"{question.recording.name} is a playlist, <b>which</b> names other files")
        question.out.mkdir(exist_ok=True)
        told = ", ".join(path.name for path in question.given)
        speakers = [question.line_names.get(place, name) for place, name in enumerate(SPEAKERS)]
        shown = [SpokenLine(question.names.get(name, name), "Well:  hm") for name in speakers]
        for name in ("conversation.html", "timeline.csv", "timeline.json", "timeline.vtt"):
            (question.out / name).write_text(f"{name} of {told} with {dict(question.names)}")
        return Answer(speakers=Counter(speakers), lines=shown)


@contextmanager
def a_server(parent: Path, predictor: Predicts, limits: Limits | None = None) -> Iterator[str]:
    """Its address. What it kept below `parent` must be gone at the end."""
    check_extra()
    with (
        listening("127.0.0.1", 0) as door,
        new_home(parent) as home,
        served(door, home, limits or Limits(reserved_bytes=0), predictor, hears=False),
    ):
        yield address(door)
    assert list(parent.iterdir()) == []


class Visitor:
    """A page that is open, as Gradio's script talks to its server."""

    def __init__(self, address: str, session: str) -> None:
        self.session, self.heard = session, threading.Event()
        self.web = httpx.Client(base_url=address, timeout=PATIENCE_SECONDS)
        self.config: dict[str, Any] = self.web.get("/config").json()
        greeting = self.happens("load", [])[-1]
        self.token = greeting["data"][0].partition('data-talk="')[2].partition('"')[0]

    def give(self, kind: str, name: str, content: bytes) -> httpx.Response:
        return self.web.put(f"/talks/{self.token}/{kind}", params={"name": name}, content=content)

    def get(self, name: str) -> httpx.Response:
        return self.web.get(f"/talks/{self.token}/{name}")

    def happens(self, event: str, data: list[Any], *, which: int = 0) -> list[dict[str, Any]]:
        """All that the page is sent until the event is over; `which` of several buttons.

        Gradio sends what changes: only the first is whole.
        """
        places = [one["id"] for one in self.config["dependencies"] if event in [t[1] for t in one["targets"]]]
        self.heard.clear()
        joined = self.web.post(
            "/gradio_api/queue/join",
            json={"fn_index": places[which], "data": data, "session_hash": self.session},
        )
        assert joined.status_code == 200, joined.text
        outputs: list[dict[str, Any]] = []
        with self.web.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.session}
        ) as stream:
            for line in stream.iter_lines():
                said = json.loads(line.removeprefix("data: ") or "{}")
                if "output" in said:
                    outputs.append(said["output"])
                    self.heard.set()
                if said.get("msg") == "process_completed":
                    assert said["success"], said
                    return outputs
        raise AssertionError(f"{event} did not end")

    def reads(self) -> list[str]:
        """The button is pressed; everything that was sent, as text."""
        return [json.dumps(output) for output in self.happens("click", [])]

    def reads_again(self, lines: str, names: list[str]) -> list[str]:
        return [json.dumps(output) for output in self.happens("click", [lines, *names], which=1)]
