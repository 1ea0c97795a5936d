"""Conversations as JSON: nothing is lost, nothing can end the script that it stands in."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from summer.corpus import Modality, Status
from summer.report.conversation import Looked, ModalityState
from summer.report.conversation.packing import as_json, packed
from tests.summer.report.conversation.made_up_talk import (
    EVIL,
    LABELS,
    attention,
    bare,
    conversation,
    picture,
    utterance,
)


def first(of: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of["conversations"][0]["utterances"][0]
    return found


def test_an_utterance_is_packed_by_positions() -> None:
    found = packed([conversation(film="a film.mp4")])
    assert found["labels"] == LABELS
    assert found["models"] == ["teacher", "student"]
    assert found["speakers"] == ["Ada", "Ben"]
    assert found["modalities"] == ["text", "video"]
    (talk,) = found["conversations"]
    assert talk["film"] == "a%20film.mp4"
    assert [one.get("guessed") for one in talk["utterances"]] == [None, 1, None]
    second = talk["utterances"][1]
    assert second["says"] == [[0, 5000, 3000, 2000], [1, 1000, 7000, 2000]]
    assert (second["speaker"], second["truth"], second["from"], second["to"]) == (1, 1, 2.0, 3.5)
    assert [found["states"][place] for place in second["states"]] == [
        ("video", "no_face", "no face in 12 keyframes")
    ]
    assert second["peaks"] == [0, 50, 100]
    assert second["attends"] == [None, [310, 17, 0, 1, 250]]
    head, _, content = second["faces"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert b64decode(content) == picture()


def test_what_is_missing_takes_no_room() -> None:
    found = packed([bare()])
    assert first(found) == {"id": "utt0", "speaker": 0, "words": ""}
    assert found["models"] == []


def test_a_remark_on_an_ok_row_is_shown_and_a_plain_ok_is_not() -> None:
    states = {Modality.TEXT: ModalityState(), Modality.AUDIO: ModalityState(Status.OK, "longer than said")}
    found = packed([conversation(utterances=(utterance(modalities=states),))])
    assert found["states"] == [("audio", "ok", "longer than said")]


def test_the_guess_is_the_most_probable_label_though_rounding_makes_a_tie() -> None:
    shares = {"neutral": 0.333333, "joy": 0.333334, "anger": 0.333333}
    found = packed([conversation(utterances=(utterance(probabilities={"student": shares}),))])
    assert first(found)["says"] == [[1, 3333, 3333, 3333]]


def test_a_model_that_says_nothing_of_an_utterance_is_null_there() -> None:
    talk = conversation(utterances=(utterance(0), utterance(1, probabilities={})))
    only = conversation(utterances=(utterance(probabilities={"teacher": dict.fromkeys(LABELS, 1 / 3)}),))
    assert "says" not in packed([talk])["conversations"][0]["utterances"][1]
    assert packed([talk, only])["conversations"][1]["utterances"][0]["says"][1] is None


def test_only_the_four_that_got_most_attention_are_kept() -> None:
    others = [Looked(f"utt{number}", Modality.AUDIO, number / 25) for number in range(6, 0, -1)]
    one = utterance(7, attends={"teacher": attention(*others)})
    found = packed([conversation(utterances=(*(utterance(n) for n in range(7)), one))])
    sound = found["modalities"].index("audio")
    kept = [6, sound, 240, 5, sound, 200, 4, sound, 160, 3, sound, 120]
    assert found["conversations"][0]["utterances"][7]["attends"] == [[310, 17, *kept], None]


def test_conversations_of_two_label_sets_do_not_go_together() -> None:
    other = conversation(labels=("happy", "sad"), utterances=())
    with pytest.raises(ValueError, match="2 conversations of 2 label sets"):
        packed([conversation(), other])
    with pytest.raises(ValueError, match="0 conversations"):
        packed([])


@given(some.text() | some.sampled_from([EVIL, "<!--", "]]>", "\u2028", "&lt;"]))
def test_any_words_come_back_from_json_that_cannot_end_a_script(words: str) -> None:
    text = as_json({"words": words})
    assert json.loads(text) == {"words": words}
    assert not set(text) & set("<>&\u2028\u2029")


def test_half_of_a_surrogate_pair_does_not_stop_the_page() -> None:
    assert json.loads(as_json("a\ud800b")) == "a?b"
