"""The conversation view as HTML: a fragment for any page, or a page of its own.

What is said is data in the page, and a script draws it by setting text, never markup: a `</script>` in
somebody's words is words. Without the script a line says that it is needed. Fragment and page ask for nothing
from outside but the films beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from summer.report.conversation.packing import as_json, packed
from summer.report.conversation.shown import ShownConversation
from summer.report.templates import as_script, asset, rendered

PARTS = ("making", "filters", "utterances", "attention", "whole")
SCRIPT = tuple(f"conversation-{part}.js" for part in PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Conversations that are listed together; drawn only when they are asked for.

    Args:
        name: "" where there is one group only.
        data: JSON.
    """

    name: str
    conversations: int
    utterances: int
    data: Markup


def conversation_view(
    conversations: Sequence[ShownConversation], *, name: str = "conversations", heading_level: int = 3
) -> str:
    """Conversations as a fragment of HTML, with filters, and a player where there is a film.

    It brings its style and its script, which draws every such fragment of a page. Where a fragment is put
    into a page by `innerHTML`, a browser runs no script of it: use `conversation_page` in a frame there.

    Args:
        conversations: all of one label set. The groups are listed in order, and the first is shown.
        name: an id of HTML that no other part of the page has.
        heading_level: of a conversation's name, 1 to 6.

    Raises:
        ValueError: no conversation, or several label sets.
    """
    return rendered(
        "conversation.html",
        name=name,
        level=heading_level,
        groups=[_group(key, members) for key, members in _grouped(conversations).items()],
        style=asset("conversation.css"),
        script=_script(),
    )


def conversation_page(conversations: Sequence[ShownConversation], *, title: str, note: str = "") -> str:
    """Conversations as a page of its own, light or dark as the reader's screen is.

    Args:
        note: a line below the title, such as what the model was trained on.

    Raises:
        ValueError: no conversation, or several label sets.
    """
    return rendered(
        "conversation-page.html",
        title=title,
        note=note,
        style=asset("theme.css"),
        script=asset("theme.js"),
        view=conversation_view(conversations, heading_level=2),
    )


def _script() -> Markup:
    """The parts of the script as one, which leaves no name behind in the page."""
    return Markup("(() => {{\n'use strict';\n{}\n}})();\n").format(Markup("\n").join(map(asset, SCRIPT)))


def _grouped(conversations: Sequence[ShownConversation]) -> dict[str, list[ShownConversation]]:
    groups: dict[str, list[ShownConversation]] = {}
    for conversation in conversations:
        groups.setdefault(conversation.group, []).append(conversation)
    return groups or {"": []}


def _group(name: str, members: Sequence[ShownConversation]) -> _Group:
    return _Group(
        name=name,
        conversations=len(members),
        utterances=sum(len(conversation.utterances) for conversation in members),
        data=as_script(as_json(packed(members))),
    )
