"""SDT against its equations in numpy, one utterance and one head at a time; and what it can learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from summer.baselines.sdt import Gates, PairTransformer, Sdt, SdtOptions
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.model.distillation import SmoothedTruthLoss
from tests.summer.baselines.by_hand import (
    Array,
    array,
    attended,
    gelu_by_tanh,
    layer_norm,
    linear,
    relu,
    sigmoid,
    softmax,
    vectors_of,
)
from tests.summer.baselines.made_up_conversations import accuracy_on_test
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import ceiling_without_speakers, revealed_by_two, shifted_by_speaker

TEXT, AUDIO, VIDEO = Modality
LENGTHS = (5, 1, 3)
HOLES = {TEXT: (2, 5), AUDIO: (1, 2, 6, 7, 8), VIDEO: (0, 2, 3)}  # row 2 has nothing, dialogue 2 no audio
SMALL = SdtOptions(width=8, heads=2, temperature=2.5, hard_weight=0.7, soft_weight=1.3)
LEARNS = SdtOptions(width=16, heads=2, dropout=0.1)


def scrambled(model: Sdt) -> Sdt:
    """Norms start as the identity, with which a norm in the wrong place could hide."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def made(options: SdtOptions = SMALL, *modalities: Modality) -> tuple[Sdt, ConversationBatch]:
    torch.manual_seed(5)
    model = scrambled(Sdt(options, shape_with(*(modalities or Modality))))
    return model, made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))


