"""Dialogues to padded tensors and masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from summer.conversations.dialogues import (
    BatchError,
    chunk_dialogues,
    locate_dialogues,
    make_batch,
)
from summer.corpus import UNKNOWN_LABEL, LabelSet, Split, Utterance

LABELS = LabelSet(("neutral", "joy", "anger"))


def turn(name: str, position: int, speaker: str, label: str, split: Split = Split.TRAIN) -> Utterance:
    return Utterance(
        id=f"{split}/{name}_utt{position}",
        split=split,
        dialogue=name,
        turn=position,
        speaker=speaker,
        text="",
        label=label,
    )


TURNS = [
    turn("dia0", 0, "Ross", "joy"),
    turn("dia0", 3, "Phoebe", ""),  # a gap in the numbering, and no truth
    turn("dia0", 4, "Ross", "anger"),
    turn("dia2", 0, "Joey and Ross", "neutral"),
    turn("dia0", 0, "All", "joy", Split.DEV),  # numbering starts again in each split
]
FEATURES = np.arange(10, dtype=np.float32).reshape(5, 2) + 1


def test_each_dialogue_is_one_slice_of_the_rows() -> None:
    found = locate_dialogues(TURNS)
    assert [(d.dialogue.split, d.dialogue.name, d.rows) for d in found] == [
        (Split.TRAIN, "dia0", slice(0, 3)),
        (Split.TRAIN, "dia2", slice(3, 4)),
        (Split.DEV, "dia0", slice(4, 5)),
    ]


def test_dialogues_are_padded_at_their_end_and_masked() -> None:
    features = FEATURES.copy()
    features[1] = np.nan  # never read, for it is not usable
    usable = np.array([True, False, True, True, True])
    batch = make_batch(locate_dialogues(TURNS)[:2], features=features, usable=usable, labels=LABELS)
    assert batch.features.tolist() == [[[1, 2], [0, 0], [5, 6]], [[7, 8], [0, 0], [0, 0]]]
    assert batch.features.dtype == torch.float32
    assert batch.speakers.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert batch.labels.tolist() == [[1, UNKNOWN_LABEL, 2], [0, UNKNOWN_LABEL, UNKNOWN_LABEL]]
    assert batch.usable.tolist() == [[True, False, True], [True, False, False]]


def test_a_batch_does_not_share_memory_with_the_store() -> None:
    features, usable = FEATURES.copy(), np.ones(5, dtype=bool)
    batch = make_batch(locate_dialogues(TURNS)[:1], features=features, usable=usable, labels=LABELS)
    batch.features.zero_()
    batch.usable.zero_()
    assert features.all()
    assert usable.all()


def test_an_unknown_label_and_a_scattered_dialogue_are_errors_that_name_them() -> None:
    usable = np.ones(1, dtype=bool)
    odd = [turn("dia9", 0, "Ross", "glee")]
    with pytest.raises(ValueError, match="'glee' is not one of neutral, joy, anger"):
        make_batch(locate_dialogues(odd), features=FEATURES, usable=usable, labels=LABELS)
    with pytest.raises(BatchError, match="train/dia0 do not stand together: it starts again at row 4"):
        locate_dialogues([*TURNS[:4], turn("dia0", 5, "Ross", "joy")])
    with pytest.raises(BatchError, match="0 dialogues"):
        make_batch([], features=FEATURES, usable=usable, labels=LABELS)


def test_chunks_hold_every_dialogue_once_and_a_seed_fixes_their_order() -> None:
    dialogues = locate_dialogues([turn(f"dia{n}", 0, "Ross", "joy") for n in range(23)])
    plain = list(chunk_dialogues(dialogues, size=5, generator=None))
    assert [len(chunk) for chunk in plain] == [5, 5, 5, 5, 3]
    assert [dialogue for chunk in plain for dialogue in chunk] == dialogues
    orders = [
        [d.first_row for chunk in chunk_dialogues(dialogues, size=5, generator=_seeded(seed)) for d in chunk]
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(23)) != orders[0]


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
