"""The conversation view at work in a real Chromium: filters, keyboard, film."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from summer.evaluation.predictions import Predictions
from summer.report.conversation import conversation_page
from summer.runs.reading import read_run
from tests.browser.chromium import opened
from tests.browser.looks import wait_until
from tests.pipelines.report.made_up_report import made_corpus
from tests.summer.report.conversation.made_up_talk import conversation


@pytest.fixture(scope="session")
def student(report: Path) -> Predictions:
    """What the run says of the split that is shown first."""
    found = read_run(report.parent / "tiny").predictions
    return next(one for one in found if one.model == "student" and one.split == "test")


def ids(tab: Page) -> list[str]:
    """The utterances that are shown."""
    while (more := tab.locator("button.more")).count():
        more.click()
    return tab.locator(".conversations li").evaluate_all("all => all.map((one) => one.dataset.id)")


def test_the_test_split_is_shown_first_and_all_of_it(report: Path, student: Predictions) -> None:
    with opened(report) as tab:
        assert sorted(ids(tab)) == sorted(student.ids)


def test_errors_are_those_that_the_predictions_have(report: Path, student: Predictions) -> None:
    wrong = [name for name, a, b in zip(student.ids, student.truths, student.guesses, strict=True) if a != b]
    with opened(report) as tab:
        tab.get_by_label("Only").select_option("wrong")
        assert sorted(ids(tab)) == sorted(wrong)
        told = f"{len(wrong)} of {len(student.ids)} utterances" if wrong else "No utterance is like that."
        assert told in tab.locator(".found").inner_text()
        tab.get_by_label("Only").select_option("right")
        assert sorted(ids(tab)) == sorted(set(student.ids) - set(wrong))


def test_confidence_counts_the_highest_probability(report: Path, student: Predictions) -> None:
    unsure = [
        name for name, shares in zip(student.ids, student.probabilities, strict=True) if shares.max() <= 0.6
    ]
    with opened(report) as tab:
        tab.get_by_label("Confidence at most").fill("60")
        assert sorted(ids(tab)) == sorted(unsure)


def test_speaker_emotion_and_words_narrow_what_is_shown(report: Path, student: Predictions) -> None:
    of_test = {one.id: one for one in made_corpus().utterances if one.id in student.ids}
    speaker = next(iter(of_test.values())).speaker
    with opened(report) as tab:
        tab.get_by_role("combobox", name="Speaker").select_option(label=speaker)
        assert set(ids(tab)) == {name for name, one in of_test.items() if one.speaker == speaker}
        tab.get_by_role("searchbox", name="Words").fill("PLAINLY")
        assert set(ids(tab)) == {
            name for name, one in of_test.items() if one.speaker == speaker and "plainly" in one.text
        }
        tab.get_by_role("searchbox", name="Words").fill("")
        tab.get_by_role("combobox", name="Speaker").select_option("")
        tab.get_by_role("combobox", name="Emotion").select_option("joy")
        said = {name for name, k in zip(student.ids, student.guesses, strict=True) if k == 1}
        assert set(ids(tab)) == said | {name for name, one in of_test.items() if one.label == "joy"}


def test_another_split_is_drawn_when_it_is_asked_for(report: Path) -> None:
    with opened(report) as tab:
        tab.get_by_label("Show").select_option("2")
        expected = [one.id for one in made_corpus().utterances if one.split == "train"]
        assert sorted(ids(tab)) == sorted(expected)


def test_what_a_filter_hides_of_a_conversation_can_be_shown(report: Path) -> None:
    with opened(report) as tab:
        tab.get_by_role("searchbox", name="Words").fill("line")
        whole = tab.locator(".conversations article").first.locator("li").count()
        words = tab.locator(".conversations article").first.locator(".words").first.inner_text()
        tab.get_by_role("searchbox", name="Words").fill(words[:8])
        article = tab.locator(".conversations article").first
        assert article.locator("li").count() < whole
        article.get_by_role("button", name="Show the whole conversation").press("Enter")
        assert article.locator("li").count() == whole


def test_a_missing_modality_says_why(report: Path) -> None:
    with opened(report) as tab:
        tab.get_by_label("Show").select_option("2")
        tab.get_by_label("Only").select_option("states")
        said = tab.locator(".conversations .state").all_inner_texts()
        assert any(line.startswith("video: no_face: no face in 12 keyframes") for line in said)
        assert any("annotated are 3 s" in line for line in said)


def test_clicking_an_utterance_plays_it_and_marks_it(talk: Path) -> None:
    with opened(talk) as tab:
        film = tab.locator("video")
        wait_until(tab, "document.querySelector('video').readyState > 0")
        # It would be at the next line before a slow machine has looked.
        film.evaluate(
            "one => { one.play = () => { one.dataset.played = 'yes'; return Promise.resolve(); }; }"
        )
        tab.locator(".conversations li[data-id=utt0] .words").click()
        wait_until(tab, "document.querySelector('[aria-current]')?.dataset.id === 'utt0'")
        assert film.evaluate("one => one.error") is None
        assert tab.locator(".now").inner_text() == "Ada: joy 70 %"
        assert film.get_attribute("data-played") == "yes"
        tab.locator("[data-id=utt3]").get_by_role("button", name="Play from 0:00").press("Enter")
        wait_until(tab, "document.querySelector('[aria-current]')?.dataset.id === 'utt3'")
        assert tab.locator(".now").inner_text() == "Ben (guessed): joy 70 %"


def test_a_filter_leaves_the_film_where_it_was(talk: Path) -> None:
    with opened(talk) as tab:
        wait_until(tab, "document.querySelector('video').readyState > 0")
        tab.locator("video").evaluate("one => { one.currentTime = 0.7; }")
        wait_until(tab, "document.querySelector('[aria-current]')?.dataset.id === 'utt2'")
        tab.get_by_role("searchbox", name="Words").fill("line 2")
        assert tab.locator("video").count() == 1
        assert tab.locator("video").evaluate("one => one.currentTime") == pytest.approx(0.7)


def test_a_long_conversation_has_its_words_at_once_and_the_rest_when_one_comes_near(tmp_path: Path) -> None:
    page = tmp_path / "long.html"
    page.write_text(conversation_page([conversation(1500)], title="Long"), encoding="utf-8")
    with opened(page) as tab:
        items = tab.locator(".conversations li")
        assert items.count() == 1500
        last = items.last
        assert "line 1499" in (last.text_content() or "")  # not laid out yet, but there to be searched
        assert last.locator(".says").count() == 0
        last.scroll_into_view_if_needed()
        last.locator(".says").wait_for()
        assert items.first.locator(".says").count() == 1


def test_a_film_that_is_gone_is_said_and_stops_nothing(talk: Path, tmp_path: Path) -> None:
    alone = tmp_path / "talk.html"
    alone.write_bytes(talk.read_bytes())
    with opened(alone) as tab:
        wait_until(tab, "document.querySelector('.now').textContent.includes('cannot be played')")
        assert "a film #1.mp4" in tab.locator(".now").inner_text()
        assert tab.locator(".conversations li").count() == 42


def test_probabilities_attention_and_guessed_names_are_shown(talk: Path) -> None:
    with opened(talk) as tab:
        item = tab.locator(".conversations li[data-id=utt1]").first
        assert "Ben (guessed)" in item.inner_text()
        item.get_by_text("probabilities", exact=True).press("Enter")
        assert item.locator(".shares tbody tr").first.inner_text().split() == [
            *("neutral", "50.0", "%", "10.0", "%")
        ]
        item.get_by_text("attention", exact=True).press("Enter")
        table = item.get_by_role("table", name="What the student looked at")
        assert [row.split() for row in table.locator("tbody tr").all_inner_texts()] == [
            ["itself", "all", "31.0", "%"],
            ["1", "before,", "Ada:", "line", "0", "video", "25.0", "%"],
            ["mean", "of", "all", "each", "1.7", "%"],
        ]
        assert "It does not explain what the model says" in item.inner_text()
        first = tab.locator(".conversations li[data-id=utt0]").first
        link = table.get_by_role("button", name="1 before, Ada: line 0")
        link.focus()
        assert "attended" in (first.get_attribute("class") or "")
        link.press("Enter")
        assert tab.evaluate("document.activeElement.dataset.id") == "utt0"
        assert "attended" not in (first.get_attribute("class") or "")


def test_attention_leads_to_an_utterance_that_a_filter_hides(talk: Path) -> None:
    with opened(talk) as tab:
        tab.get_by_role("searchbox", name="Words").fill("line 7")
        assert tab.locator(".conversations li").count() == 1
        tab.get_by_text("attention", exact=True).press("Enter")
        tab.get_by_role("button", name="7 before, Ada: line 0").press("Enter")
        assert tab.evaluate("document.activeElement.dataset.id") == "utt0"
        assert tab.locator(".conversations article li").count() == 12
        assert tab.get_by_role("button", name="Show the whole conversation").count() == 0


def test_a_conversation_of_which_nothing_is_known_is_shown_plainly(talk: Path) -> None:
    with opened(talk) as tab:
        last = tab.locator(".conversations article").last
        assert last.locator("li").count() == 30
        assert last.locator(".says, .time, .words, .faces, .sound, .verdict, .attention").count() == 0
