"""The conversation view as HTML: one fragment, one page, groups apart, all words as text."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from summer.report.conversation import conversation_page, conversation_view
from tests.summer.report.conversation.made_up_talk import EVIL, bare, conversation, utterance


class Reader(HTMLParser):
    """Collects what a browser would take for tags and for data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.data: dict[str, str] = {}
        self._group: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self._group = found.get("data-group") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._group = None

    def handle_data(self, data: str) -> None:
        if self._group is not None:
            self.data[self._group] = self.data.get(self._group, "") + data


def test_groups_are_data_apart_in_order_of_their_first_conversation() -> None:
    talks = [
        conversation(name="a", group="test"),
        conversation(name="b", group="dev"),
        conversation(name="c", group="test"),
    ]
    found = Reader(conversation_view(talks)).data
    assert {
        group: [one["name"] for one in json.loads(text)["conversations"]] for group, text in found.items()
    } == {
        "test": ["a", "c"],
        "dev": ["b"],
    }


def test_words_names_and_reasons_make_no_tag() -> None:
    plain = Reader(conversation_page([conversation()], title="t", note="n"))
    words = conversation(
        name=EVIL, group=EVIL, utterances=(utterance(words=EVIL, speaker=EVIL), utterance(1, attends={}))
    )
    evil = Reader(conversation_page([words], title=EVIL, note=EVIL))
    assert evil.tags == plain.tags
    (data,) = evil.data.values()
    assert json.loads(data)["conversations"][0]["utterances"][0]["words"] == EVIL


def test_a_page_asks_for_nothing_from_outside() -> None:
    page = conversation_page([bare()], title="t")
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "src=" not in page.partition("<script>")[0]


def test_the_fragment_has_the_id_that_it_is_given() -> None:
    assert Reader(conversation_view([bare()], name="talks")).ids == ["talks"]
