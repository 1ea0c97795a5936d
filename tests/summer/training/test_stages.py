"""The two stages: what their losses are made of, who is frozen, how much a class counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from summer.model.assembly import ModelSizes, build_student, build_teacher
from summer.options import GuidanceUse, LossWeights
from summer.training.preparation import Material
from summer.training.stages import StudentStage, TeacherStage, trainable_parameters, weights_of_classes
from tests.summer.made_up_training import TWO_MODALITIES, are_equal, made_material, weights_of

TRUTHS = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # 6 and 2 of 8


def sizes_of(*modalities: Modality) -> ModelSizes:
    return ModelSizes(
        feature_dims={m: {"text": 6, "audio": 4}[m.value] for m in modalities},
        classes=3,
        identities=5,
        longest_dialogue=8,
        width=8,
        heads=2,
        layers=1,
        experts=2,
        dropout=0.1,
        encoder_skip=False,
    )


def made_stages(
    weights: LossWeights | None = None,
    *,
    guidance: GuidanceUse = "always",
    class_weights: torch.Tensor | None = None,
) -> tuple[TeacherStage, StudentStage]:
    torch.manual_seed(5)
    teacher = build_teacher(sizes_of(Modality.TEXT))
    weights = weights or LossWeights()
    student = StudentStage(
        build_student(sizes_of(*TWO_MODALITIES)),
        teacher=teacher,
        weights=weights,
        class_weights=class_weights,
        guidance=guidance,
    )
    return TeacherStage(teacher, epsilon=weights.epsilon, class_weights=class_weights), student


def batch_of(material: Material, split: Split = Split.TRAIN) -> ConversationBatch:
    return material.dealer.batch(material.dealer.of_split(split))


def test_rare_classes_count_more_and_an_utterance_1_on_average() -> None:
    balanced = weights_of_classes(TRUTHS, classes=2, weighting="balanced")
    root = weights_of_classes(TRUTHS, classes=2, weighting="root")
    assert balanced is not None
    assert root is not None
    # rarity is 8/6 and 8/2; its mean over the 8 utterances is (6 * 8/6 + 2 * 8/2) / 8 = 2
    assert balanced.tolist() == pytest.approx([4 / 6, 2.0])
    # the roots are sqrt(4/3) and 2; their mean is (6 * sqrt(4/3) + 2 * 2) / 8
    mean = (6 * math.sqrt(4 / 3) + 4) / 8
    assert root.tolist() == pytest.approx([math.sqrt(4 / 3) / mean, 2 / mean])
    for weights in (balanced, root):
        assert float(weights[torch.tensor(TRUTHS)].mean()) == pytest.approx(1)


@pytest.mark.parametrize("weighting", ["balanced", "root"])
def test_a_class_without_utterances_counts_as_a_rarest_one_and_moves_no_mean(weighting: str) -> None:
    truths = np.array([0, 0, 0, 1, 2, 2])
    weights = weights_of_classes(truths, classes=4, weighting=weighting)  # type: ignore[arg-type]
    assert weights is not None
    assert torch.isfinite(weights).all()
    assert float(weights[3]) == pytest.approx(float(weights[1]))
    assert float(weights[torch.tensor(truths)].mean()) == pytest.approx(1)


def test_no_weighting_is_no_weights() -> None:
    assert weights_of_classes(TRUTHS, classes=3, weighting="none") is None


def test_the_teachers_loss_is_cross_entropy_against_smoothed_labels_where_it_has_a_vector() -> None:
    material = made_material(holes={Modality.TEXT: [1, 6]})
    batch = batch_of(material)
    stage = made_stages()[0].eval()
    logits = stage.outlook(batch).logits.double()
    counted = batch.usable[Modality.TEXT] & (batch.labels >= 0)
    surprises = []
    for row, truth in zip(logits[counted].tolist(), batch.labels[counted].tolist(), strict=True):
        log_sum = math.log(sum(math.exp(value) for value in row))
        shares = [0.9 if cls == truth else 0.05 for cls in range(3)]
        surprises.append(sum(-share * (value - log_sum) for share, value in zip(shares, row, strict=True)))
    losses = stage(batch)
    assert len(surprises) == 21 - 2
    assert float(losses["total"]) == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)
    assert losses.keys() == {"smooth", "total"}


def test_the_students_total_is_the_weighted_sum_of_its_terms() -> None:
    weights = LossWeights(cross=0.2, align=0.7, inner=0.05, smooth=1.5)
    with torch.no_grad():
        losses = made_stages(weights)[1].eval()(batch_of(made_material()))
    expected = sum(
        getattr(weights, name) * float(losses[name]) for name in ("cross", "align", "inner", "smooth")
    )
    assert float(losses["total"]) == pytest.approx(expected, rel=1e-5)
    assert all(float(losses[name]) > 0 for name in ("cross", "align", "inner", "smooth"))


@pytest.mark.parametrize("which", [0, 1])
def test_class_weights_change_the_loss_and_equal_ones_do_not(which: int) -> None:
    batch = batch_of(made_material())
    totals = [
        made_stages(class_weights=weights)[which].eval()(batch)["total"].item()
        for weights in (None, torch.ones(3), torch.tensor([3.0, 1.0, 0.2]))
    ]
    assert totals[1] == pytest.approx(totals[0], rel=1e-5)
    assert abs(totals[2] - totals[0]) > 1e-4


def test_the_teacher_stays_frozen_and_in_evaluation_mode_while_the_student_trains() -> None:
    _, stage = made_stages()
    stage.train()
    assert stage.model.training
    assert not any(module.training for module in stage.teacher.modules())
    trainable = {id(parameter) for parameter in trainable_parameters(stage)}
    assert trainable == {id(parameter) for parameter in stage.model.parameters()}
    stage(batch_of(made_material()))["total"].backward()
    assert all(parameter.grad is None for parameter in stage.teacher.parameters())
    stage.eval()
    assert not stage.model.training


def test_steps_of_the_student_leave_the_teacher_bit_for_bit_as_it_was() -> None:
    _, stage = made_stages()
    batch = batch_of(made_material())
    teacher, student = weights_of(stage.teacher), weights_of(stage.model)
    adam = torch.optim.Adam(
        stage.parameters(), lr=0.1, weight_decay=0.1
    )  # would move all that has a gradient
    stage.train()
    for _ in range(3):
        adam.zero_grad()
        stage(batch)["total"].backward()
        adam.step()
    assert are_equal(weights_of(stage.teacher), teacher)
    assert not are_equal(weights_of(stage.model), student)


def test_guidance_at_inference_only_where_it_is_always_on() -> None:
    batch = batch_of(made_material())
    logits: dict[str, torch.Tensor] = {}
    for guidance in ("always", "train", "never"):
        _, stage = made_stages(guidance=guidance)  # type: ignore[arg-type]
        for level in stage.model.modules():  # phi 1: what the teacher masks is masked wholly
            if hasattr(level, "phi_logit"):
                level.phi_logit.data.fill_(9.0)
        logits[guidance] = stage.eval().outlook(batch).logits
    assert torch.equal(logits["train"], logits["never"])
    assert not torch.equal(logits["always"], logits["never"])


def test_guidance_in_training_unless_never() -> None:
    batch = batch_of(made_material())
    smooth = {
        guidance: made_stages(guidance=guidance)[1].eval()(batch)["smooth"].item()  # type: ignore[arg-type]
        for guidance in ("always", "train", "never")
    }
    assert smooth["always"] == smooth["train"] != smooth["never"]


def test_a_stage_tells_which_modalities_it_reads() -> None:
    teacher, student = made_stages()
    assert teacher.modalities == (Modality.TEXT,)
    assert student.modalities == TWO_MODALITIES
    outlook = student.eval().outlook(batch_of(made_material()))
    assert outlook.modality_weights is not None
    assert outlook.kept.keys() == set(TWO_MODALITIES)
    assert teacher.eval().outlook(batch_of(made_material())).modality_weights is None


def test_an_utterance_that_lacks_the_teachers_modality_does_not_move_what_compares_with_it() -> None:
    """Its row of the teacher is nothing to imitate: cross and inner leave it out, align and smooth do not."""
    material = made_material(holes={Modality.TEXT: [0]})
    batch = batch_of(material)
    _, stage = made_stages(guidance="never")
    relabelled = batch.labels.clone()
    relabelled[batch.rows == 0] = (relabelled[batch.rows == 0] + 1) % 3
    before = stage.eval()(batch)
    after = stage(replace(batch, labels=relabelled))
    assert before["cross"].item() == after["cross"].item()
    assert before["inner"].item() == after["inner"].item()
    assert before["align"].item() != after["align"].item()
    assert before["smooth"].item() != after["smooth"].item()