def waves(place: int, width: int) -> Array:
    """Vaswani et al. 2017, one column at a time."""
    made = np.zeros(width)
    for column in range(width):
        angle = place / 10000 ** (2 * (column // 2) / width)
        made[column] = math.sin(angle) if column % 2 == 0 else math.cos(angle)
    return made


def taken(pair: PairTransformer, own: Array, others: list[Array]) -> Array:
    """Equations 2 and 3."""
    _, first, _, _, second, _ = pair.inner
    summed = own + attended(pair.attention.attention, own, others)
    made = summed + linear(second, gelu_by_tanh(linear(first, layer_norm(pair.inner[0], summed))))
    gate = made if isinstance(pair.gate, torch.nn.Identity) else linear(pair.gate, made)
    return sigmoid(gate) * made


def oracle(model: Sdt, batch: ConversationBatch, dialogue: int, turns: int) -> list[Mapping[str, Array]]:
    """Logits, students' logits and H' of each turn, by the docstring's equations in their order."""
    speakers, width = array(model.speaker.weight), model.options.width
    embedded: dict[Modality, list[Array]] = {}
    for m in model.modalities:
        vectors = vectors_of(batch, dialogue, turns, m)
        weight = array(model.inputs[m].weight)
        embedded[m] = [
            weight @ vectors.get(turn, np.zeros(weight.shape[1]))
            + waves(turn, width)
            + speakers[batch.identities[dialogue, turn]]
            for turn in range(turns)
        ]
    there = {m: list(vectors_of(batch, dialogue, turns, m)) for m in model.modalities}
    results = []
    for turn in range(turns):
        joined = {}
        for m in model.modalities:
            parts = [
                taken(
                    model.pairs[f"{m}_from_{n}"],
                    embedded[m][turn],
                    [embedded[n][other] for other in there[n]],
                )
                for n in model.modalities
            ]
            joined[m] = linear(model.joins[m], np.concatenate(parts))
        own = [m for m in model.modalities if turn in there[m]]
        fused = np.zeros(width)
        for column in range(width if own else 0):
            shares = softmax(np.array([linear(model.gate, joined[m])[column] for m in own]))
            fused[column] = sum(share * joined[m][column] for share, m in zip(shares, own, strict=True))
        students = {m.value: linear(model.students[m][2], relu(joined[m])) for m in model.modalities}
        results.append({"logits": linear(model.classifier, fused), "fused": fused, **students})
    return results


@pytest.mark.parametrize("modalities", [tuple(Modality), (TEXT, VIDEO), (AUDIO,)])
@pytest.mark.parametrize("gates", get_args(Gates))
def test_it_computes_the_equations_for_every_subset_with_holes(
    gates: Gates, modalities: tuple[Modality, ...]
) -> None:
    model, batch = made(replace(SMALL, gates=gates), *modalities)
    with torch.no_grad():
        output = model(batch)
    for dialogue, turns in enumerate(LENGTHS):
        for turn, expected in enumerate(oracle(model, batch, dialogue, turns)):
            place = (dialogue, turn)
            np.testing.assert_allclose(output.logits[place], expected["logits"], atol=2e-5)
            np.testing.assert_allclose(output.fused[place], expected["fused"], atol=2e-5)
            for m, student in output.students.items():
                np.testing.assert_allclose(student[place], expected[m.value], atol=2e-5)
    assert any(len({int(s) for s in row}) > 1 for row in batch.identities)


def test_its_losses_are_sums_over_modalities_of_means_over_utterances_that_have_them() -> None:
    model, batch = made()
    labels = batch.labels.clone()
    labels[0, 1] = UNKNOWN_LABEL
    batch = replace(batch, labels=labels)
    output = model(batch)
    losses = model.losses(output, batch, SmoothedTruthLoss(epsilon=1.0, class_weights=None))
    expected = {"hard": 0.0, "soft": 0.0}
    for m in Modality:
        hard, soft = [], []
        for dialogue, turns in enumerate(LENGTHS):
            for turn in set(vectors_of(batch, dialogue, turns, m)) - ({1} if dialogue == 0 else set()):
                said = array(output.students[m][dialogue, turn])
                hard.append(-math.log(softmax(said)[batch.labels[dialogue, turn]]))
                target = softmax(array(output.logits[dialogue, turn]) / 2.5)
                soft.append(
                    sum(p * math.log(p / q) for p, q in zip(target, softmax(said / 2.5), strict=True))
                )
        expected["hard"] += float(np.mean(hard))
        expected["soft"] += float(np.mean(soft))
    whole = [
        -math.log(softmax(array(output.logits[d, t]))[batch.labels[d, t]])
        for d, turns in enumerate(LENGTHS)
        for t in range(turns)
        if (d, t) not in {(0, 1), (0, 2)}  # without a label, without anything
    ]
    expected["truth"] = float(np.mean(whole))
    expected["total"] = expected["truth"] + 0.7 * expected["hard"] + 1.3 * expected["soft"]
    assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-4)


def test_what_is_taught_by_the_whole_has_a_gradient_through_both() -> None:
    model, batch = made()
    losses = model.losses(model(batch), batch, SmoothedTruthLoss(epsilon=1.0, class_weights=None))
    losses["soft"].backward()
    assert model.classifier.weight.grad is not None
    assert model.students[TEXT][2].weight.grad is not None


def test_labels_that_two_modalities_reveal_together_are_learned_from_both(tmp_path: Path) -> None:
    both = accuracy_on_test("sdt", revealed_by_two(0), tmp_path, options=LEARNS)
    assert both > 0.9  # 0.98 and more; what one of them says is right 0.7 at best


def test_it_knows_whose_words_they_are(tmp_path: Path) -> None:
    apart, merged = (
        accuracy_on_test("sdt", shifted_by_speaker(0, merged=m), tmp_path / str(m), options=LEARNS)
        for m in (False, True)
    )
    assert apart > 0.9
    assert merged < ceiling_without_speakers() + 0.05


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"width": 12, "heads": 8},
        {"width": 9, "heads": 3},
        {"heads": 0},
        {"dropout": 1.0},
        {"temperature": 0.0},
        {"temperature": math.inf},
        {"soft_weight": -1.0},
        {"modalities": ()},
        {"modalities": (TEXT, TEXT)},
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(SdtOptions(), **changes)  # type: ignore[arg-type]
