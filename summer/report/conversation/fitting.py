"""How many conversations go into a page of limited size: whole ones, in order, as long as there is room."""

from __future__ import annotations

from collections.abc import Sequence

from summer.report.conversation.packing import as_json, packed
from summer.report.conversation.shown import ShownConversation


def as_many_as_fit(conversations: Sequence[ShownConversation], *, most_bytes: int) -> list[ShownConversation]:
    """The first ones that take at most so many bytes of a page together; at least one."""
    kept: list[ShownConversation] = []
    room = most_bytes
    for conversation in conversations:
        room -= len(as_json(packed([conversation])).encode())
        if kept and room < 0:
            break
        kept.append(conversation)
    return kept
