"""DialogueRNN as a rival against its equations in numpy, in every variant; and what its parties bring."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.bi_gru import BiGruOptions
from summer.baselines.dialogue_rnn import DialogueRnnClassifier, DialogueRnnOptions
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from tests.summer.baselines.by_hand import Array, array, dialogue_pass, linear, relu, softmax, vectors_of
from tests.summer.baselines.made_up_conversations import accuracy_on_test, told_by_own_last
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import revealed_by_two

TEXT, AUDIO, VIDEO = Modality
LENGTHS = (7, 1, 4)
HOLES = {TEXT: (2, 3, 8), AUDIO: (1, 2, 8), VIDEO: (0, 2, 9)}  # row 2 has nothing
SMALL = DialogueRnnOptions(global_dim=5, party_dim=4, emotion_dim=3, hidden_dim=6)
LEARNS = DialogueRnnOptions(
    global_dim=16,
    party_dim=16,
    emotion_dim=16,
    hidden_dim=16,
    dropout=0.0,
    state_dropout=0.0,
    emotion_dropout=0.0,
)


def oracle(
    model: DialogueRnnClassifier, batch: ConversationBatch, dialogue: int, turns: int
) -> dict[int, Array]:
    """Logits of each turn that has anything, by the docstring's equations in their order."""
    vectors = {m: vectors_of(batch, dialogue, turns, m) for m in model.modalities}
    there = [turn for turn in range(turns) if any(turn in of_m for of_m in vectors.values())]
    rows = [
        np.concatenate(
            [vectors[m].get(turn, np.zeros(batch.features[m].shape[-1])) for m in model.modalities]
        )
        for turn in there
    ]
    slots = [int(batch.speakers[dialogue, turn]) for turn in there]
    passes = model.dialogue_rnn.passes
    emotions = dialogue_pass(passes[0], rows, slots)
    if len(passes) == 2:
        back = dialogue_pass(passes[1], rows[::-1], slots[::-1])[::-1]
        emotions = [np.concatenate(pair) for pair in zip(emotions, back, strict=True)]
    logits = {}
    for turn, emotion in zip(there, emotions, strict=True):
        felt = emotion
        if model.attention is not None:
            asked = array(model.attention.weight.weight) @ emotion
            shares = softmax(np.array([other @ asked for other in emotions]))
            felt = shares @ np.array(emotions)
        logits[turn] = linear(model.classifier, relu(linear(model.hidden, felt)))
    return logits


@pytest.mark.parametrize(
    ("bidirectional", "emotion_attention", "listener_update"), list(product([False, True], repeat=3))
)
def test_every_variant_computes_the_equations_past_what_is_missing(
    bidirectional: bool, emotion_attention: bool, listener_update: bool
) -> None:
    options = replace(
        SMALL,
        bidirectional=bidirectional,
        emotion_attention=emotion_attention,
        listener_update=listener_update,
    )
    torch.manual_seed(8)
    model = DialogueRnnClassifier(options, shape_with(*Modality)).eval()
    passes = model.dialogue_rnn.passes
    assert len(passes) == 1 + bidirectional
    assert all((reading.listener_gru is not None) is listener_update for reading in passes)
    assert (model.attention is not None) is emotion_attention
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))
    with torch.no_grad():
        logits = model(batch).logits
    for dialogue, turns in enumerate(LENGTHS):
        expected = oracle(model, batch, dialogue, turns)
        assert set(range(turns)) - set(expected) == ({2} if dialogue == 0 else set())
        for turn, of_turn in expected.items():
            np.testing.assert_allclose(logits[dialogue, turn], of_turn, atol=1e-5)
    assert len(set(batch.speakers[0].tolist())) > 2


def test_one_modality_alone_is_read_as_it_stands() -> None:
    torch.manual_seed(8)
    model = DialogueRnnClassifier(SMALL, shape_with(VIDEO)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))
    with torch.no_grad():
        logits = model(batch).logits
    for turn, expected in oracle(model, batch, 0, LENGTHS[0]).items():
        np.testing.assert_allclose(logits[0, turn], expected, atol=1e-5)


def test_an_utterance_without_anything_attends_to_all_others_alike() -> None:
    torch.manual_seed(8)
    model = DialogueRnnClassifier(SMALL, shape_with(*Modality)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))
    there = batch.any_usable(tuple(Modality))
    read = torch.cat([batch.known(m) for m in Modality], dim=-1)
    with torch.no_grad():
        emotions = array(model.dialogue_rnn(read, batch.speakers, there, batch.parties)[0])
        logits = model(batch).logits
    mean = emotions[[0, 1, 3, 4, 5, 6]].mean(axis=0)
    expected = linear(model.classifier, relu(linear(model.hidden, mean)))
    np.testing.assert_allclose(logits[0, 2], expected, atol=1e-5)


def test_it_remembers_what_each_party_said_last(tmp_path: Path) -> None:
    options = {
        "dialogue-rnn": LEARNS,
        "bi-gru": BiGruOptions(width=32, dropout=0.0),
    }
    reached = {
        name: accuracy_on_test(name, told_by_own_last(0), tmp_path / name, options=of_name)
        for name, of_name in options.items()
    }
    assert reached["dialogue-rnn"] > 0.95  # 0.99
    assert reached["bi-gru"] < 0.82  # 0.75


def test_labels_that_two_modalities_reveal_together_are_learned_from_both(tmp_path: Path) -> None:
    both = accuracy_on_test("dialogue-rnn", revealed_by_two(0), tmp_path, options=LEARNS)
    assert both > 0.9  # 0.98; what one of them says is right 0.7 at best


@pytest.mark.parametrize("changes", [{"party_dim": 0}, {"state_dropout": 1.0}, {"modalities": ()}])
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(DialogueRnnOptions(), **changes)  # type: ignore[arg-type]
