"""Who a speaker is to the model: a slot, or a name that the training split knows."""

from __future__ import annotations

from summer.conversations.speakers import SOMEONE_ELSE, SpeakerIdentities, identify_speakers
from summer.corpus import Dialogue, Split, Utterance, group_dialogues


def spoken(*names: str, split: Split = Split.TRAIN, dialogue: str = "dia0") -> list[Utterance]:
    return [
        Utterance(
            id=f"{split}/{dialogue}_utt{turn}",
            split=split,
            dialogue=dialogue,
            turn=turn,
            speaker=name,
            text="",
            label="",
        )
        for turn, name in enumerate(names)
    ]


def dialogue_of(*names: str) -> Dialogue:
    return group_dialogues(spoken(*names))[0]


TRAIN = spoken("Ross", "Rachel", "Ross", "Gunther", "Rachel", "Ross")


def test_slots_count_from_one_by_first_turn_and_a_slot_above_the_last_is_someone_else() -> None:
    identities = identify_speakers("slots", TRAIN, slots=2, fewest_utterances=1)
    assert len(identities) == 3
    assert identities.of_dialogue(dialogue_of("Monica", "Ross", "Joey", "Monica", "Phoebe")) == [
        *(1, 2, SOMEONE_ELSE, 1, SOMEONE_ELSE)
    ]
    assert identities.unknown(spoken("Nobody")) == []


def test_a_slot_does_not_know_the_name() -> None:
    identities = SpeakerIdentities(rule="slots", slots=3)
    first, second = dialogue_of("Ross", "Joey", "Ross"), dialogue_of("Joey", "Ross", "Joey")
    assert identities.of_dialogue(first) == identities.of_dialogue(second) == [1, 2, 1]


def test_names_are_those_that_training_saw_often_enough() -> None:
    identities = identify_speakers("names", TRAIN, slots=9, fewest_utterances=2)
    assert identities.names == ("Rachel", "Ross")
    assert len(identities) == 3
    assert identities.of_dialogue(dialogue_of("Ross", "Gunther", "Rachel", "Janice")) == [
        *(2, SOMEONE_ELSE, 1, SOMEONE_ELSE)
    ]


def test_other_splits_teach_no_name() -> None:
    utterances = [*TRAIN, *spoken("Janice", "Janice", "Gunther", split=Split.TEST)]
    identities = identify_speakers("names", utterances, slots=0, fewest_utterances=2)
    assert identities.names == ("Rachel", "Ross")
    assert identities.unknown(utterances) == ["Gunther", "Janice"]


def test_no_two_known_speakers_share_a_row() -> None:
    identities = identify_speakers("names", TRAIN, slots=0, fewest_utterances=1)
    rows = identities.of_dialogue(dialogue_of(*identities.names))
    assert sorted(rows) == list(range(1, len(identities)))
