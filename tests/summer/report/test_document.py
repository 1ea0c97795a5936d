"""A report as a page: every kind of block stands in it, words are text, charts share one library."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from summer.report.charts import lines
from summer.report.document import (
    MARK,
    Block,
    Chart,
    Command,
    Face,
    Faces,
    Facts,
    Fragment,
    Grid,
    Heading,
    Paragraph,
    Picture,
    Report,
    Section,
    charts_library,
)
from summer.report.page import html_of
from summer.report.tables import Table
from summer.report.templates import as_script, rendered
from tests.summer.report.conversation.made_up_talk import EVIL, picture
from tests.summer.report.conversation.test_view import Reader


def chart(words: str) -> Chart:
    values = [{"epoch": k, "name": words, "value": 1.0 / k, "seed": 0} for k in (1, 2)]
    spec = lines(values, x="epoch", y="value", name="name", seed="seed", title=words)
    return Chart(words, words, spec, Table(header=("line", words), rows=((words, "1"),)))


def blocks(words: str) -> list[Block]:
    shown = Picture(words, words, picture())
    return [
        Heading(words),
        Paragraph(words, is_warning=True),
        Facts([(words, words)]),
        Command(words),
        Grid(words, Table(header=("", words), rows=((words, "1"), (words, "–")))),
        chart(words),
        shown,
        Faces([Face(words, shown, [shown], "remark", [words]), Face(words, None, [], "failed", [])]),
    ]


def page(words: str, *more: Block) -> str:
    section = Section(title=words, blocks=[*blocks(words), *more])
    return Report(title=words, note=words, sections=[section, section]).html()


def test_no_words_in_any_block_make_a_tag() -> None:
    plain, evil = Reader(page("plain")), Reader(page(EVIL))
    assert evil.tags == plain.tags
    assert len(evil.ids) == len(set(evil.ids))


def test_a_page_says_that_it_is_one_of_ours_in_its_first_lines() -> None:
    assert MARK in page("plain")[:1000]


def test_charts_are_data_and_the_library_is_there_once_or_not_at_all() -> None:
    found = page("plain")
    assert found.count(str(charts_library())) == 1
    specs = re.findall(r'<script type="application/json">(.*?)</script>', found)
    assert [json.loads(text)["mark"]["type"] for text in specs] == ["line", "line"]
    without = Report(title="t", note="", sections=[Section(title="s", blocks=[Paragraph("p")])]).html()
    assert 'id="charts"' not in without


def test_the_library_cannot_end_its_script() -> None:
    assert "</script" not in charts_library().lower()
    assert "<!--" not in charts_library()
    with pytest.raises(ValueError, match="would end its page"):
        as_script("x = '</SCRIPT>'")


@pytest.mark.parametrize(
    ("cells", "worded"),
    [
        (("1,234", "–", "12.5 %"), False),
        (("[0.10, 0.20]", "+1.50", "< 0.0001"), False),
        (("joy", "1"), True),
        (("train → dev",), True),
    ],
)
def test_columns_of_numbers_are_told_from_columns_of_words(cells: tuple[str, ...], worded: bool) -> None:
    grid = Grid("", Table(header=("name", "what"), rows=tuple(("row", cell) for cell in cells)))
    assert (1 in grid.worded) is worded


def test_only_what_a_template_has_made_is_taken_as_html() -> None:
    assert "<b>bold</b>" in page("plain", Fragment(Markup("<b>bold</b>")))
    assert "&lt;b&gt;" in page("plain", Paragraph("<b>"))


def test_a_picture_must_be_one() -> None:
    with pytest.raises(ValueError, match="neither PNG nor JPEG"):
        Picture("t", "s", b"<svg/>")


def test_a_word_that_a_template_lacks_is_an_error_and_not_an_empty_place() -> None:
    words: dict[str, Any] = {"title": "t"}
    with pytest.raises(Exception, match="is undefined"):
        rendered("conversation-page.html", **words)


def test_markdown_becomes_html_with_its_pictures_inside_and_no_tags_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(".png"))
    html = html_of("# t\n\n![says](a.png) <script>x</script>\n\n| a |\n| :--- |\n| b |\n", tmp_path)
    assert 'src="data:image/png;base64,' in html
    assert "<script>" not in html
    assert "<td" in html
    with pytest.raises(FileNotFoundError):
        html_of("![says](gone.png)", tmp_path)
