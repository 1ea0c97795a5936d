"""What can be shown of a conversation, and what is refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from summer.corpus import Modality
from summer.report.conversation import ConversationViewError, Looked, ShownAttention, ShownConversation
from tests.summer.report.conversation.made_up_talk import attention, bare, conversation, picture, utterance

TEXT = Modality.TEXT
TO_A_STRANGER = attention(Looked("utt9", TEXT, 1.0))


def test_everything_but_an_id_may_be_missing() -> None:
    assert [one.id for one in bare().utterances] == ["utt0", "utt1"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start_seconds": 3.0, "end_seconds": 2.0}, "lasts from 3.0 to 2.0 s; give an end after its start"),
        ({"start_seconds": 3.0, "end_seconds": 3.0}, "lasts from 3.0 to 3.0 s"),
        ({"end_seconds": None}, "lasts from 0.0 to None s"),
        ({"start_seconds": float("nan")}, "lasts from nan"),
        ({"end_seconds": float("inf")}, "to inf s"),
        ({"faces": b"GIF89a"}, "neither PNG nor JPEG"),
        ({"peaks": (0.5, -0.1)}, "a peak of 'utt0' is -0.1"),
    ],
)
def test_an_utterance_that_cannot_be_shown_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConversationViewError) as refusal:
        utterance(**changes)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: conversation(utterances=(utterance(1), utterance(1))), "'utt1' stands twice"),
        (
            lambda: conversation(utterances=(utterance(truth="bliss"),)),
            "'bliss', which is not one of neutral",
        ),
        (
            lambda: conversation(utterances=(utterance(probabilities={"student": {"joy": 1.0}}),)),
            "student says something of joy; give it a probability of each of neutral, joy, anger",
        ),
        (
            lambda: conversation(
                utterances=(utterance(probabilities={"s": {"neutral": 2.0, "joy": -1.0, "anger": 0.0}}),)
            ),
            "s has probabilities from -1.0 to 2.0; give shares",
        ),
        (
            lambda: conversation(utterances=(utterance(attends={"s": TO_A_STRANGER}),)),
            "attends to 'utt9'",
        ),
    ],
)
def test_a_conversation_that_cannot_be_shown_is_refused(
    make: Callable[[], ShownConversation], says: str
) -> None:
    with pytest.raises(ConversationViewError) as refusal:
        make()
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: attention(mean=-0.1), "a share of attention is -0.1"),
        (lambda: attention(itself=float("nan")), "a share of attention is nan"),
        (lambda: attention(Looked("utt0", TEXT, 1.5)), "a share of attention is 1.5"),
        (lambda: attention(Looked("a", TEXT, 0.1), Looked("b", TEXT, 0.2)), "give the greatest first"),
    ],
)
def test_attention_is_shares_in_order(make: Callable[[], ShownAttention], says: str) -> None:
    with pytest.raises(ConversationViewError, match=says):
        make()


@pytest.mark.parametrize("film", ["a.mp4", "films/my film #1.mp4", "../a.mp4", "ä?.webm"])
def test_a_film_may_lie_anywhere_beside_the_page(film: str) -> None:
    assert conversation(film=film).film == film


@pytest.mark.parametrize(
    "film", ["/etc/a.mp4", "https://x.example/a.mp4", "//x.example/a.mp4", "javascript:a", ""]
)
def test_a_film_elsewhere_is_refused(film: str) -> None:
    with pytest.raises(ConversationViewError, match="put the film beside the page"):
        conversation(film=film)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_faces_may_be_of_either_kind(ending: str) -> None:
    assert utterance(faces=picture(ending)).faces is not None
