"""Report and conversation view in a real Chromium: no complaint, no break, nothing grave that axe finds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from tests.browser.chromium import opened
from tests.browser.looks import Complaints, grave_findings, is_within, scroll_through, wait_until

Colours = Literal["light", "dark"]


@pytest.mark.parametrize("name", ["report", "talk", "predicted"])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_a_page_draws_fits_and_can_be_used_by_all(
    name: str, colours: Colours, width: int, pictures: Path, request: pytest.FixtureRequest
) -> None:
    page: Path = request.getfixturevalue(name)
    complaints = Complaints()
    with opened(page, width=width, colours=colours) as tab:
        complaints.listen(tab)
        tab.reload()
        scroll_through(tab)
        tab.locator("details summary").evaluate_all("all => all.slice(0, 5).forEach((one) => one.click())")
        tab.screenshot(path=pictures / f"{name}-{width}-{colours}.png", full_page=True)
        widths = tab.locator(".chart svg").evaluate_all("all => all.map((one) => one.clientWidth)")
        assert all(0.6 * min(width, 700) < one <= width for one in widths), widths
        assert is_within(tab)
        assert grave_findings(tab) == []
    assert complaints.said == []


@pytest.mark.parametrize("name", ["report", "talk"])
def test_nothing_in_words_is_run(name: str, request: pytest.FixtureRequest) -> None:
    page: Path = request.getfixturevalue(name)
    with opened(page) as tab:
        scroll_through(tab)
        assert tab.title() in ("Report on made-up", "A talk")
        assert tab.locator("img[src='x']").count() == 0


def test_the_switch_goes_to_the_other_colours_and_back(report: Path) -> None:
    with opened(report, colours="dark") as tab:
        paper = "getComputedStyle(document.body).backgroundColor"
        dark = tab.evaluate(paper)
        tab.get_by_role("button", name="Light colours").click()
        light = tab.evaluate(paper)
        assert light != dark
        tab.get_by_role("button", name="Dark colours").click()
        assert tab.evaluate(paper) == dark


def test_charts_follow_the_colours(report: Path) -> None:
    with opened(report) as tab:
        label = tab.locator(".chart svg .role-axis-label text").first
        tab.locator(".chart").first.scroll_into_view_if_needed()
        before = label.get_attribute("fill")
        tab.get_by_role("button", name="Dark colours").click()
        after = "document.querySelector('.chart .role-axis-label text')?.getAttribute('fill')"
        wait_until(tab, f"({after} || '{before}') !== '{before}'")


def test_a_table_is_sorted_by_keyboard_as_numbers_and_says_so(report: Path) -> None:
    with opened(report) as tab:
        table = tab.get_by_role("table", name="What was measured of rows that are ok")
        head = table.get_by_role("columnheader", name="median")
        head.get_by_role("button").focus()
        for order, falling in (("ascending", False), ("descending", True)):
            tab.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == order
            numbers = [float(text) for text in table.locator("tbody td:nth-child(5)").all_text_contents()]
            assert numbers == sorted(numbers, reverse=falling)
            assert len(set(numbers)) > 3
