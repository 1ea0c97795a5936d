"""Teacher and student whole: padding, holes, determinism, gradients, and what each ablation leaves in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from summer.classifier import CorpusShape
from summer.conversations.batches import NO_ROW, ConversationBatch
from summer.corpus import Modality, Split
from summer.model.assembly import (
    Student,
    StudentOutput,
    Teacher,
    TeacherOutput,
    build_student,
    build_teacher,
)
from summer.model.distillation import distillation_losses, smooth_loss
from summer.model.fusion import TeacherGuidedAttention
from summer.options import LossWeights, ModelOptions
from tests.summer.made_up import DIMS, LABELS, SLOTS, batches_of_one, made_batch, made_conversations

TEXT, AUDIO, VIDEO = Modality
LENGTHS = {Split.TRAIN: (6, 1, 4)}
NOTHING_AT_ALL = 3  # a row that no modality has
HOLES = {TEXT: (3,), AUDIO: (3, 4, 7, 8, 9, 10), VIDEO: (1, 3, 6)}  # audio is not in the last dialogue at all
KAPPAS = LossWeights(cross=0.3, align=0.5, inner=0.7, smooth=1.0, epsilon=0.9)
VARIANTS: list[dict[str, Any]] = [
    {},
    {"routing": "dense"},
    {"routing": "top-k"},
    {"fusion": "self-attention"},
    {"mixture": "product"},
    {"mixture": "mean"},
    {"encoder_skip": False},
    {"emotion_attention": "replaces", "embedding_norm": False},
    {"agreement": "head-by-head"},
    {"threshold": "hard"},
]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        yield


def options(**changes: Any) -> ModelOptions:
    plain = ModelOptions(
        longest_dialogue=8, width=8, heads=2, layers=2, experts=3, dropout=0.1, encoder_skip=True
    )
    return replace(plain, **changes)


def shape(*modalities: Modality) -> CorpusShape:
    return CorpusShape(
        feature_dims={m: DIMS[m] for m in modalities or tuple(Modality)},
        classes=len(LABELS),
        identities=SLOTS + 1,
    )


def batch_with(holes: dict[Modality, tuple[int, ...]]) -> ConversationBatch:
    return made_batch(made_conversations(LENGTHS, holes=holes))


def both(teacher: Teacher, student: Student, batch: ConversationBatch) -> tuple[TeacherOutput, StudentOutput]:
    taught = teacher(batch)
    return taught, student(batch, taught.guidance)


def pair(**changes: Any) -> tuple[Teacher, Student]:
    made = options(**changes)
    return build_teacher(made, shape(TEXT)).eval(), build_student(made, shape()).eval()


def student_loss(
    teacher: Teacher, taught: TeacherOutput, output: StudentOutput, batch: ConversationBatch
) -> Tensor:
    terms = distillation_losses(
        KAPPAS,
        classifier=teacher.classifier,
        logits=output.logits,
        branches=output.branches,
        usable=batch.usable,
        teacher_features=taught.features,
        teacher_usable=taught.guidance.usable,
        labels=batch.labels,
        class_weights=None,
    )
    return terms["total"]


def without_gradient(model: nn.Module) -> list[str]:
    """Parameters that no loss moves. A bias of keys never does: a softmax ignores shifts."""
    return [
        name
        for name, parameter in model.named_parameters()
        if not name.endswith("attention.key.bias") and (parameter.grad is None or not parameter.grad.any())
    ]


def make_attention_disagree(student: Student) -> None:
    """New weights of this width hardly disagree by the limit of equation 7, and phi would do nothing."""
    for part in student.modules():
        if isinstance(part, TeacherGuidedAttention):
            part.attention.query.weight.data.mul_(8)


@pytest.mark.parametrize("holes", [{}, HOLES])
@pytest.mark.parametrize("variant", [*VARIANTS, {"fusion_residual": False}])
def test_a_padded_dialogue_is_classified_like_the_same_dialogue_alone(
    variant: dict[str, Any], holes: dict[Modality, tuple[int, ...]]
) -> None:
    conversations = made_conversations(LENGTHS, holes=holes)
    teacher, student = pair(**variant)
    with torch.no_grad():
        taught, output = both(teacher, student, made_batch(conversations))
        for number, alone in enumerate(batches_of_one(conversations)):
            length = alone.rows.shape[1]
            taught_alone, output_alone = both(teacher, student, alone)
            for together, one in ((taught, taught_alone), (output, output_alone)):
                torch.testing.assert_close(together.logits[number, :length], one.logits[0], atol=1e-5, rtol=0)
            for m, branch in output.branches.items():
                torch.testing.assert_close(
                    branch[number, :length], output_alone.branches[m][0], atol=1e-5, rtol=0
                )


def test_what_stands_where_a_modality_is_missing_is_never_read() -> None:
    teacher, student = pair()
    batch = batch_with(HOLES)
    spoiled = replace(
        batch,
        features={
            m: vectors.masked_fill(~batch.usable[m].unsqueeze(-1), torch.nan)
            for m, vectors in batch.features.items()
        },
    )
    plain, other = both(teacher, student, batch), both(teacher, student, spoiled)
    assert torch.equal(plain[0].logits, other[0].logits)
    assert torch.equal(plain[1].logits, other[1].logits)
    student_loss(teacher, *other, spoiled).backward()
    assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)


def test_an_utterance_without_any_modality_is_finite_and_counts_in_no_loss() -> None:
    teacher, student = pair()
    batch = batch_with(HOLES)
    taught, output = both(teacher, student, batch)
    place = tuple((batch.rows == NOTHING_AT_ALL).nonzero()[0].tolist())
    assert output.logits.isfinite().all()
    torch.testing.assert_close(output.logits[place], student.classifier.bias)
    labels = batch.labels.clone()
    labels[place] = (labels[place] + 1) % len(LABELS)
    other = replace(batch, labels=labels)
    loss = student_loss(teacher, taught, output, batch)
    assert torch.equal(loss, student_loss(teacher, taught, output, other))
    labels[0, 0] = (labels[0, 0] + 1) % len(LABELS)
    assert not torch.equal(loss, student_loss(teacher, taught, output, other))


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    teacher, student = pair(dropout=0.0)  # so that only the noise of the routing differs
    batch = batch_with(HOLES)
    first, second = both(teacher, student, batch), both(teacher, student, batch)
    assert torch.equal(first[0].logits, second[0].logits)
    assert torch.equal(first[1].logits, second[1].logits)
    teacher.train()
    student.train()
    first, second = both(teacher, student, batch), both(teacher, student, batch)
    assert not torch.equal(first[0].logits, second[0].logits)
    assert not torch.equal(first[1].logits, second[1].logits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_parameter_of_teacher_and_student_and_only_theirs(
    variant: dict[str, Any],
) -> None:
    teacher, student = pair(**variant)
    batch = made_batch(made_conversations({Split.TRAIN: (8, 5, 7, 1)}, holes={AUDIO: (1,), VIDEO: (4, 9)}))
    taught = teacher(batch)
    smooth_loss(taught.logits, batch.labels, batch.usable[TEXT], epsilon=0.9).backward()
    assert without_gradient(teacher) == []
    make_attention_disagree(student)
    teacher.zero_grad(set_to_none=True)
    teacher.requires_grad_(False)
    student_loss(teacher, *both(teacher, student, batch), batch).backward()
    assert without_gradient(student) == []
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_without_guidance_only_phi_is_not_trained() -> None:
    _, student = pair()
    batch = batch_with({})
    smooth_loss(student(batch, None).logits, batch.labels, batch.rows != NO_ROW, epsilon=0.9).backward()
    assert {name.rpartition(".")[2] for name in without_gradient(student)} == {"phi_logit"}


def test_the_residual_of_the_fusion_is_what_the_options_say() -> None:
    for residual in (True, False):
        _, student = pair(fusion_residual=residual)
        guided = [part for part in student.modules() if isinstance(part, TeacherGuidedAttention)]
        assert guided
        assert {part.residual for part in guided} == {residual}


@pytest.mark.parametrize("modalities", [(AUDIO,), (VIDEO,), (TEXT, VIDEO), (AUDIO, VIDEO)])
@pytest.mark.parametrize("fusion", ["guided", "self-attention"])
def test_students_of_one_and_of_two_modalities_work(modalities: tuple[Modality, ...], fusion: str) -> None:
    conversations = made_conversations(LENGTHS, modalities=modalities, holes={modalities[0]: (2,)})
    teacher = build_teacher(options(), shape(modalities[0])).eval()
    student = build_student(options(fusion=fusion), shape(*modalities)).eval()
    batch = made_batch(conversations)
    taught, output = both(teacher, student, batch)
    assert output.logits.shape == (3, 6, len(LABELS))
    assert output.modality_weights.shape == (3, 6, len(modalities))
    assert tuple(output.branches) == modalities
    assert student_loss(teacher, taught, output, batch).isfinite()


def test_a_modality_that_an_utterance_lacks_has_no_weight() -> None:
    _, student = pair()
    batch = batch_with(HOLES)
    output = student(batch, None)
    for place, modality in enumerate(Modality):
        weights = output.modality_weights[..., place]
        assert torch.equal(weights > 0, batch.usable[modality])
        assert torch.equal(output.kept[modality].any(dim=-1), batch.usable[modality])


def test_the_teacher_guides_the_student_only_as_far_as_phi_goes() -> None:
    teacher, student = pair()
    batch = batch_with({})
    taught = teacher(batch)
    guided, free = student(batch, taught.guidance).logits, student(batch, None).logits
    assert not torch.allclose(guided, free)
    for part in student.modules():
        if isinstance(part, TeacherGuidedAttention):
            nn.init.constant_(part.phi_logit, -1e3)
    torch.testing.assert_close(student(batch, taught.guidance).logits, free)


def test_the_teacher_shows_the_scores_of_each_of_its_layers() -> None:
    teacher, _ = pair()
    batch = batch_with(HOLES)
    taught = teacher(batch)
    assert [tuple(scores.shape) for scores in taught.guidance.scores] == [(3, 2, 6, 6)] * 2
    assert torch.equal(taught.guidance.usable, batch.usable[TEXT])
    torch.testing.assert_close(taught.logits, teacher.classifier(taught.features))


def test_models_are_rebuilt_from_their_options_and_shape() -> None:
    teacher, student = pair()
    again_teacher, again_student = pair()
    again_teacher.load_state_dict(teacher.state_dict())
    again_student.load_state_dict(student.state_dict())
    batch = batch_with(HOLES)
    for one, other in zip(
        both(teacher, student, batch), both(again_teacher, again_student, batch), strict=True
    ):
        assert torch.equal(one.logits, other.logits)


def test_options_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a teacher has one modality, not 3"):
        build_teacher(options(), shape())
    with pytest.raises(ValueError, match="width is 7; give an even multiple of the 1 heads"):
        options(width=7, heads=1)
    with pytest.raises(ValueError, match="width is 8; give an even multiple of the 3 heads"):
        options(heads=3)


def test_layers_refuse_a_width_that_does_not_divide_by_themselves() -> None:
    """Whoever goes past the options is told the same."""
    odd, uneven = options(), options()
    object.__setattr__(odd, "width", 7)
    object.__setattr__(odd, "heads", 1)
    object.__setattr__(uneven, "heads", 3)
    with pytest.raises(ValueError, match="width 7 is odd"):
        build_student(odd, shape())
    with pytest.raises(ValueError, match="width 8 is no multiple of 3 heads"):
        build_student(uneven, shape())


def test_the_teacher_draws_the_experts_that_it_keeps_and_shows_f_tr() -> None:
    teacher, _ = pair()
    batch = batch_with(HOLES)
    output = teacher(batch)
    outlook = teacher.outlook(output, batch)
    assert teacher.modalities == (TEXT,)
    assert torch.equal(outlook.logits, output.logits)
    assert torch.equal(outlook.features, output.features)
    assert outlook.drawn.keys() == {"kept_experts"}
    assert outlook.drawn["kept_experts"].keys() == {"text"}
    measure = outlook.drawn["kept_experts"]["text"]
    assert torch.equal(measure.values, output.kept[TEXT])
    assert torch.equal(measure.counted, batch.usable[TEXT])
