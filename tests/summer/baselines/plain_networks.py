"""Networks as their equations read, a vector at a time in numpy: an oracle for what rivals are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

Vector = NDArray[np.float64]
Weights = Mapping[str, Vector]


def weights_of(model: nn.Module) -> dict[str, Vector]:
    """All of a model's, by name."""
    return {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}


def sigmoid(value: Vector) -> Vector:
    """1 / (1 + exp(-value))."""
    return np.asarray(1 / (1 + np.exp(-value)))


def relu(value: Vector) -> Vector:
    """What is above 0."""
    return np.maximum(value, 0.0)


def softmax(scores: Vector) -> Vector:
    """Shares of a vector of scores."""
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def linear(weights: Weights, name: str, value: Vector) -> Vector:
    """W x + b."""
    return weights[f"{name}.weight"] @ value + weights.get(f"{name}.bias", np.zeros(()))


def lstm(weights: Weights, name: str, utterances: Sequence[Vector]) -> list[Vector]:
    """Hidden states of one direction, in the order given."""
    hidden = cell = np.zeros(weights[f"{name}.weight_hh_l0"].shape[1])
    states = []
    for utterance in utterances:
        gates = weights[f"{name}.weight_ih_l0"] @ utterance + weights[f"{name}.bias_ih_l0"]
        gates = gates + weights[f"{name}.weight_hh_l0"] @ hidden + weights[f"{name}.bias_hh_l0"]
        keeps_in, forgets, new, shows = np.split(gates, 4)
        cell = sigmoid(forgets) * cell + sigmoid(keeps_in) * np.tanh(new)
        hidden = sigmoid(shows) * np.tanh(cell)
        states.append(hidden)
    return states


def gru(weights: Weights, name: str, utterances: Sequence[Vector]) -> list[Vector]:
    """Hidden states of one direction, in the order given."""
    hidden = np.zeros(weights[f"{name}.weight_hh_l0"].shape[1])
    states = []
    for utterance in utterances:
        read = np.split(weights[f"{name}.weight_ih_l0"] @ utterance + weights[f"{name}.bias_ih_l0"], 3)
        held = np.split(weights[f"{name}.weight_hh_l0"] @ hidden + weights[f"{name}.bias_hh_l0"], 3)
        resets, updates = sigmoid(read[0] + held[0]), sigmoid(read[1] + held[1])
        hidden = (1 - updates) * np.tanh(read[2] + resets * held[2]) + updates * hidden
        states.append(hidden)
    return states


CELLS = {"lstm": lstm, "gru": gru}


def bidirectional(
    weights: Weights, name: str, utterances: Sequence[Vector], *, cell: str, layers: int
) -> list[Vector]:
    """Both directions side by side, layer upon layer."""
    read = CELLS[cell]
    for layer in range(layers):
        onwards = read(weights, f"{name}.forwards.{layer}", utterances)
        back = read(weights, f"{name}.backwards.{layer}", utterances[::-1])[::-1]
        utterances = [np.concatenate(both) for both in zip(onwards, back, strict=True)]
    return list(utterances)


def layer_norm(weights: Weights, name: str, value: Vector) -> Vector:
    """Mean 0, variance 1, then a weight and a bias of each entry."""
    normal = (value - value.mean()) / np.sqrt(value.var() + 1e-5)
    return np.asarray(normal * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def attention(weights: Weights, name: str, query: Vector, keys: Sequence[Vector], *, heads: int) -> Vector:
    """What one query attends to among the keys, which are the values too; nothing where there is none."""
    asked = linear(weights, f"{name}.query", query).reshape(heads, -1)
    offered = [linear(weights, f"{name}.key", key).reshape(heads, -1) for key in keys]
    values = [linear(weights, f"{name}.value", key).reshape(heads, -1) for key in keys]
    found = np.zeros_like(asked)
    for head in range(heads if keys else 0):
        scores = np.array([asked[head] @ key[head] for key in offered]) / math.sqrt(asked.shape[1])
        found[head] = sum(w * v[head] for w, v in zip(softmax(scores), values, strict=True))
    return linear(weights, f"{name}.out", found.reshape(-1))
