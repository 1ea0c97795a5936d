"""DialogueGCN against its equations in numpy loops, and at what its paper says it can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.dialogue_gcn import DialogueGcn, DialogueGcnOptions
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from tests.summer.baselines.learned import accuracy
from tests.summer.baselines.made_up_relations import ceiling_of_words, said_once
from tests.summer.baselines.plain_networks import (
    Vector,
    Weights,
    bidirectional,
    linear,
    relu,
    softmax,
    weights_of,
)
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import luck

TEXT, AUDIO, VIDEO = Modality.TEXT, Modality.AUDIO, Modality.VIDEO
OPTIONS = DialogueGcnOptions(encoder_dim=6, graph_dim=5, past=2, future=3, speakers=2, bases=3)
SMALL = DialogueGcnOptions(encoder_dim=16, encoder_layers=1, graph_dim=16, speakers=3, bases=6, dropout=0.0)
LENGTHS = (7, 4, 1)
HOLES = {TEXT: (1, 3, 8), AUDIO: (3, 4), VIDEO: (0, 3, 11)}  # the fourth utterance has nothing


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def utterance(batch: ConversationBatch, dialogue: int, turn: int) -> Vector | None:
    """All modalities side by side, None where there is none."""
    there = [bool(batch.usable[m][dialogue, turn]) for m in (TEXT, AUDIO, VIDEO)]
    vectors = [batch.features[m][dialogue, turn].double().numpy() for m in (TEXT, AUDIO, VIDEO)]
    parts = [vector if here else 0 * vector for vector, here in zip(vectors, there, strict=True)]
    return np.concatenate(parts) if any(there) else None


def neighbours(turn: int, turns: Sequence[int], options: DialogueGcnOptions) -> list[int]:
    """Who is near, oneself left out."""
    return [j for j in turns if j != turn and turn - options.past <= j <= turn + options.future]


def relation_matrix(
    weights: Weights, options: DialogueGcnOptions, ours: int, theirs: int, *, after: bool
) -> Vector:
    """W_r."""
    bases = weights["relational.bases"]
    last = options.speakers - 1
    ours, theirs = min(ours, last), min(theirs, last)
    if "relational.shares" in weights:
        shares = weights["relational.shares"][ours, int(after), theirs]
        return np.asarray(sum(share * basis for share, basis in zip(shares, bases, strict=True))).T
    return bases[(ours * 2 + int(after)) * options.speakers + theirs].T


def first_convolution(
    encoded: dict[int, Vector], speakers: Sequence[int], weights: Weights, options: DialogueGcnOptions
) -> dict[int, Vector]:
    """(1) and (2)."""
    found = {}
    for i, own in encoded.items():
        near = neighbours(i, list(encoded), options)
        asked = weights["edges.weight.weight"] @ own
        alpha = dict(
            zip([*near, i], softmax(np.array([asked @ encoded[j] for j in [*near, i]])), strict=True)
        )
        total = alpha[i] * (weights["relational.own.weight"] @ own)
        last = options.speakers - 1
        kinds = {j: (min(speakers[j], last), j > i) for j in near}
        for j in near:
            alike = sum(kinds[k] == kinds[j] for k in near)  # c_ir
            matrix = relation_matrix(weights, options, speakers[i], speakers[j], after=j > i)
            total = total + alpha[j] / alike * (matrix @ encoded[j])
        found[i] = relu(total)
    return found


def expected_logits(
    batch: ConversationBatch, dialogue: int, length: int, weights: Weights, options: DialogueGcnOptions
) -> Vector:
    """The equations, one dialogue, one utterance at a time."""
    read = {turn: utterance(batch, dialogue, turn) for turn in range(length)}
    there = {turn: vector for turn, vector in read.items() if vector is not None}
    states = bidirectional(weights, "context", list(there.values()), cell="gru", layers=2)
    encoded = dict(zip(there, states, strict=True))
    first = first_convolution(encoded, batch.speakers[dialogue].tolist(), weights, options)
    joined = {}
    for i in encoded:
        summed = sum((first[j] for j in neighbours(i, list(first), options)), np.zeros(options.graph_dim))
        neighbours_of_i = linear(weights, "neighbour_sum.neighbours", summed)
        second = relu(neighbours_of_i + linear(weights, "neighbour_sum.own", first[i]))  # (3)
        joined[i] = np.concatenate([encoded[i], second])  # (4)
    logits = []
    for turn in range(length):
        asked = linear(weights, "attention.weight", joined.get(turn, np.zeros(11)))
        beta = softmax(np.array([asked @ other for other in joined.values()]))  # (5)
        attended = sum(share * other for share, other in zip(beta, joined.values(), strict=True))  # (6)
        logits.append(linear(weights, "classifier", relu(linear(weights, "hidden", attended))))  # (7, 8)
    return np.array(logits)


@pytest.mark.parametrize("options", [OPTIONS, replace(OPTIONS, bases=30)], ids=["bases", "a matrix each"])
def test_it_is_what_its_equations_say_with_holes_and_more_speakers_than_it_tells_apart(
    options: DialogueGcnOptions,
) -> None:
    model = DialogueGcn(options, shape_with(TEXT, AUDIO, VIDEO)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))
    assert batch.parties == 3
    with torch.no_grad():
        logits = model(batch).logits
    weights = weights_of(model) | {"relational.bases": model.relational.bases.detach().double().numpy()}
    for dialogue, length in enumerate(LENGTHS):
        expected = expected_logits(batch, dialogue, length, weights, options)
        np.testing.assert_allclose(logits[dialogue, :length].numpy(), expected, atol=1e-5)


def test_fewer_parties_in_a_batch_than_it_tells_apart_change_nothing() -> None:
    model = DialogueGcn(replace(OPTIONS, speakers=9), shape_with(TEXT)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: LENGTHS}))
    with torch.no_grad():
        torch.testing.assert_close(model(batch).logits, model(replace(batch, parties=9)).logits)


def test_it_remembers_by_the_relation_what_each_speaker_said_once(tmp_path: Path) -> None:
    known = accuracy("dialogue-gcn", said_once(0), tmp_path / "known", SMALL, most_epochs=15)
    merged = accuracy("dialogue-gcn", said_once(0, merged=True), tmp_path / "merged", SMALL)
    alone = accuracy("mlp", said_once(0), tmp_path / "mlp")
    bound = ceiling_of_words() + luck(ceiling_of_words(), 800)
    assert max(merged, alone) < bound < 0.7 < 0.9 < known


def test_it_cannot_remember_what_was_said_out_of_its_windows(tmp_path: Path) -> None:
    """The GRU alone, which has no speakers, is left of what came more than a turn before."""
    near = replace(SMALL, past=1, future=1)
    assert accuracy("dialogue-gcn", said_once(0), tmp_path, near, most_epochs=15) < 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_dim": 0},
        {"encoder_dim": 7},
        {"encoder_layers": 0},
        {"graph_dim": 0},
        {"speakers": 0},
        {"bases": 0},
        {"past": -1},
        {"past": 0, "future": 0},
        {"dropout": 1.0},
        {"modalities": ()},
        {"modalities": (TEXT, TEXT)},
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(DialogueGcnOptions(), **changes)  # type: ignore[arg-type]
