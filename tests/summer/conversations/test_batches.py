"""Conversations to padded batches: nothing lost, little padding, and another order each epoch."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.conversations.batches import (
    NO_ROW,
    ConversationBatch,
    ConversationDealer,
    deal_by_length,
    padding_waste,
)
from summer.conversations.dialogues import DialogueRows, locate_dialogues
from summer.conversations.reading import Conversations
from summer.conversations.speakers import SOMEONE_ELSE, SpeakerIdentities
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from tests.summer.made_up import LABELS, made_batch, made_conversations, made_utterances

TEXT, AUDIO, VIDEO = Modality
LENGTHS = {Split.TRAIN: (3, 110, 1, 7, 3, 12, 3), Split.DEV: (4, 2), Split.TEST: (1,)}
HOLES = {AUDIO: (1, 4), VIDEO: (0, 1, 2)}
MOST_WASTE = 0.15


def dealer(conversations: Conversations, *, slots: int = 4) -> ConversationDealer:
    return ConversationDealer(conversations, SpeakerIdentities(rule="slots", slots=slots))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def first_rows(batches: Sequence[Sequence[DialogueRows]]) -> list[list[int]]:
    return [[dialogue.first_row for dialogue in batch] for batch in batches]


def places(batch: ConversationBatch) -> list[tuple[int, int, int]]:
    """(dialogue, turn, row) of every place that holds an utterance."""
    return [(d, t, int(batch.rows[d, t])) for d, t in (batch.rows != NO_ROW).nonzero().tolist()]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_utterance_of_a_split_comes_exactly_once_an_epoch(size: int) -> None:
    made = made_conversations(LENGTHS, holes=HOLES)
    deal, generator = dealer(made), seeded(1)
    for split in Split:
        expected = [row for row, u in enumerate(made.utterances) if u.split is split]
        for _ in range(3):
            batches = [deal.batch(dealt) for dealt in deal.deal(split, size=size, generator=generator)]
            assert sorted(row for batch in batches for *_, row in places(batch)) == expected
            assert all(len(batch.rows) <= size for batch in batches)


def test_each_place_of_a_batch_holds_what_its_row_holds() -> None:
    made = made_conversations(LENGTHS, holes=HOLES)
    batch = made_batch(made)
    slots: dict[int, dict[str, int]] = {}
    for dialogue, turn, row in places(batch):
        utterance = made.utterances[row]
        of_dialogue = slots.setdefault(dialogue, {})
        slot = of_dialogue.setdefault(utterance.speaker, len(of_dialogue))
        assert utterance.turn == turn
        assert batch.speakers[dialogue, turn] == slot
        assert batch.identities[dialogue, turn] == slot + 1
        assert batch.labels[dialogue, turn] == LABELS.index(utterance.label)
        for modality, features in made.features.items():
            assert batch.usable[modality][dialogue, turn] == features.usable[row]
            assert batch.features[modality][dialogue, turn].tolist() == features.vectors[row].tolist()
    assert batch.parties == 3


def test_the_padding_holds_no_row_no_label_and_nothing_usable() -> None:
    batch = made_batch(made_conversations(LENGTHS))
    assert batch.rows.shape == (7, 110)
    padding = torch.arange(110) >= torch.tensor(LENGTHS[Split.TRAIN]).unsqueeze(1)
    assert torch.equal(batch.rows == NO_ROW, padding)
    assert (batch.labels[padding] == UNKNOWN_LABEL).all()
    assert (batch.labels[~padding] != UNKNOWN_LABEL).all()
    for modality in Modality:
        assert not batch.usable[modality][padding].any()
        assert not batch.features[modality][padding].any()
    assert not batch.speakers[padding].any()


def test_what_is_known_of_a_modality_has_zeros_for_whatever_stands_in_its_holes() -> None:
    batch = made_batch(made_conversations({Split.TRAIN: (3, 2)}, holes={AUDIO: (1,), TEXT: (1, 4)}))
    filled = {m: vectors.masked_fill(vectors == 0, torch.nan) for m, vectors in batch.features.items()}
    for modality in (TEXT, AUDIO):
        known = replace(batch, features=filled).known(modality)
        assert torch.equal(known, batch.features[modality])
    assert batch.any_usable((TEXT, AUDIO)).tolist() == [[True, False, True], [True, True, False]]
    assert batch.any_usable((TEXT,)).tolist() == [[True, False, True], [True, False, False]]


def test_an_utterance_without_a_truth_has_no_label() -> None:
    made = made_conversations({Split.TRAIN: (3,)})
    utterances = tuple(replace(u, label="") if u.turn == 1 else u for u in made.utterances)
    assert (made_batch(replace(made, utterances=utterances)).labels == UNKNOWN_LABEL).tolist() == [
        [False, True, False]
    ]


def test_dialogues_of_one_and_of_a_hundred_and_ten_utterances_are_batches_too() -> None:
    deal = dealer(made_conversations(LENGTHS))
    shapes = {tuple(deal.batch([dialogue]).rows.shape) for dialogue in deal.of_split(Split.TRAIN)}
    assert {(1, 1), (1, 110)} <= shapes
    assert [len(d.dialogue.utterances) for d in deal.of_split(Split.DEV)] == [4, 2]


def test_more_parties_than_slots_are_followed_but_share_a_row_of_the_embedding() -> None:
    deal = dealer(made_conversations({Split.TRAIN: (9,)}, parties=6), slots=2)
    batch = deal.batch(deal.of_split(Split.TRAIN))
    assert batch.parties == 6
    assert batch.speakers[0, :6].tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.identities[0, :6].tolist() == [1, 2, *[SOMEONE_ELSE] * 4]


def test_parties_are_counted_in_the_batch_and_not_in_the_corpus() -> None:
    deal = dealer(made_conversations(LENGTHS, parties=5))
    parties = {len(d.dialogue.utterances): deal.batch([d]).parties for d in deal.of_split(Split.TRAIN)}
    assert (parties[1], parties[3], parties[110]) == (1, 3, 5)


def test_a_batch_does_not_share_memory_with_the_corpus() -> None:
    made = made_conversations({Split.TRAIN: (4,)})
    batch = made_batch(made)
    batch.features[TEXT].zero_()
    batch.usable[TEXT].zero_()
    assert made.features[TEXT].vectors.any()
    assert made.features[TEXT].usable.all()


def test_each_epoch_has_another_order_and_the_same_state_the_same() -> None:
    deal = dealer(made_conversations({Split.TRAIN: [2 + n % 5 for n in range(40)]}))
    generator = seeded(4)
    first, second = (deal.deal(Split.TRAIN, size=6, generator=generator) for _ in range(2))
    again = deal.deal(Split.TRAIN, size=6, generator=seeded(4))
    assert first_rows(first) == first_rows(again)
    assert first_rows(first) != first_rows(second)
    neighbours = [{frozenset(batch) for batch in first_rows(each)} for each in (first, second)]
    assert neighbours[0] != neighbours[1]


def test_without_a_generator_batches_come_in_order_of_length() -> None:
    deal = dealer(made_conversations(LENGTHS))
    dealt = deal.deal(Split.TRAIN, size=3, generator=None)
    assert [[len(d.dialogue.utterances) for d in batch] for batch in dealt] == [[1, 3, 3], [3, 7, 12], [110]]
    assert first_rows(dealt) == first_rows(deal.deal(Split.TRAIN, size=3, generator=None))


def test_the_order_of_batches_does_not_follow_their_lengths() -> None:
    deal = dealer(made_conversations({Split.TRAIN: range(1, 31)}))
    dealt = deal.deal(Split.TRAIN, size=3, generator=seeded(0))
    longest = [max(len(d.dialogue.utterances) for d in batch) for batch in dealt]
    assert sorted(longest) == list(range(3, 31, 3)) != longest


def test_the_waste_of_padding_is_the_share_of_empty_places() -> None:
    made = made_conversations(LENGTHS)
    dialogues = dealer(made).of_split(Split.TRAIN)
    batch = made_batch(made)
    assert padding_waste([dialogues]) == pytest.approx((batch.rows == NO_ROW).float().mean().item())
    assert padding_waste([[dialogue] for dialogue in dialogues]) == 0


def test_little_is_padding_with_lengths_spread_like_melds() -> None:
    """1 to 24 utterances, most about nine."""
    lengths = np.clip(np.random.default_rng(5).gamma(3.0, 3.2, size=1000).round(), 1, 24).astype(int)
    dialogues = locate_dialogues(made_utterances({Split.TRAIN: lengths.tolist()}))
    for size in (16, 32, 100):
        assert padding_waste(deal_by_length(dialogues, size=size, generator=seeded(1))) < MOST_WASTE
    order = torch.randperm(1000, generator=seeded(1)).tolist()
    shuffled = [[dialogues[n] for n in order[start : start + 32]] for start in range(0, 1000, 32)]
    assert padding_waste(shuffled) > 2 * MOST_WASTE  # what sorting saves


@pytest.mark.real
@pytest.mark.parametrize("size", [16, 32, 100])
def test_little_is_padding_with_the_lengths_of_meld(shared: Path, size: int) -> None:
    with (shared / "data" / "meld" / "train_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        lengths = Counter(row["Dialogue_ID"] for row in csv.DictReader(file))
    assert len(lengths) == 1038
    dialogues = locate_dialogues(made_utterances({Split.TRAIN: list(lengths.values())}))
    assert padding_waste(deal_by_length(dialogues, size=size, generator=seeded(1))) < MOST_WASTE


def test_a_batch_moves_to_a_device_whole() -> None:
    batch = made_batch(made_conversations({Split.TRAIN: (3, 2)}))
    moved = batch.to(torch.device("meta"))
    tensors = [moved.speakers, moved.identities, moved.labels, moved.rows]
    tensors += [*moved.features.values(), *moved.usable.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert len(tensors) == 10
    assert moved.parties == batch.parties
