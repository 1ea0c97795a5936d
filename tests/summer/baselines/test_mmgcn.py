"""MMGCN against its equations in numpy loops, and at what its paper says it can do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.mmgcn import Mmgcn, MmgcnOptions, focal_loss
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.model.distillation import SmoothedTruthLoss
from tests.summer.baselines.learned import accuracy
from tests.summer.baselines.made_up_relations import SHOWN, ceiling_of_mood, mood_of_all
from tests.summer.baselines.plain_networks import Vector, Weights, bidirectional, linear, relu, weights_of
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import (
    cases_of_two,
    ceiling,
    ceiling_without_speakers,
    luck,
    revealed_by_two,
    shifted_by_speaker,
)

TEXT, AUDIO, VIDEO = Modality.TEXT, Modality.AUDIO, Modality.VIDEO
OPTIONS = MmgcnOptions(
    encoder_dim=6, speaker_dim=3, graph_dim=5, graph_layers=3, alpha=0.2, eta=0.7, gamma=0.6, dropout=0.4
)
SMALL = MmgcnOptions(encoder_dim=16, speaker_dim=4, graph_dim=16, graph_layers=2, dropout=0.0)
Node = tuple[Modality, int]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def encoded(batch: ConversationBatch, dialogue: int, weights: Weights) -> dict[Node, Vector]:
    """h_i of each modality that an utterance has."""
    usable = {m: batch.usable[m][dialogue].nonzero().flatten().tolist() for m in (TEXT, AUDIO, VIDEO)}
    found = {
        (m, turn): linear(weights, f"entries.{m.value}", batch.features[m][dialogue, turn].double().numpy())
        for m, turns in usable.items()
        for turn in turns
    }
    read = [found[TEXT, turn] for turn in usable[TEXT]]
    states = bidirectional(weights, "text_context", read, cell="lstm", layers=2)
    return found | {(TEXT, turn): state for turn, state in zip(usable[TEXT], states, strict=True)}


def edge(first: Node, second: Node, nodes: dict[Node, Vector]) -> float:
    """A of two nodes."""
    a, b = nodes[first], nodes[second]
    cosine = (a @ b) / math.sqrt((a @ a) * (b @ b)) * (1 - 1e-5)
    similarity = 1 - math.acos(cosine) / math.pi
    if first[0] is second[0]:
        return similarity
    return OPTIONS.gamma * similarity if first[1] == second[1] else 0.0


def spread(nodes: dict[Node, Vector]) -> dict[tuple[Node, Node], float]:
    """P, entry by entry."""
    weights = {(i, j): 1.0 if i == j else edge(i, j, nodes) for i in nodes for j in nodes}
    degrees = {i: sum(weights[i, j] for j in nodes) for i in nodes}
    return {(i, j): weight / math.sqrt(degrees[i] * degrees[j]) for (i, j), weight in weights.items()}


def convolved(nodes: dict[Node, Vector], weights: Weights) -> dict[Node, Vector]:
    """H of the last layer."""
    first = {i: relu(linear(weights, "convolution.entry", node)) for i, node in nodes.items()}
    hidden, entries = first, spread(nodes)
    for layer in range(1, OPTIONS.graph_layers + 1):
        beta, matrix = math.log(OPTIONS.eta / layer + 1), weights[f"convolution.weights.{layer - 1}.weight"]
        step = {}
        for i in nodes:
            neighbours = sum(entries[i, j] * hidden[j] for j in nodes)
            mixed = (1 - OPTIONS.alpha) * neighbours + OPTIONS.alpha * first[i]
            step[i] = relu((1 - beta) * mixed + beta * (matrix @ mixed))
        hidden = step
    return hidden


def expected_logits(batch: ConversationBatch, dialogue: int, length: int, weights: Weights) -> Vector:
    """The equations, one dialogue, one utterance at a time."""
    identities = batch.identities[dialogue].tolist()
    nodes = {
        (m, turn): np.concatenate([hidden, weights["speakers.weight"][identities[turn]]])
        for (m, turn), hidden in encoded(batch, dialogue, weights).items()
    }
    hidden = convolved(nodes, weights)
    blank = np.zeros(OPTIONS.encoder_dim + OPTIONS.speaker_dim + OPTIONS.graph_dim)
    logits = []
    for turn in range(length):
        parts = [
            np.concatenate([nodes[m, turn], hidden[m, turn]]) if (m, turn) in nodes else blank
            for m in (TEXT, AUDIO, VIDEO)
        ]
        logits.append(linear(weights, "classifier", relu(np.concatenate(parts))))
    return np.array(logits)


def test_it_is_what_its_equations_say_with_holes_and_several_speakers() -> None:
    model = Mmgcn(OPTIONS, shape_with(TEXT, AUDIO, VIDEO)).eval()
    lengths = (6, 4, 1)
    holes = {TEXT: (1, 7), AUDIO: (1, 3, 4), VIDEO: (0, 1, 10)}
    batch = made_batch(made_conversations({Split.TRAIN: lengths}, holes=holes))
    with torch.no_grad():
        logits = model(batch).logits
    for dialogue, length in enumerate(lengths):
        expected = expected_logits(batch, dialogue, length, weights_of(model))
        np.testing.assert_allclose(logits[dialogue, :length].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("class_weights", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_the_focal_loss_is_that_of_lin_et_al(class_weights: torch.Tensor | None) -> None:
    logits, labels = torch.randn(2, 3, 3), torch.tensor([[0, 1, UNKNOWN_LABEL], [2, 1, 0]])
    counted = torch.tensor([[True, True, False], [True, False, True]])
    loss = focal_loss(logits, labels, counted, focusing=2.5, class_weights=class_weights)
    total = weight = 0.0
    for place in [(0, 0), (0, 1), (1, 0), (1, 2)]:
        powers = [math.exp(value) for value in logits[place].tolist()]
        p, truth = powers[labels[place]] / sum(powers), int(labels[place])
        counts = 1.0 if class_weights is None else float(class_weights[truth])
        total -= counts * (1 - p) ** 2.5 * math.log(p)
        weight += counts
    assert float(loss) == pytest.approx(total / weight, rel=1e-5)


def test_the_focal_loss_replaces_cross_entropy_where_it_focuses_and_stays_finite_where_all_is_known() -> None:
    batch = made_batch(made_conversations({Split.TRAIN: (3, 2)}))
    truth_loss = SmoothedTruthLoss(epsilon=1.0, class_weights=None)
    plain = Mmgcn(OPTIONS, shape_with(TEXT, AUDIO)).eval()
    output = plain(batch)
    assert set(plain.losses(output, batch, truth_loss)) == {"truth", "total"}
    focusing = Mmgcn(replace(OPTIONS, focusing=0.5), shape_with(TEXT, AUDIO)).eval()
    losses = focusing.losses(output, batch, truth_loss)
    assert losses["total"] is losses["focal"]
    assert losses["focal"] < losses["truth"]
    sure = torch.full((1, 1, 3), -200.0, requires_grad=True)
    with torch.no_grad():
        sure[0, 0, 1] = 200.0
    here = torch.ones(1, 1, dtype=torch.bool)
    focal_loss(sure, here.long(), here, focusing=0.5, class_weights=None).backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()


def test_the_graph_carries_sound_from_utterance_to_utterance(tmp_path: Path) -> None:
    """No recurrent network reads sound."""
    reached = accuracy("mmgcn", mood_of_all(0), tmp_path / "mmgcn", SMALL)
    alone = accuracy("mlp", mood_of_all(0), tmp_path / "mlp")
    assert alone < SHOWN + luck(SHOWN, 800) < 0.78 < reached < ceiling_of_mood() + luck(0.87, 100)


def test_modalities_meet_in_the_graph_and_nowhere_else(tmp_path: Path) -> None:
    """Text XOR audio is no sum of what each says, and the classifier is linear."""
    options = replace(SMALL, graph_dim=32, eta=2.0)
    training = {"most_epochs": 12, "learning_rate": 2e-2}
    two = revealed_by_two(0)
    linked = accuracy("mmgcn", two, tmp_path / "linked", options, **training)
    apart = accuracy("mmgcn", two, tmp_path / "apart", replace(options, gamma=0.0), **training)
    assert linked > 0.9
    assert apart < ceiling(cases_of_two(), [TEXT, VIDEO]) + luck(0.7, 600)


def test_it_tells_by_the_speaker_what_words_mean(tmp_path: Path) -> None:
    known = accuracy("mmgcn", shifted_by_speaker(0, merged=False), tmp_path / "known", SMALL)
    merged = accuracy("mmgcn", shifted_by_speaker(0, merged=True), tmp_path / "merged", SMALL)
    bound = ceiling_without_speakers()
    assert merged < bound + luck(bound, 600) < 0.75 < 0.9 < known


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_dim": 0},
        {"encoder_dim": 7},
        {"speaker_dim": 0},
        {"graph_dim": 0},
        {"text_layers": 0},
        {"graph_layers": 0},
        {"dropout": 1.0},
        {"alpha": -0.1},
        {"alpha": 1.1},
        {"eta": 0.0},
        {"gamma": -1.0},
        {"focusing": -1.0},
        {"modalities": ()},
        {"modalities": (TEXT, TEXT)},
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(MmgcnOptions(), **changes)  # type: ignore[arg-type]
