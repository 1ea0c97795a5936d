"""The conversation view: who said what when, what models make of it, and a player beside it.

shown.py     what is to be shown, as plain dataclasses
packing.py   the same as JSON
view.py      the same as a fragment of HTML, or as a page
"""

from summer.report.conversation.shown import (
    ConversationViewError,
    Looked,
    ModalityState,
    ShownAttention,
    ShownConversation,
    ShownUtterance,
)
from summer.report.conversation.view import conversation_page, conversation_view

__all__ = [
    "ConversationViewError",
    "Looked",
    "ModalityState",
    "ShownAttention",
    "ShownConversation",
    "ShownUtterance",
    "conversation_page",
    "conversation_view",
]
