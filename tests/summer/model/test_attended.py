"""What teacher and student attended to, against plain loops over their own queries and keys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from summer.classifier import Attention, Attentive, CorpusShape
from summer.conversations.batches import NO_ROW, ConversationBatch
from summer.corpus import Modality, Split
from summer.layers.attention import MultiHeadAttention
from summer.model.assembly import Teacher, build_teacher
from summer.model.attended import AttentionStep, steps_of_fusion
from summer.model.fusion import TeacherGuidedAttention
from summer.model.guided import GuidedStudent, StudentOptions, build_guided_student
from summer.options import ModelOptions
from tests.summer.made_up import DIMS, LABELS, SLOTS, batches_of_one, made_batch, made_conversations

TEXT, AUDIO, VIDEO = Modality
LENGTHS = {Split.TRAIN: (6, 1, 4)}
NOTHING_AT_ALL = 3
HOLES = {TEXT: (3,), AUDIO: (3, 4, 7, 8, 9, 10), VIDEO: (1, 3, 6)}  # audio is not in the last dialogue at all
OPTIONS = ModelOptions(
    longest_dialogue=8, width=8, heads=2, layers=2, experts=3, dropout=0.1, encoder_skip=True
)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        yield


def shape(*modalities: Modality) -> CorpusShape:
    return CorpusShape(
        feature_dims={m: DIMS[m] for m in modalities}, classes=len(LABELS), identities=SLOTS + 1
    )


def made_batch_with_holes() -> ConversationBatch:
    return made_batch(made_conversations(LENGTHS, holes=HOLES))


def teacher(**changes: Any) -> Teacher:
    return build_teacher(replace(OPTIONS, **changes), shape(TEXT)).eval()


def student(**changes: Any) -> GuidedStudent:
    """One whose attention disagrees with its teacher's by more than the limit of equation 7."""
    options = StudentOptions(model=replace(OPTIONS, **changes))
    made = build_guided_student(options, shape(*Modality), teacher(**changes)).eval()
    for part in made.student.modules():
        if isinstance(part, TeacherGuidedAttention):
            part.attention.query.weight.data.mul_(8)
    return made


def total(attention: Attention) -> Tensor:
    """(batch, query) all that an utterance attended to."""
    return torch.stack(list(attention.weights.values())).sum(dim=(0, 3))


class Inputs:
    """What goes into each attention, read at its projections, and nowhere else."""

    def __init__(self, model: nn.Module) -> None:
        self.queries: dict[MultiHeadAttention, Tensor] = {}
        self.keys: dict[MultiHeadAttention, Tensor] = {}
        for part in model.modules():
            if isinstance(part, MultiHeadAttention):
                part.query.register_forward_pre_hook(self._keep(self.queries, part))
                part.key.register_forward_pre_hook(self._keep(self.keys, part))

    @staticmethod
    def _keep(into: dict[MultiHeadAttention, Tensor], attention: MultiHeadAttention) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor]) -> None:
            into[attention] = given[0].detach()

        return hook

    def softmax(self, attention: MultiHeadAttention, place: int, usable: Tensor) -> list[list[list[float]]]:
        """By head and query, over keys: written out number by number."""
        size = attention.query.out_features // attention.heads
        asked = attention.query.weight @ self.queries[attention][place].T + attention.query.bias[:, None]
        offered = attention.key.weight @ self.keys[attention][place].T + attention.key.bias[:, None]
        asked, offered = asked.detach(), offered.detach()
        heads = [slice(head * size, (head + 1) * size) for head in range(attention.heads)]
        seq = asked.shape[1]
        return [[self._row(asked[of, i], offered[of], usable) for i in range(seq)] for of in heads]

    @staticmethod
    def _row(asked: Tensor, offered: Tensor, usable: Tensor) -> list[float]:
        scores = [float(asked @ offered[:, j]) / math.sqrt(len(asked)) for j in range(offered.shape[1])]
        grown = [
            math.exp(score) if there else 0.0 for score, there in zip(scores, usable.tolist(), strict=True)
        ]
        return [one / sum(grown) if any(grown) else 0.0 for one in grown]


