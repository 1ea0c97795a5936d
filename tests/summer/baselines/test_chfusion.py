"""CHFusion against its equations in numpy, for every number of modalities; and what its levels bring."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.chfusion import Chfusion, ChfusionOptions, FusionByDimension, InContext
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.model.distillation import SmoothedTruthLoss
from tests.summer.baselines.by_hand import Array, array, gru_states, linear, softmax, vectors_of
from tests.summer.baselines.made_up_conversations import accuracy_on_test, told_by_opening
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import revealed_by_two

TEXT, AUDIO, VIDEO = Modality
LENGTHS = (6, 1, 4)
HOLES = {TEXT: (2, 6), AUDIO: (1, 2, 6), VIDEO: (0, 2, 3)}  # row 2 has nothing, row 6 video alone
SMALL = ChfusionOptions(state_dim=5, context_dim=4, equal_dim=3, level_weight=0.6)
LEARNS = ChfusionOptions(state_dim=16, context_dim=16, equal_dim=16, dropout=0.0)
Turns = dict[int, Array]  # vectors by turn, of those turns that have one


def made(*modalities: Modality) -> tuple[Chfusion, ConversationBatch]:
    torch.manual_seed(9)
    model = Chfusion(SMALL, shape_with(*modalities)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))


def in_context(network: InContext, stream: Turns) -> tuple[Turns, Turns]:
    """F and logits of a stream: equations 1, 4, 6."""
    states = gru_states(network.gru, list(stream.values()))
    vectors = {t: np.tanh(linear(network.joined, s)) for t, s in zip(stream, states, strict=True)}
    return vectors, {turn: linear(network.classifier, vector) for turn, vector in vectors.items()}


def fused(fusion: FusionByDimension, parts: list[Turns]) -> Turns:
    """Equations 3 and 5, one dimension at a time; a part that is missing adds nothing."""
    weights, bias = array(fusion.weights), array(fusion.bias)
    made = {}
    for turn in sorted({turn for part in parts for turn in part}):
        made[turn] = np.array(
            [
                math.tanh(
                    sum(
                        w[column] * part[turn][column]
                        for w, part in zip(weights, parts, strict=True)
                        if turn in part
                    )
                    + bias[column]
                )
                for column in range(len(bias))
            ]
        )
    return made


def oracle(model: Chfusion, batch: ConversationBatch, dialogue: int, turns: int) -> dict[str, list[Turns]]:
    """Logits of every stream by level, by the docstring's equations in their order."""
    unimodal = {
        m: in_context(model.unimodal[m], dict(vectors_of(batch, dialogue, turns, m)))
        for m in model.modalities
    }
    levels = {"unimodal": [logits for _, logits in unimodal.values()]}
    if len(model.modalities) == 1:
        return levels
    equal = {
        m: {t: np.tanh(array(model.equal[m].weight) @ v) for t, v in vectors.items()}
        for m, (vectors, _) in unimodal.items()
    }
    pairs = [
        in_context(model.bimodal[f"{m}_{n}"], fused(model.pair_fusion[f"{m}_{n}"], [equal[m], equal[n]]))
        for m, n in combinations(model.modalities, 2)
    ]
    levels["bimodal"] = [logits for _, logits in pairs]
    if len(model.modalities) == 3:
        assert model.fusion is not None
        assert model.trimodal is not None
        together = fused(model.fusion, [vectors for vectors, _ in pairs])
        levels["trimodal"] = [in_context(model.trimodal, together)[1]]
    return levels


@pytest.mark.parametrize(
    ("modalities", "last"),
    [(tuple(Modality), "trimodal"), ((TEXT, VIDEO), "bimodal"), ((AUDIO,), "unimodal")],
)
def test_it_computes_every_level_that_there_is_past_what_is_missing(
    modalities: tuple[Modality, ...], last: str
) -> None:
    model, batch = made(*modalities)
    with torch.no_grad():
        output = model(batch)
    assert list(output.below) == ["unimodal", "bimodal", "trimodal"][: len(modalities) - 1]
    for dialogue, turns in enumerate(LENGTHS):
        levels = oracle(model, batch, dialogue, turns)
        for level, streams in levels.items():
            found = [output.last] if level == last else output.below[level]
            for stream, expected in zip(found, streams, strict=True):
                assert stream.present[dialogue].nonzero().flatten().tolist() == list(expected)
                for turn, logits in expected.items():
                    np.testing.assert_allclose(stream.logits[dialogue, turn], logits, atol=1e-5)


def test_its_loss_is_that_of_the_last_level_and_weighted_that_of_each_stream_below() -> None:
    model, batch = made(*Modality)
    labels = batch.labels.clone()
    labels[0, 1] = UNKNOWN_LABEL
    batch = replace(batch, labels=labels)
    losses = model.losses(model(batch), batch, SmoothedTruthLoss(epsilon=1.0, class_weights=None))
    surprises: dict[str, list[list[float]]] = {
        "unimodal": [[], [], []],
        "bimodal": [[], [], []],
        "trimodal": [[]],
    }
    for dialogue, turns in enumerate(LENGTHS):
        for level, streams in oracle(model, batch, dialogue, turns).items():
            for of_stream, stream in zip(surprises[level], streams, strict=True):
                known = {t: int(labels[dialogue, t]) for t in stream if labels[dialogue, t] != UNKNOWN_LABEL}
                of_stream += [-math.log(softmax(stream[t])[label]) for t, label in known.items()]
    expected = {level: sum(map(float, map(np.mean, streams))) for level, streams in surprises.items()}
    expected["truth"] = expected.pop("trimodal")
    expected["total"] = expected["truth"] + 0.6 * (expected["unimodal"] + expected["bimodal"])
    assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("parts", [2, 3])
def test_fusion_begins_with_the_variance_of_what_it_joins(parts: int) -> None:
    torch.manual_seed(1)
    weights = FusionByDimension(parts, 20000).weights
    assert float((weights.square().sum(dim=0)).mean().detach()) == pytest.approx(1.0, rel=0.03)


def test_it_fuses_what_two_modalities_reveal_together(tmp_path: Path) -> None:
    both = accuracy_on_test("chfusion", revealed_by_two(0), tmp_path, options=LEARNS)
    assert both > 0.9  # 0.98 and more; what one of them says is right 0.7 at best


def test_it_knows_at_the_end_of_a_dialogue_what_was_said_at_its_beginning(tmp_path: Path) -> None:
    assert accuracy_on_test("chfusion", told_by_opening(0), tmp_path, options=LEARNS) > 0.9


@pytest.mark.parametrize(
    "changes", [{"state_dim": 0}, {"dropout": 1.0}, {"level_weight": -1.0}, {"modalities": (TEXT, TEXT)}]
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(ChfusionOptions(), **changes)  # type: ignore[arg-type]
