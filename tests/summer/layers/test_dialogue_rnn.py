"""DialogueRNN against its equations written out in numpy, one utterance and one party at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from summer.layers.dialogue_rnn import BilinearAttention, DialogueRNN
from summer.options import EmotionAttention

INPUT_DIM, GLOBAL_DIM, PARTY_DIM, EMOTION_DIM = 6, 5, 4, 3
ATTENTIONS: tuple[EmotionAttention | None, ...] = (*get_args(EmotionAttention), None)
VARIANTS = list(itertools.product([False, True], [False, True], ATTENTIONS))
Array = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        yield


def network(
    *,
    bidirectional: bool = True,
    listener_update: bool = True,
    emotion_attention: EmotionAttention | None = "added",
) -> DialogueRNN:
    return DialogueRNN(
        input_dim=INPUT_DIM,
        global_dim=GLOBAL_DIM,
        party_dim=PARTY_DIM,
        emotion_dim=EMOTION_DIM,
        bidirectional=bidirectional,
        listener_update=listener_update,
        emotion_attention=emotion_attention,
        dropout=0.1,
    ).eval()


def conversation(length: int, speakers: int) -> tuple[Tensor, Tensor]:
    """Random utterances (1, length, dim) and slots (1, length) in which every speaker speaks."""
    slots = torch.cat([torch.arange(speakers), torch.randint(speakers, (length - speakers,))])
    return torch.randn(1, length, INPUT_DIM), slots.unsqueeze(0)


def everyone(slots: Tensor) -> Tensor:
    return torch.ones_like(slots, dtype=torch.bool)


def sigmoid(value: Array) -> Array:
    return 1 / (1 + np.exp(-value))


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def gru(cell: nn.GRUCell, news: Array, state: Array) -> Array:
    """Cho et al. 2014 as torch documents it: reset, update, candidate."""
    weight_in, weight_state, bias_in, bias_state = (p.detach().double().numpy() for p in cell.parameters())
    in_r, in_z, in_n = np.split(weight_in @ news + bias_in, 3)
    state_r, state_z, state_n = np.split(weight_state @ state + bias_state, 3)
    reset, update = sigmoid(in_r + state_r), sigmoid(in_z + state_z)
    return (1 - update) * np.tanh(in_n + reset * state_n) + update * state


def attend(weight: nn.Linear, query: Array, memory: list[Array]) -> Array:
    matrix = weight.weight.detach().double().numpy()
    shares = softmax(np.array([entry @ matrix @ query for entry in memory]))
    return np.sum([share * entry for share, entry in zip(shares, memory, strict=True)], axis=0)


def read_once(reading: nn.Module, utterances: list[Array], slots: list[int]) -> list[Array]:
    """One pass in the order given: the equations of the module's docstring, in their order."""
    parties = {slot: np.zeros(PARTY_DIM) for slot in slots}
    global_states: list[Array] = []
    emotions: list[Array] = []
    for utterance, slot in zip(utterances, slots, strict=True):
        last_global = global_states[-1] if global_states else np.zeros(GLOBAL_DIM)
        last_emotion = emotions[-1] if emotions else np.zeros(EMOTION_DIM)
        context = (
            attend(reading.context_attention.weight, utterance, global_states)
            if global_states
            else np.zeros(GLOBAL_DIM)
        )
        new_global = gru(reading.global_gru, np.concatenate([utterance, parties[slot]]), last_global)
        speaker = gru(reading.party_gru, np.concatenate([utterance, context]), parties[slot])
        if reading.listener_gru is not None:
            news = np.concatenate([utterance, speaker])
            parties = {i: gru(reading.listener_gru, news, state) for i, state in parties.items()}
        parties[slot] = speaker
        emotions.append(gru(reading.emotion_gru, speaker, last_emotion))
        global_states.append(new_global)
    return emotions


def oracle(
    model: DialogueRNN, utterances: Tensor, slots: Tensor, *, emotion_attention: EmotionAttention | None
) -> Array:
    rows = list(utterances[0].double().numpy())
    order = slots[0].tolist()
    read = [read_once(model.passes[0], rows, order)]
    if len(model.passes) == 2:
        read.append(read_once(model.passes[1], rows[::-1], order[::-1])[::-1])
    emotions = [np.concatenate(parts) for parts in zip(*read, strict=True)]
    if model.emotion_attention is not None:
        attended = [attend(model.emotion_attention.weight, emotion, emotions) for emotion in emotions]
        kept = 1 if emotion_attention == "added" else 0
        emotions = [kept * emotion + heard for emotion, heard in zip(emotions, attended, strict=True)]
    return np.stack(emotions)


@pytest.mark.parametrize(("bidirectional", "listener_update", "emotion_attention"), VARIANTS)
def test_every_variant_computes_the_equations(
    bidirectional: bool, listener_update: bool, emotion_attention: EmotionAttention | None
) -> None:
    model = network(
        bidirectional=bidirectional, listener_update=listener_update, emotion_attention=emotion_attention
    )
    utterances, slots = conversation(9, 3)
    result = model(utterances, slots, everyone(slots))[0].detach().numpy()
    assert result.shape == (9, model.output_dim)
    assert (model.emotion_attention is None) is (emotion_attention is None)
    expected = oracle(model, utterances, slots, emotion_attention=emotion_attention)
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_at_the_start_attention_that_replaces_says_the_same_everywhere_and_added_attention_does_not() -> None:
    """Why e_t is kept: what is left of an utterance is its difference from the mean of its dialogue."""
    utterances, slots = conversation(20, 3)
    shares = {}
    for use in ("replaces", "added", None):
        torch.manual_seed(1)
        made = network(emotion_attention=use)(utterances, slots, everyone(slots))[0].detach()
        shares[use] = float(made.var(dim=0).sum() / made.square().mean(dim=0).sum())
    assert shares["replaces"] < 0.01 * shares["added"]
    assert shares["added"] > 0.2 * shares[None]


