"""The whole server, spoken to as its page does: two users at once, names, errors, and nothing left behind."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from pipelines.serve.limits import Limits
from tests.pipelines.serve.served import PATIENCE_SECONDS, Parrot, Visitor, a_server

# Gradio 6.31 counts the events of its queue with what pandas 3 deprecates of pandas
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
Visit = Callable[[str], Visitor]
NAMES = ["Myra", *[""] * 23]
AS_SHOWN = "\n".join([*["Mira: Well: hm"] * 4, "?: Well: hm"])


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def address(home: Path, parrot: Parrot) -> Iterator[str]:
    with a_server(home, parrot, Limits(most_bytes=1000, most_waiting=1, reserved_bytes=0)) as address:
        yield address


@pytest.fixture
def visit(address: str) -> Iterator[Visit]:
    """Opens the page for somebody."""
    with ExitStack() as open_pages:

        def visited(name: str) -> Visitor:
            visitor = Visitor(address, name)
            open_pages.callback(visitor.web.close)
            return visitor

        yield visited


def kept(home: Path) -> list[str]:
    """The files of users."""
    return sorted(path.name for path in home.rglob("*") if path.is_file() and "talks" in path.parts)


def test_a_user_gives_files_and_gets_a_page_and_corrects_a_name(visit: Visit, home: Path) -> None:
    ann = visit("ann")
    assert ann.give("recording", "talk.mp4", b"film").status_code == 200
    ann.give("transcript", "words.vtt", b"WEBVTT")
    shown = ann.reads()
    assert f"talks/{ann.token}/conversation.html" in shown[-1]
    assert "Mira, 4 lines" in shown[-1]
    assert "(no name), 1 line" in shown[-1]
    assert ann.get("conversation.html").text == "conversation.html of talk.mp4, words.vtt with {}"
    assert ann.get("timeline.csv").text.startswith("timeline.csv of talk.mp4")
    ann.reads_again(AS_SHOWN, NAMES)
    assert "with {'Mira': 'Myra', '': ''}" in ann.get("conversation.html").text
    assert all(str(home) not in text for text in shown)


def test_a_line_is_another_speakers_whatever_speakers_are_called(visit: Visit) -> None:
    ann = visit("ann")
    ann.give("recording", "talk.mp4", b"film")
    ann.reads()
    shown = ann.reads_again(AS_SHOWN.replace("?: ", "Mira: ", 1).replace("Mira: ", "Bob: ", 1), NAMES)[-1]
    assert "Bob: Well: hm\\nMyra: Well: hm\\nMyra: Well: hm\\nMyra: Well: hm\\nMyra: Well: hm" in shown
    assert "Mira, 4 lines" in shown
    assert "Bob, 1 line" in shown
    assert "(no name)" not in shown


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("Mira: Well: hm", "there are 5 lines, and 1 came back"),
        (None, "line 2 is no longer `NAME: Well: hm`"),
        ("", "there are 5 lines, and 0 came back"),
    ],
)
def test_of_lines_nothing_is_changed_but_names(visit: Visit, typed: str | None, told: str) -> None:
    ann = visit("ann")
    ann.give("recording", "talk.mp4", b"film")
    ann.reads()
    if typed is None:
        typed = AS_SHOWN.replace("hm\nMira: Well", "hm\nMira Ill", 1)
    assert told in ann.reads_again(typed, NAMES)[-1]


def test_two_users_at_once_see_each_their_own_and_their_place_in_the_line(
    visit: Visit, parrot: Parrot
) -> None:
    ann, bob, eve = (visit(name) for name in ("ann", "bob", "eve"))
    for who in (ann, bob, eve):
        who.give("recording", "talk.mp4", who.session.encode())
    parrot.may_answer.clear()
    shown: dict[str, list[str]] = {}
    threads = []
    for who in (ann, bob):
        thread = threading.Thread(target=lambda who=who: shown.update({who.session: who.reads()}))
        thread.start()
        threads.append(thread)
        assert (parrot.began if who is ann else who.heard).wait(PATIENCE_SECONDS)
    assert "one person waits already" in eve.reads()[-1]
    parrot.may_answer.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert any("one recording is read before yours" in text for text in shown["bob"])
    assert not any("before yours" in text for text in shown["ann"])
    assert any("reading the words: 1 of 2" in text or "beginning" in text for text in shown["ann"])
    for who, other in ((ann, bob), (bob, ann)):
        assert who.get("recording").content == who.session.encode()
        assert other.token not in "".join(shown[who.session])


def test_a_page_that_is_closed_takes_everything_with_it(visit: Visit, home: Path) -> None:
    ann = visit("ann")
    with ann.web.stream("GET", "/gradio_api/heartbeat/ann") as beats:
        lines = beats.iter_lines()
        next(lines)
        ann.give("recording", "talk.mp4", b"film")
        ann.reads()
        assert "talk.mp4" in kept(home)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while kept(home):
        assert time.monotonic() < deadline, kept(home)
        time.sleep(0.1)
    assert ann.get("conversation.html").status_code == 404
    assert "no longer on the server" in ann.reads()[-1]


def test_errors_are_sentences_in_which_words_of_the_user_are_no_markup(visit: Visit) -> None:
    ann = visit("ann")
    ann.give("recording", "<b>list.m3u8", b"#EXTM3U")
    said = ann.reads()[-1]
    assert "blist.m3u8 is a playlist, &lt;b&gt;which&lt;/b&gt; names other files" in said
    assert "Traceback" not in said
    too_large = ann.give("recording", "long.mp4", b"x" * 1001)
    assert too_large.status_code == 413


def test_the_page_asks_for_nothing_from_elsewhere_and_tells_no_place(address: str, home: Path) -> None:
    with httpx.Client(base_url=address) as web:
        for path in ("/", "/config", "/theme.css"):
            text = web.get(path).text
            assert str(home) not in text
            assert str(Path.cwd()) not in text
        assert not re.search(r"""(?:src|href)=["']https?://(?!127\.0\.0\.1)""", web.get("/").text)
        assert "fonts.googleapis.com" not in web.get("/theme.css").text
        for path in ("/gradio_api/info", "/gradio_api/file=/etc/passwd", "/monitoring", "/docs"):
            assert web.get(path).status_code == 404
        assert web.post("/gradio_api/upload", files={"files": b"x"}).status_code == 404
