"""The page that `summer-predict` writes, in a real Chromium: film, words, what models say and looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import opened
from tests.browser.looks import wait_until


@pytest.mark.parametrize("width", [360, 1440])
def test_the_film_is_played_from_an_utterance_and_says_what_is_said(predicted: Path, width: int) -> None:
    with opened(predicted, width=width) as tab:
        wait_until(tab, "document.querySelector('video').readyState > 0")
        assert tab.locator("video").evaluate("one => one.error") is None
        tab.locator(".conversations li").nth(1).get_by_role("button", name="Play from 0:00").press("Enter")
        wait_until(tab, "document.querySelector('[aria-current]') !== null")
        assert tab.locator(".now").inner_text().startswith("BEN: ")
        assert tab.locator("[aria-current] .words").inner_text() == "You did."


def test_each_utterance_has_sound_two_models_and_what_they_looked_at(predicted: Path) -> None:
    with opened(predicted) as tab:
        for item in tab.locator(".conversations li").all():
            assert item.locator("svg.sound").count() == 1
            assert item.locator(".says > div").count() == 2
            item.get_by_text("attention", exact=True).press("Enter")
            item.locator("caption").first.wait_for()
            names = item.locator("caption").all_inner_texts()
            assert names == ["What the teacher looked at", "What the student looked at"]
            shares = item.locator("table").last.locator("tbody td:last-child").all_inner_texts()
            assert all(0 <= float(share.removesuffix(" %")) <= 100 for share in shares)


def test_subtitles_lie_beside_the_page(predicted: Path) -> None:
    subtitles = (predicted.parent / "timeline.vtt").read_text(encoding="utf-8")
    assert subtitles.startswith(
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\n<v ADA>I said that I would come.\n["
    )
    assert subtitles.count(" --> ") == 3
