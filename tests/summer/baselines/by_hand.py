"""Layers in plain numpy, one vector at a time, fed with a torch module's weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.attention import MultiHeadAttention

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    """In double precision."""
    return tensor.detach().double().numpy()


def linear(layer: nn.Module, vector: Array) -> Array:
    """W x + b."""
    assert isinstance(layer, nn.Linear)
    made = array(layer.weight) @ vector
    return made if layer.bias is None else made + array(layer.bias)


def sigmoid(value: Array) -> Array:
    return 1 / (1 + np.exp(-value))


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def relu(value: Array) -> Array:
    return np.maximum(value, 0)


def gelu_by_tanh(value: Array) -> Array:
    """Hendrycks and Gimpel's approximation."""
    return 0.5 * value * (1 + np.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))


def layer_norm(layer: nn.Module, vector: Array) -> Array:
    assert isinstance(layer, nn.LayerNorm)
    spread = np.sqrt(vector.var() + layer.eps)
    return (vector - vector.mean()) / spread * array(layer.weight) + array(layer.bias)


def gru_step(cell: nn.Module, news: Array, state: Array) -> Array:
    """Cho et al. 2014 as torch documents it: reset, update, candidate."""
    weight_in, weight_state, bias_in, bias_state = (array(p) for p in cell.parameters())
    in_r, in_z, in_n = np.split(weight_in @ news + bias_in, 3)
    of_r, of_z, of_n = np.split(weight_state @ state + bias_state, 3)
    reset, update = sigmoid(in_r + of_r), sigmoid(in_z + of_z)
    return (1 - update) * np.tanh(in_n + reset * of_n) + update * state


def gru_states(gru: nn.GRU, rows: Sequence[Array]) -> list[Array]:
    """From a state of zeros, one state per row."""
    state, states = np.zeros(gru.hidden_size), []
    for row in rows:
        state = gru_step(gru, row, state)
        states.append(state)
    return states


def dialogue_pass(reading: nn.Module, rows: Sequence[Array], slots: Sequence[int]) -> list[Array]:
    """e_t of one reading of DialogueRNN in the order given."""
    parties = {slot: np.zeros(reading.party_gru.hidden_size) for slot in slots}
    heard: list[Array] = []
    emotion, emotions = np.zeros(reading.emotion_gru.hidden_size), []
    for row, slot in zip(rows, slots, strict=True):
        last, context = np.zeros(reading.global_gru.hidden_size), np.zeros(reading.global_gru.hidden_size)
        if heard:
            last = heard[-1]
            asked = linear(reading.context_attention.weight, row)
            shares = softmax(np.array([asked @ other for other in heard]))
            context = shares @ np.array(heard)
        heard.append(gru_step(reading.global_gru, np.concatenate([row, parties[slot]]), last))
        speaker = gru_step(reading.party_gru, np.concatenate([row, context]), parties[slot])
        if reading.listener_gru is not None:
            news = np.concatenate([row, speaker])
            parties = {other: gru_step(reading.listener_gru, news, q) for other, q in parties.items()}
        parties[slot] = speaker
        emotion = gru_step(reading.emotion_gru, speaker, emotion)
        emotions.append(emotion)
    return emotions


def attended(attention: MultiHeadAttention, query: Array, memory: Sequence[Array]) -> Array:
    """Multi-head attention of one query to a memory; zeros where that is empty."""
    if not memory:
        return np.zeros_like(query)
    asked = linear(attention.query, query)
    keys = np.array([linear(attention.key, entry) for entry in memory])
    values = np.array([linear(attention.value, entry) for entry in memory])
    size, heads = len(asked) // attention.heads, []
    for start in range(0, len(asked), size):
        own = slice(start, start + size)
        weights = softmax(keys[:, own] @ asked[own] / math.sqrt(size))
        heads.append(weights @ values[:, own])
    return linear(attention.out, np.concatenate(heads))


def vectors_of(
    batch: ConversationBatch, dialogue: int, turns: int, modality: Modality
) -> Mapping[int, Array]:
    """By turn, of those turns that have the modality."""
    return {
        turn: array(batch.features[modality][dialogue, turn])
        for turn in range(turns)
        if batch.usable[modality][dialogue, turn]
    }