def test_the_teachers_is_the_mean_over_layers_and_heads_of_its_own_softmax() -> None:
    model, batch = teacher(), made_batch_with_holes()
    inputs = Inputs(model)
    with torch.no_grad():
        _, attention = model.with_attention(batch)
    assert list(attention.weights) == [TEXT]
    layers = [layer.self_attention.attention for layer in model.layers]
    for place, usable in enumerate(batch.usable[TEXT]):
        by_step = torch.tensor([inputs.softmax(one, place, usable) for one in layers])
        expected = by_step.mean(dim=(0, 1)) * usable[:, None]
        torch.testing.assert_close(attention.weights[TEXT][place], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("guidance", ["always", "never"])
@pytest.mark.parametrize("fusion", ["guided", "self-attention"])
def test_the_students_is_that_of_its_branches_by_their_share_of_what_is_classified(
    fusion: str, guidance: str
) -> None:
    model, batch = student(fusion=fusion, guidance=guidance), made_batch_with_holes()
    inputs = Inputs(model)
    with torch.no_grad():
        output, attention = model.with_attention(batch)
    guided = fusion == "guided" and guidance == "always"
    taken = guided and any(float(1 - one) for one in _left_by_teacher(model, inputs, batch))
    assert taken == guided  # else equation 8 would not be tried
    for place in range(len(batch.rows)):
        expected = _expected(model, inputs, batch, place, output.student.modality_weights, guided)
        for modality in Modality:
            torch.testing.assert_close(
                attention.weights[modality][place], expected[modality], atol=1e-5, rtol=0
            )


def _expected(
    model: GuidedStudent,
    inputs: Inputs,
    batch: ConversationBatch,
    place: int,
    shares: Tensor,
    guided: bool,
) -> Mapping[Modality, Tensor]:
    seq = batch.rows.shape[1]
    steps = list(steps_of_fusion(model.student.fusion))
    expected = {modality: torch.zeros(seq, seq) for modality in Modality}
    for step in steps:
        weights = torch.tensor(inputs.softmax(step.attention, place, batch.usable[step.source][place]))
        if guided and step.branch != step.source:
            weights = weights * _left(model, step, inputs, batch)[place]
        of_branch = sum(one.branch == step.branch for one in steps)
        g = shares[place, :, list(Modality).index(step.branch)]
        expected[step.source] += g[:, None] * weights.mean(dim=0) / of_branch
    return expected


def _left(model: GuidedStudent, step: AttentionStep, inputs: Inputs, batch: ConversationBatch) -> Tensor:
    """(batch, 1, query, key) what equation 8 leaves of a weight."""
    level, part = next(
        (number, part)
        for number, level in enumerate(model.student.fusion.levels)
        for part in level.across.values()
        if part.attention is step.attention
    )
    theirs = model.teacher.layers[level].self_attention.attention
    mine, other = (
        one.scores(inputs.queries[one], inputs.keys[one]).mean(dim=1, keepdim=True)
        for one in (step.attention, theirs)
    )
    known = batch.usable[TEXT]
    far = ((mine - other).abs() > 0.5) & known[:, None, :, None] & known[:, None, None, :]
    return (1 - part.phi * far).detach()


def _left_by_teacher(model: GuidedStudent, inputs: Inputs, batch: ConversationBatch) -> Iterator[Tensor]:
    for step in steps_of_fusion(model.student.fusion):
        if step.branch != step.source:
            yield _left(model, step, inputs, batch).min()


@pytest.mark.parametrize("fusion", ["guided", "self-attention"])
def test_without_a_teacher_the_weights_of_a_whole_dialogue_sum_to_one(fusion: str) -> None:
    model = student(fusion=fusion, guidance="never")
    batch = made_batch(made_conversations(LENGTHS))
    _, attention = model.with_attention(batch)
    present = (batch.rows != NO_ROW).float()
    torch.testing.assert_close(total(attention), present)


def test_what_the_teacher_takes_away_goes_nowhere_else() -> None:
    model, batch = student(guidance="always"), made_batch(made_conversations(LENGTHS))
    with torch.no_grad():
        kept = total(model.with_attention(batch)[1])
    assert float(kept[0].min()) < 0.99
    assert float(kept.max()) <= 1 + 1e-6


@pytest.mark.parametrize("make", [teacher, student])
def test_holes_and_padding_are_not_looked_at_and_look_at_nothing(make: Any) -> None:
    batch = made_batch_with_holes()
    model = make()
    _, attention = model.with_attention(batch)
    for modality, weights in attention.weights.items():
        absent = ~batch.usable[modality]
        assert not weights.transpose(1, 2)[absent].any()
        assert weights[~absent].any()
    looking = batch.any_usable(model.modalities)
    assert not total(attention)[~looking].any()
    assert (total(attention)[looking] > 0).all()
    assert not looking[batch.rows == NOTHING_AT_ALL].any()


@pytest.mark.parametrize("make", [teacher, student])
def test_a_padded_dialogue_attends_like_the_same_dialogue_alone(make: Any) -> None:
    model, conversations = make(), made_conversations(LENGTHS, holes=HOLES)
    _, together = model.with_attention(made_batch(conversations))
    for place, alone in enumerate(batches_of_one(conversations)):
        _, attention = model.with_attention(alone)
        length = alone.rows.shape[1]
        for modality, weights in attention.weights.items():
            torch.testing.assert_close(
                together.weights[modality][place, :length, :length], weights[0], atol=1e-5, rtol=0
            )


@pytest.mark.parametrize("make", [teacher, student])
def test_the_pass_that_tells_says_the_same_as_the_one_that_does_not(make: Any) -> None:
    model, batch = make(), made_batch_with_holes()
    assert isinstance(model, Attentive)
    told, _ = model.with_attention(batch)
    plain = model(batch)
    assert torch.equal(model.outlook(told, batch).logits, model.outlook(plain, batch).logits)
    assert all(not part._forward_hooks for part in model.modules())