def test_nine_speakers_and_110_utterances_compute_the_equations() -> None:
    model = network()
    utterances, slots = conversation(110, 9)
    result = model(utterances, slots, everyone(slots))[0].detach().numpy()
    expected = oracle(model, utterances, slots, emotion_attention="added")
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize(("bidirectional", "listener_update", "emotion_attention"), VARIANTS)
def test_a_padded_batch_equals_each_dialogue_alone(
    bidirectional: bool, listener_update: bool, emotion_attention: EmotionAttention | None
) -> None:
    model = network(
        bidirectional=bidirectional, listener_update=listener_update, emotion_attention=emotion_attention
    )
    alone = [conversation(length, speakers) for length, speakers in [(1, 1), (12, 9), (7, 2)]]
    utterances, slots = torch.full((3, 12, INPUT_DIM), torch.nan), torch.zeros(3, 12, dtype=torch.long)
    valid = torch.zeros(3, 12, dtype=torch.bool)
    for row, (vectors, order) in enumerate(alone):
        length = order.shape[1]
        utterances[row, :length], slots[row, :length], valid[row, :length] = vectors[0], order[0], True
    together = model(utterances, slots, valid)
    for row, (vectors, order) in enumerate(alone):
        expected = model(vectors, order, everyone(order))[0]
        torch.testing.assert_close(together[row, : len(expected)], expected, atol=1e-5, rtol=0)
        assert not together[row, len(expected) :].any()


def test_padding_of_any_value_changes_no_gradient() -> None:
    utterances, slots = conversation(6, 3)
    model = network()
    model(utterances, slots, everyone(slots)).square().sum().backward()
    expected = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    padded = torch.cat([utterances, torch.full((1, 3, INPUT_DIM), torch.nan)], dim=1)
    longer = torch.cat([slots, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    model(padded, longer, torch.arange(9).unsqueeze(0) < 6).square().sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=1e-4)


def test_attention_to_nothing_is_zero() -> None:
    attention = BilinearAttention(query_dim=2, memory_dim=3)
    memory = torch.randn(2, 4, 3)
    valid = torch.tensor([[False] * 4, [False, True, False, False]])
    attended = attention(torch.randn(2, 5, 2), memory, valid)
    assert not attended[0].any()
    torch.testing.assert_close(attended[1], memory[1, 1].expand(5, 3))


def test_an_utterance_that_is_not_valid_is_as_if_it_were_not_there() -> None:
    model = network()
    utterances, slots = conversation(10, 4)
    valid = everyone(slots)
    valid[0, [0, 4, 5, 9]] = False
    utterances[0, ~valid[0]] = torch.inf
    with_gaps = model(utterances, slots, valid)
    without = model(utterances[:, valid[0]], slots[:, valid[0]], everyone(slots[:, valid[0]]))
    torch.testing.assert_close(with_gaps[:, valid[0]], without, atol=1e-6, rtol=0)
    assert not with_gaps[:, ~valid[0]].any()


def test_a_dialogue_without_a_valid_utterance_yields_zeros_and_finite_gradients() -> None:
    model = network()
    utterances, slots = conversation(5, 2)
    valid = torch.stack([torch.zeros(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)])
    result = model(utterances.repeat(2, 1, 1), slots.repeat(2, 1), valid)
    assert not result[0].any()
    result.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(("bidirectional", "listener_update", "emotion_attention"), VARIANTS)
def test_gradients_reach_every_parameter(
    bidirectional: bool, listener_update: bool, emotion_attention: EmotionAttention | None
) -> None:
    model = network(
        bidirectional=bidirectional, listener_update=listener_update, emotion_attention=emotion_attention
    )
    utterances, slots = conversation(8, 3)
    model(utterances, slots, everyone(slots)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_without_the_listener_update_only_the_speaker_remembers_being_spoken_to() -> None:
    """Two silent parties, one loud utterance: whose later words depend on who listened to it."""
    quiet, told = (network(listener_update=update, emotion_attention=None) for update in (False, True))
    utterances, slots = torch.randn(1, 2, INPUT_DIM), torch.tensor([[0, 1]])
    for model, remembers in ((quiet, False), (told, True)):
        reading = model.passes[0]
        with torch.no_grad():  # cut the roads that lead around the party state
            reading.party_gru.weight_ih.zero_()
            reading.emotion_gru.weight_hh.zero_()
        heard = [
            reading(vectors, nn.functional.one_hot(slots).bool(), everyone(slots))[0, 1]
            for vectors in (utterances, utterances * torch.tensor([[[3.0], [1.0]]]))
        ]
        assert torch.equal(heard[0], heard[1]) is not remembers


def test_a_forward_pass_never_looks_ahead_and_a_bidirectional_one_does() -> None:
    utterances, slots = conversation(6, 2)
    changed = utterances.clone()
    changed[0, 5] += 1
    for bidirectional in (False, True):
        model = network(bidirectional=bidirectional, emotion_attention=None)
        before, after = (model(u, slots, everyone(slots))[0, :5] for u in (utterances, changed))
        assert torch.equal(before, after) is not bidirectional


def test_a_negative_speaker_slot_is_an_error_that_names_it() -> None:
    utterances, slots = conversation(3, 2)
    with pytest.raises(ValueError, match="slot -1 is below 0"):
        network()(utterances, slots - 1, everyone(slots))
