"""CORECT against its equations in numpy loops, and at what its paper says it can do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.corect import Corect, CorectOptions, TextLayer
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from tests.summer.baselines.learned import accuracy
from tests.summer.baselines.made_up_relations import (
    ceiling_of_words,
    ceiling_without_the_other,
    said_once,
    told_by_sound,
)
from tests.summer.baselines.plain_networks import (
    Vector,
    Weights,
    attention,
    layer_norm,
    linear,
    relu,
    softmax,
    weights_of,
)
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import luck

TEXT, AUDIO, VIDEO = Modality.TEXT, Modality.AUDIO, Modality.VIDEO
EVERY = (TEXT, AUDIO, VIDEO)
OPTIONS = CorectOptions(
    hidden_dim=4, text_inner_dim=7, past=2, future=1, graph_heads=3, cross_layers=1, memory_layers=2
)
SMALL = CorectOptions(
    hidden_dim=16,
    text_layers=1,
    text_inner_dim=32,
    graph_heads=2,
    cross_layers=1,
    memory_layers=1,
    dropout=0.0,
)
LENGTHS = (6, 3, 1)
HOLES = {TEXT: (1, 3, 7), AUDIO: (3, 4), VIDEO: (0, 3, 6, 7, 8)}  # the fourth utterance has nothing
Node = tuple[Modality, int]
Nodes = Mapping[Node, Vector]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def text_of(read: Mapping[int, Vector], weights: Weights) -> dict[int, Vector]:
    """The transformer over text, of one head since 6 is no multiple of 7 to 14."""
    hidden = dict(read)
    for layer in range(OPTIONS.text_layers):
        name = f"encoders.text.layers.{layer}"
        keys, attended = list(hidden.values()), {}
        for turn, value in hidden.items():
            found = attention(weights, f"{name}.self_attention.attention", value, keys, heads=1)
            attended[turn] = layer_norm(weights, f"{name}.self_attention.norm", value + found)
        hidden = {}
        for turn, value in attended.items():
            inner = linear(weights, f"{name}.feed_forward.0", value)
            value = value + linear(weights, f"{name}.feed_forward.3", relu(inner))
            hidden[turn] = layer_norm(weights, f"{name}.norm", value)
    return {turn: linear(weights, "encoders.text.out", value) for turn, value in hidden.items()}


def nodes_of(batch: ConversationBatch, dialogue: int, weights: Weights) -> dict[Node, Vector]:
    """x of each modality that an utterance has."""
    nodes: dict[Node, Vector] = {}
    for m in EVERY:
        turns = batch.usable[m][dialogue].nonzero().flatten().tolist()
        read = {turn: batch.features[m][dialogue, turn].double().numpy() for turn in turns}
        if m is TEXT:
            encoded = text_of(read, weights)
        else:
            first = {t: relu(linear(weights, f"encoders.{m.value}.0", value)) for t, value in read.items()}
            encoded = {t: relu(linear(weights, f"encoders.{m.value}.2", v)) for t, v in first.items()}
        speakers = batch.identities[dialogue].tolist()
        nodes |= {(m, t): v + weights["speakers.weight"][speakers[t]] for t, v in encoded.items()}
    return nodes


def relation(target: Node, source: Node) -> int | None:
    """Place of the relation's matrix; None where there is none."""
    (m, i), (n, j) = target, source
    if m is not n:
        return 3 + [other for other in EVERY if other is not m].index(n) if i == j else None
    if i == j:
        return 2
    return 0 if i - OPTIONS.past <= j < i else 1 if i < j <= i + OPTIONS.future else None


def near_graph(nodes: Nodes, weights: Weights) -> dict[Node, Vector]:
    """LeakyReLU of o."""
    first, seen = {}, {}
    for target, own in nodes.items():
        first[target] = linear(weights, "convolution.own", own)
        for place in range(5):
            heard = [x for source, x in nodes.items() if relation(target, source) == place]
            if heard:
                matrix = weights["convolution.relations"][EVERY.index(target[0]), place]
                first[target] = first[target] + np.mean(heard, axis=0) @ matrix
    for target, own in first.items():
        near = [source for source in first if relation(target, source) is not None]
        split = {
            name: {j: linear(weights, f"transformer.{name}", first[j]).reshape(3, 4) for j in near}
            for name in ("query", "key", "value")
        }
        heads = []
        for head in range(3):
            scores = [split["query"][target][head] @ split["key"][j][head] / math.sqrt(4) for j in near]
            shares = softmax(np.array(scores))
            heads.append(sum(w * split["value"][j][head] for w, j in zip(shares, near, strict=True)))
        value = linear(weights, "transformer.own", own) + np.concatenate(heads)
        seen[target] = np.where(value > 0, value, 0.01 * value)
    return seen


