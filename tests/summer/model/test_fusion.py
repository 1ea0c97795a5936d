"""Equations 7 to 10 against loops in numpy: what the teacher masks, what it cannot, and in which order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from summer.corpus import Modality
from summer.layers.attention import weights_of_usable
from summer.model.fusion import (
    DISAGREEMENT_LIMIT,
    SOFTNESS,
    FusionLevel,
    Guidance,
    HierarchicalFusion,
    SelfAttentionFusion,
    TeacherGuidedAttention,
    disagreement,
)
from summer.options import Agreement, Threshold
from tests.summer.layers.test_attention import copy_attention, twin_of_layer

WIDTH, HEADS, LENGTH = 8, 2, 5
TEXT, AUDIO, VIDEO = Modality
USABLE = {
    TEXT: torch.tensor([[True, True, True, True, True], [True, True, True, False, False]]),
    AUDIO: torch.tensor([[True, False, True, True, True], [False, True, True, False, False]]),
    VIDEO: torch.tensor([[True, True, True, False, True], [False, False, False, False, False]]),
}
AGREEMENTS: tuple[Agreement, ...] = get_args(Agreement)
THRESHOLDS: tuple[Threshold, ...] = get_args(Threshold)
READINGS = list(itertools.product(AGREEMENTS, THRESHOLDS))
ORDERS = {TEXT: (AUDIO, VIDEO), AUDIO: (TEXT, VIDEO), VIDEO: (TEXT, AUDIO)}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        yield


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def step(
    *,
    phi_logit: float = 0.0,
    agreement: Agreement = "mean-of-heads",
    threshold: Threshold = "straight-through",
    residual: bool = True,
) -> TeacherGuidedAttention:
    part = TeacherGuidedAttention(
        width=WIDTH,
        heads=HEADS,
        dropout=0.0,
        agreement=agreement,
        threshold=threshold,
        residual=residual,
    ).double()
    with torch.no_grad():
        part.phi_logit.fill_(phi_logit)
        part.norm.weight.copy_(1 + 0.3 * torch.randn(WIDTH))
        part.norm.bias.copy_(0.3 * torch.randn(WIDTH))
    return part


def taught(teacher: Tensor | None, known: Tensor | None = None) -> dict[str, Tensor | None]:
    everywhere = torch.ones(2, LENGTH, dtype=torch.bool)
    usable = None if teacher is None else everywhere if known is None else known
    return {"teacher_scores": teacher, "teacher_usable": usable}


def linear(layer: nn.Linear, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return layer.weight.detach().numpy() @ vector + layer.bias.detach().numpy()


def masked_by_loops(
    part: TeacherGuidedAttention,
    hidden: Tensor,
    other: Tensor,
    *,
    usable: Tensor,
    teacher: Tensor,
    known: Tensor,
    agreement: Agreement,
) -> NDArray[np.float64]:
    """Equations 7 and 8 and the residual, one query, head and key at a time."""
    attention, size, phi = part.attention, WIDTH // HEADS, part.phi.item()
    fused = np.zeros(hidden.shape)
    for batch, i in np.ndindex(*hidden.shape[:2]):
        joined = np.zeros(WIDTH)
        keys = np.flatnonzero(usable[batch].numpy())
        scores: dict[int, dict[int, float]] = {}
        for head in range(HEADS):
            of_head = slice(head * size, (head + 1) * size)
            query = linear(attention.query, hidden[batch, i].numpy())[of_head]
            scores[head] = {
                j: query @ linear(attention.key, other[batch, j].numpy())[of_head] / math.sqrt(size)
                for j in keys
            }
        for head in range(HEADS):
            of_head = slice(head * size, (head + 1) * size)
            compared = range(HEADS) if agreement == "mean-of-heads" else [head]
            for j in keys:
                weight = np.exp(scores[head][j]) / sum(np.exp(score) for score in scores[head].values())
                taught_there = sum(teacher[batch, h, i, j].item() for h in compared) / len(compared)
                learned_there = sum(scores[h][j] for h in compared) / len(compared)
                differs = abs(taught_there - learned_there) > 0.5
                masked = 1 if differs and known[batch, i] and known[batch, j] else 0
                value = linear(attention.value, other[batch, j].numpy())[of_head]
                joined[of_head] += (1 - phi * masked) * weight * value
        attended = linear(attention.out, joined) if len(keys) else np.zeros(WIDTH)
        fused[batch, i] = normed(part.norm, hidden[batch, i].numpy() + attended)
    return fused


def normed(norm: nn.LayerNorm, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = (vector - vector.mean()) / np.sqrt(vector.var() + norm.eps)
    return scaled * norm.weight.detach().numpy() + norm.bias.detach().numpy()


@pytest.mark.parametrize("key", [AUDIO, VIDEO])
@pytest.mark.parametrize(("agreement", "threshold"), READINGS)
def test_equations_7_and_8_are_what_loops_make_of_them(
    agreement: Agreement, threshold: Threshold, key: Modality
) -> None:
    part = step(phi_logit=0.7, agreement=agreement, threshold=threshold)
    hidden, other = double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH)
    teacher = 0.6 * double(2, HEADS, LENGTH, LENGTH)
    known = USABLE[TEXT]
    expected = masked_by_loops(
        part, hidden, other, usable=USABLE[key], teacher=teacher, known=known, agreement=agreement
    )
    fused = part(hidden, other=other, usable=USABLE[key], **taught(teacher, known))
    np.testing.assert_allclose(fused.detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(("agreement", "threshold"), READINGS)
def test_the_mask_is_one_beyond_the_limit_on_either_side_and_not_at_it(
    agreement: Agreement, threshold: Threshold
) -> None:
    student = torch.zeros(1, 1, 1, 5)
    teacher = torch.tensor([0.5, 0.75, -0.5, -0.75, 0.0]).view(1, 1, 1, 5)
    assert DISAGREEMENT_LIMIT == 0.5
    squares = (torch.zeros(1, 1, 5, 5) + teacher, student.expand(1, 1, 5, 5))
    known = torch.ones(1, 5, dtype=torch.bool)
    masked = disagreement(*squares, known, agreement=agreement, threshold=threshold)
    assert masked[0, 0].tolist() == [[0, 1, 0, 1, 0]] * 5


@pytest.mark.parametrize(("agreement", "threshold"), READINGS)
def test_the_mask_is_zero_where_the_teacher_has_no_vector(agreement: Agreement, threshold: Threshold) -> None:
    known = torch.tensor([[True, False, True]])
    student = torch.zeros(1, 1, 3, 3, requires_grad=True)
    masked = disagreement(
        torch.full((1, 1, 3, 3), 0.75), student, known, agreement=agreement, threshold=threshold
    )
    assert masked[0, 0].tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    if threshold == "straight-through":
        masked.sum().backward()
        assert student.grad is not None
        assert torch.equal(student.grad != 0, masked.detach() == 1)


def test_means_of_heads_agree_whatever_the_order_of_the_heads() -> None:
    """Heads of two networks have no common order: the same scores in another order are no disagreement."""
    scores, known = 3 * double(2, HEADS, LENGTH, LENGTH), torch.ones(2, LENGTH, dtype=torch.bool)
    swapped = scores.flip(1)
    means = disagreement(swapped, scores, known, agreement="mean-of-heads", threshold="hard")
    assert means.shape == (2, 1, LENGTH, LENGTH)
    assert not means.any()
    by_head = disagreement(swapped, scores, known, agreement="head-by-head", threshold="hard")
    assert by_head.shape == scores.shape
    assert by_head.mean() > 0.5


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_the_gradient_of_the_threshold_is_that_of_the_sigmoid(agreement: Agreement) -> None:
    """Finite differences of the sum of sigmoid((|s_tr - s_st| - 0.5) / 0.25), in numpy."""
    teacher, student = double(1, HEADS, 3, 3), double(1, HEADS, 3, 3).requires_grad_()
    weights, known = np.random.default_rng(0).normal(size=(3, 3)), torch.ones(1, 3, dtype=torch.bool)

    def soft(scores: NDArray[np.float64]) -> float:
        difference = teacher.numpy() - scores
        if agreement == "mean-of-heads":
            difference = difference.mean(axis=1, keepdims=True)
        return float((weights / (1 + np.exp((0.5 - np.abs(difference)) / 0.25))).sum())

    assert SOFTNESS == 0.25
    masked = disagreement(teacher, student, known, agreement=agreement, threshold="straight-through")
    (masked * torch.from_numpy(weights)).sum().backward()
    assert student.grad is not None
    at, step_size = student.detach().numpy(), 1e-6
    for place in np.ndindex(*at.shape):
        moved = np.zeros(at.shape)
        moved[place] = step_size
        slope = (soft(at + moved) - soft(at - moved)) / (2 * step_size)
        assert student.grad[place].item() == pytest.approx(slope, abs=1e-7)


def test_a_hard_threshold_has_no_gradient_and_the_same_mask() -> None:
    teacher, student = double(1, HEADS, 3, 3), double(1, HEADS, 3, 3).requires_grad_()
    known = torch.ones(1, 3, dtype=torch.bool)
    hard, soft = (
        disagreement(teacher, student, known, agreement="mean-of-heads", threshold=threshold)
        for threshold in ("hard", "straight-through")
    )
    assert torch.equal(hard, soft)
    assert soft.requires_grad
    assert not hard.requires_grad


def test_the_teacher_pulls_the_students_scores_towards_its_own() -> None:
    """What 5b asks of equation 7: less of what is masked is more of what both agree on."""
    part, hidden, other = step(), double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH)
    teacher = part.attention.scores(hidden, other).detach().mean(1, keepdim=True).expand(-1, HEADS, -1, -1)
    scores = (teacher + 0.7 * torch.randn_like(teacher).sign()).requires_grad_()
    known = torch.ones(2, LENGTH, dtype=torch.bool)
    masked = disagreement(teacher, scores, known, agreement="head-by-head", threshold="straight-through")
    masked.sum().backward()
    assert scores.grad is not None
    assert torch.equal(scores.grad.sign(), (scores - teacher).detach().sign())


def test_without_a_teacher_it_is_torchs_attention_with_a_residual() -> None:
    part, hidden, other = step(), double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    copy_attention(part.attention, theirs)
    usable = USABLE[AUDIO]
    attended, _ = theirs(hidden, other, other, key_padding_mask=~usable)
    fused = part(hidden, other=other, usable=usable, **taught(None))
    torch.testing.assert_close(fused, part.norm(hidden + attended))


def test_phi_of_zero_is_plain_attention_and_of_one_removes_what_disagrees() -> None:
    hidden, other, usable = double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH), USABLE[AUDIO]
    none, all_of_it = step(phi_logit=-1e3), step(phi_logit=1e3)
    assert (none.phi.item(), all_of_it.phi.item()) == (0.0, 1.0)
    far = torch.full((2, HEADS, LENGTH, LENGTH), 1e3, dtype=torch.float64)
    plain = none(hidden, other=other, usable=usable, **taught(None))
    torch.testing.assert_close(none(hidden, other=other, usable=usable, **taught(far)), plain)
    bias = all_of_it.attention.out.bias  # every weight is gone: only the projection's bias is left
    removed = all_of_it(hidden, other=other, usable=usable, **taught(far))
    torch.testing.assert_close(removed, all_of_it.norm(hidden + bias))


def test_what_is_left_after_the_mask_is_not_normalised_again() -> None:
    """All disagree and phi is a half: as if every value were half itself."""
    part, hidden, other = step(), double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH)
    far = torch.full((2, HEADS, LENGTH, LENGTH), 1e3, dtype=torch.float64)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    copy_attention(part.attention, theirs)
    attended, _ = theirs(hidden, other, other, key_padding_mask=~USABLE[AUDIO])
    bias = part.attention.out.bias
    fused = part(hidden, other=other, usable=USABLE[AUDIO], **taught(far))
    torch.testing.assert_close(fused, part.norm(hidden + (attended - bias) / 2 + bias))


def test_a_dialogue_without_the_other_modality_keeps_its_own() -> None:
    part, hidden = step(), double(2, LENGTH, WIDTH)
    fused = part(hidden, other=double(2, LENGTH, WIDTH), usable=USABLE[VIDEO], **taught(None))
    torch.testing.assert_close(fused[1], part.norm(hidden[1]))


def test_without_the_residual_a_branch_is_what_it_attends_to_and_where_there_is_nothing_itself() -> None:
    whole, part = step(), step(residual=False)
    part.load_state_dict(whole.state_dict())
    hidden, other = double(2, LENGTH, WIDTH), double(2, LENGTH, WIDTH)
    weights = weights_of_usable(part.attention.scores(hidden, other), USABLE[VIDEO])
    attended = part.attention.attend(weights, other)
    fused = part(hidden, other=other, usable=USABLE[VIDEO], **taught(None))
    torch.testing.assert_close(fused[0], part.norm(attended[0]))
    torch.testing.assert_close(fused[1], part.norm(hidden[1]))
    assert not torch.allclose(fused[0], whole(hidden, other=other, usable=USABLE[VIDEO], **taught(None))[0])


def levels(count: int) -> HierarchicalFusion:
    fusion = HierarchicalFusion(
        [
            FusionLevel(
                tuple(Modality),
                width=WIDTH,
                heads=HEADS,
                dropout=0.0,
                agreement="mean-of-heads",
                threshold="straight-through",
            )
            for _ in range(count)
        ]
    ).double()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fusion


def branches() -> dict[Modality, Tensor]:
    return {m: double(2, LENGTH, WIDTH) * USABLE[m].unsqueeze(-1) for m in Modality}


def guidance(count: int) -> Guidance:
    return Guidance(scores=[double(2, HEADS, LENGTH, LENGTH) for _ in range(count)], usable=USABLE[TEXT])


def test_levels_fuse_each_branch_with_the_others_in_the_papers_order() -> None:
    fusion, inputs, teacher = levels(2), branches(), guidance(2)
    hidden = dict(inputs)
    for level, scores in zip(fusion.levels, teacher.scores, strict=True):
        within = {m: level.within[m](hidden[m], USABLE[m])[0] for m in Modality}
        for m, (first, second) in ORDERS.items():
            fused = within[m]
            for other in (first, second):  # (9), then (10)
                fused = level.across[f"{m}_from_{other}"](
                    fused, other=within[other], usable=USABLE[other], **taught(scores, USABLE[TEXT])
                )
            hidden[m] = level.feed_forward[m](fused)
    result = fusion(inputs, USABLE, teacher)
    assert tuple(result) == (TEXT, AUDIO, VIDEO)
    for m in Modality:
        torch.testing.assert_close(result[m], hidden[m])


def test_each_level_hears_the_teachers_layer_of_its_own_number() -> None:
    fusion, inputs, teacher = levels(2), branches(), guidance(2)
    plain = fusion(inputs, USABLE, teacher)
    swapped = Guidance(scores=[teacher.scores[1], teacher.scores[0]], usable=teacher.usable)
    assert not torch.allclose(fusion(inputs, USABLE, swapped)[TEXT], plain[TEXT])
    assert not torch.allclose(fusion(inputs, USABLE, None)[TEXT], plain[TEXT])


def test_a_padded_dialogue_fuses_like_the_same_dialogue_alone() -> None:
    fusion, inputs, teacher = levels(2), branches(), guidance(2)
    alone = fusion(
        {m: vectors[1:, :3] for m, vectors in inputs.items()},
        {m: usable[1:, :3] for m, usable in USABLE.items()},
        Guidance(scores=[s[1:, :, :3, :3] for s in teacher.scores], usable=teacher.usable[1:, :3]),
    )
    together = fusion(inputs, USABLE, teacher)
    for m in Modality:
        torch.testing.assert_close(together[m][1:, :3], alone[m], atol=1e-5, rtol=0)


def test_what_stands_in_rows_that_are_not_usable_changes_no_usable_row() -> None:
    fusion, inputs = levels(2), branches()
    other = {m: torch.where(USABLE[m].unsqueeze(-1), vectors, 50.0) for m, vectors in inputs.items()}
    teacher = guidance(2)
    plain, spoiled = fusion(inputs, USABLE, teacher), fusion(other, USABLE, teacher)
    for m in Modality:
        torch.testing.assert_close(spoiled[m][USABLE[m]], plain[m][USABLE[m]])


def test_a_teacher_of_another_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="the teacher has 3 layers, the student 2 levels"):
        levels(2)(branches(), USABLE, guidance(3))


def test_the_ablation_is_torchs_encoder_of_each_modality() -> None:
    inputs = branches()
    fusion = SelfAttentionFusion(tuple(Modality), layers=2, width=WIDTH, heads=HEADS, dropout=0.0).double()
    result = fusion(inputs, USABLE, guidance(2))
    for m in (TEXT, AUDIO):
        expected = inputs[m]
        for layer in fusion.branches[m]:
            expected = twin_of_layer(layer)(expected, src_key_padding_mask=~USABLE[m])
        torch.testing.assert_close(result[m], expected)
