"""`summer-serve` in a real Chromium: files in, a conversation out, a name corrected, errors."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import CHROMIUM, PATIENCE_MS
from tests.browser.looks import grave_findings, is_within
from tests.pipelines.serve.small_run import small_run
from tests.places import DEMO, REPOSITORY

Colours = Literal["light", "dark"]
FILM, WORDS = DEMO / "conversation.mp4", DEMO / "conversation.vtt"
expect.set_options(timeout=PATIENCE_MS)
LIMITS = ("--most-megabytes", "5", "--most-minutes", "1", "--workers", "0", "--device", "cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TMPDIR of the server."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as a user starts it; Ctrl-C ends it, and nothing is left behind."""
    run = small_run(tmp_path_factory.mktemp("run"))
    program = "from pipelines.serve.command import main; main()"
    typed = [sys.executable, "-c", program, "--run", str(run), "--port", "0", *LIMITS]
    environment = {**os.environ, "TMPDIR": str(home), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        typed, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            yield re.findall(r"http://127\.0\.0\.1:\d+/", said)[0]
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE_MS / 1000) == 130
            assert list(home.iterdir()) == []
        finally:
            server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield found
        found.close()


@contextlib.contextmanager
def visited(
    browser: Browser, address: str, *, width: int = 1440, colours: Colours = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """The page, and what it asked of other machines or complained of."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours)
    context.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    context.on("request", lambda one: complaints.append(one.url) if is_elsewhere(one.url, address) else None)
    tab = context.new_page()
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(address)
    tab.locator("#give-recording").wait_for()
    yield tab, complaints
    context.close()


def is_elsewhere(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", "about:"))


def give(tab: Page, kind: str, path: Path | dict[str, object]) -> None:
    tab.locator(f"#give-{kind}").set_input_files(path)  # type: ignore[arg-type]


def read(tab: Page) -> None:
    """Press the button and wait for the conversation."""
    tab.get_by_role("button", name="Read it").press("Enter")
    tab.locator("#result iframe").wait_for()
    tab.frame_locator("#result iframe").locator("li").first.wait_for()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_a_recording_becomes_a_conversation_in_which_a_name_is_corrected(
    address: str, browser: Browser, home: Path, pictures: Path, width: int, colours: Colours
) -> None:
    with visited(browser, address, width=width, colours=colours) as (tab, complaints):
        tab.screenshot(path=pictures / f"serve-empty-{width}-{colours}.png", full_page=True)
        assert grave_findings(tab) == []
        give(tab, "recording", FILM)
        give(tab, "transcript", WORDS)
        expect(tab.locator("#told-recording")).to_contain_text("conversation.mp4 is there")
        expect(tab.locator("#told-transcript")).to_contain_text("conversation.vtt is there")
        read(tab)
        frame = tab.frame_locator("#result iframe")
        film = frame.locator("video")
        expect(film).to_have_count(1)
        subtitles = "one => [...one.textTracks[0].cues].map(cue => cue.text)"
        cues = film.evaluate(subtitles)
        assert "Mira: Could you hold the ladder?" in cues[0]
        assert re.search(r"\[\w+ \d+ %\]$", cues[0])
        assert film.evaluate("one => one.textTracks[0].mode") == "showing"
        film.evaluate(
            "one => new Promise(done => { if (one.readyState) done(); else one.onloadedmetadata = done; })"
        )
        assert film.evaluate("one => one.error") is None
        film.evaluate("one => { one.currentTime = 0.7; }")
        tab.screenshot(path=pictures / f"serve-result-{width}-{colours}.png", full_page=True)
        tab.locator("#result iframe").scroll_into_view_if_needed()
        tab.wait_for_timeout(500)
        tab.screenshot(path=pictures / f"serve-conversation-{width}-{colours}.png")
        assert is_within(tab)
        assert grave_findings(tab) == []
        tab.get_by_label("Mira, 3 lines").fill("Myra <i>")
        tab.get_by_role("button", name="Ask again with these names").press("Enter")
        expect(frame.locator(".who strong").first).to_have_text("Myra <i>")
        tab.get_by_role("button", name="Who says which line?").press("Enter")
        lines = tab.get_by_label(re.compile("Change the name before the words"))
        typed = lines.input_value().splitlines()
        assert typed[0] == "Myra <i>: Could you hold the ladder?"
        lines.fill("\n".join([typed[0].replace("Myra <i>", "June"), *typed[1:]]))
        tab.screenshot(path=pictures / f"serve-lines-{width}-{colours}.png", full_page=True)
        assert grave_findings(tab) == []
        tab.get_by_role("button", name="Ask again with these names").press("Enter")
        expect(frame.locator(".who strong").first).to_have_text("June")
        assert complaints == []
        assert str(home) not in tab.content()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Table (CSV)").click()
        assert download.value.suggested_filename == "conversation-timeline.csv"
        assert "Myra <i>" in Path(download.value.path()).read_text(encoding="utf-8")


def test_what_is_wrong_is_told_in_a_sentence(
    address: str, browser: Browser, pictures: Path, tmp_path: Path
) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n/etc/passwd\n")
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(6_000_000)
    with visited(browser, address, width=360) as (tab, _):
        give(tab, "recording", large)
        expect(tab.locator("#told-recording")).to_have_text(
            "large.mp4 has 6 MB, and this server takes at most 5 MB; cut it, or save it smaller"
        )
        tab.get_by_role("button", name="Read it").click()
        expect(tab.locator("#status .wrong")).to_have_text(
            "there is nothing to read; give a video, a sound file or a transcript"
        )
        give(tab, "recording", playlist)
        give(tab, "transcript", WORDS)
        expect(tab.locator("#told-transcript")).to_contain_text("is there")
        tab.get_by_role("button", name="Read it").click()
        expect(tab.locator("#status .wrong")).to_have_text(
            "list.mp4 is a playlist, which names other files; give the recording itself"
        )
        tab.screenshot(path=pictures / "serve-wrong-360.png", full_page=True)
        assert grave_findings(tab) == []
        tab.get_by_role("button", name="Take it back").first.press("Enter")
        expect(tab.locator("#told-recording")).to_have_text("taken back")


def test_a_page_that_is_closed_leaves_nothing(address: str, browser: Browser, home: Path) -> None:
    with visited(browser, address) as (tab, _):
        give(tab, "transcript", WORDS)
        expect(tab.locator("#told-transcript")).to_contain_text("is there")
        assert list(home.rglob("conversation.vtt"))
    deadline = PATIENCE_MS / 1000
    with visited(browser, address) as (tab, _):
        while list(home.rglob("conversation.vtt")) and deadline > 0:
            tab.wait_for_timeout(500)
            deadline -= 0.5
    assert not list(home.rglob("conversation.vtt"))