def crossed(
    weights: Weights, name: str, asking: Mapping[int, Vector], asked: Mapping[int, Vector] | None
) -> dict[int, Vector]:
    """A cross-modal transformer; None: of one sequence."""
    hidden = {turn: value * math.sqrt(len(value)) for turn, value in asking.items()}
    layers = OPTIONS.memory_layers if asked is None else OPTIONS.cross_layers
    for layer in range(layers):
        at = f"{name}.layers.{layer}"
        others = hidden if asked is None else asked
        keys = [layer_norm(weights, f"{at}.norm", other) for other in others.values()]
        step = {}
        for turn, value in hidden.items():
            asks = layer_norm(weights, f"{at}.norm", value)
            value = value + attention(weights, f"{at}.attention", asks, keys, heads=2)
            inner = linear(
                weights, f"{at}.feed_forward.1", layer_norm(weights, f"{at}.feed_forward.0", value)
            )
            step[turn] = value + linear(weights, f"{at}.feed_forward.3", relu(inner))
        hidden = step
    return {turn: layer_norm(weights, f"{name}.norm", value) for turn, value in hidden.items()}


def over_the_dialogue(nodes: Nodes, weights: Weights) -> dict[Node, Vector]:
    """z."""
    by_modality = {m: {turn: x for (n, turn), x in nodes.items() if n is m} for m in EVERY}
    pairs = {
        (m, n): crossed(weights, f"interaction.pairs.{m}_from_{n}", by_modality[m], by_modality[n])
        for m, n in permutations(EVERY, 2)
    }
    found = {}
    for m in EVERY:
        answers = {
            turn: np.concatenate([pairs[m, n][turn] for n in EVERY if n is not m]) for turn in by_modality[m]
        }
        remembered = crossed(weights, f"interaction.memories.{m.value}", answers, None)
        found |= {(m, turn): value for turn, value in remembered.items()}
    return found


def expected_logits(batch: ConversationBatch, dialogue: int, length: int, weights: Weights) -> Vector:
    """The equations, one dialogue, one utterance at a time."""
    nodes = nodes_of(batch, dialogue, weights)
    near, far = near_graph(nodes, weights), over_the_dialogue(nodes, weights)
    logits = []
    for turn in range(length):
        seen = [near.get((m, turn), np.zeros(12)) for m in EVERY]
        found = [far.get((m, turn), np.zeros(8)) for m in EVERY]
        hidden = relu(linear(weights, "hidden", np.concatenate([*seen, *found])))
        logits.append(linear(weights, "classifier", hidden))
    return np.array(logits)


def test_it_is_what_its_equations_say_with_holes_and_several_speakers() -> None:
    model = Corect(OPTIONS, shape_with(*EVERY)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))
    with torch.no_grad():
        logits = model(batch).logits
    for dialogue, length in enumerate(LENGTHS):
        expected = expected_logits(batch, dialogue, length, weights_of(model))
        np.testing.assert_allclose(logits[dialogue, :length].numpy(), expected, atol=1e-5)


def test_one_modality_alone_asks_no_other() -> None:
    model = Corect(OPTIONS, shape_with(AUDIO)).eval()
    assert model.interaction is None
    assert model(made_batch(made_conversations({Split.TRAIN: LENGTHS}))).logits.shape == (3, 6, 3)


@pytest.mark.parametrize(("width", "heads"), [(768, 8), (100, 10), (70, 7), (26, 13), (6, 1), (17, 1)])
def test_the_text_has_as_many_heads_as_share_its_width(width: int, heads: int) -> None:
    layer = TextLayer(width=width, inner_dim=8, dropout=0.0)
    assert layer.self_attention.attention.heads == heads


def test_it_hears_the_sound_before_with_the_words_of_now(tmp_path: Path) -> None:
    """A relation of time in one modality and one between modalities, of which a perceptron has neither."""
    near = replace(SMALL, past=1, future=1)
    reached = accuracy("corect", told_by_sound(0), tmp_path / "corect", near, most_epochs=6)
    alone = accuracy("mlp", told_by_sound(0), tmp_path / "mlp")
    bound = ceiling_without_the_other()
    assert alone < bound + luck(bound, 800) < 0.65 < 0.9 < reached


def test_it_remembers_what_each_speaker_said_once(tmp_path: Path) -> None:
    training = {"learning_rate": 5e-3, "most_epochs": 9}
    known = accuracy("corect", said_once(0), tmp_path / "known", SMALL, **training)
    merged = accuracy("corect", said_once(0, merged=True), tmp_path / "merged", SMALL, **training)
    bound = ceiling_of_words() + luck(ceiling_of_words(), 800)
    assert merged < bound < 0.7 < 0.9 < known


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dim": 0},
        {"hidden_dim": 101},
        {"text_layers": 0},
        {"text_inner_dim": 0},
        {"graph_heads": 0},
        {"cross_layers": 0},
        {"memory_layers": 0},
        {"cross_heads": 0},
        {"past": -1},
        {"past": 0, "future": 0},
        {"dropout": 1.0},
        {"modalities": ()},
        {"modalities": (TEXT, TEXT)},
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(CorectOptions(), **changes)  # type: ignore[arg-type]
