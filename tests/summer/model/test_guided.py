"""The student and its teacher: what its losses are made of, who is frozen, and when the teacher guides."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.model.distillation import SmoothedTruthLoss
from summer.model.guided import GuidedStudent, StudentOptions, build_guided_student
from summer.options import GuidanceUse, LossWeights
from summer.training.stages import trainable_parameters
from tests.summer.made_up_training import (
    SETTINGS,
    TWO_MODALITIES,
    are_equal,
    batch_of,
    made_material,
    made_pair,
    made_stages,
    shape_with,
    weights_of,
)

USES: tuple[GuidanceUse, ...] = get_args(GuidanceUse)
TRUTH_LOSS = SmoothedTruthLoss(epsilon=0.9, class_weights=None)


def test_the_students_total_is_the_weighted_sum_of_its_terms() -> None:
    weights = LossWeights(cross=0.2, align=0.7, inner=0.05, smooth=1.5)
    with torch.no_grad():
        losses = made_stages(weights)[1].eval()(batch_of(made_material()))
    expected = sum(
        getattr(weights, name) * float(losses[name]) for name in ("cross", "align", "inner", "smooth")
    )
    assert float(losses["total"]) == pytest.approx(expected, rel=1e-5)
    assert all(float(losses[name]) > 0 for name in ("cross", "align", "inner", "smooth"))


def test_the_teacher_stays_frozen_and_in_evaluation_mode_while_the_student_trains() -> None:
    _, stage = made_stages()
    stage.train()
    assert stage.model.student.training
    assert not any(module.training for module in stage.model.teacher.modules())
    trainable = {id(parameter) for parameter in trainable_parameters(stage)}
    assert trainable == {id(parameter) for parameter in stage.model.student.parameters()}
    stage(batch_of(made_material()))["total"].backward()
    assert all(parameter.grad is None for parameter in stage.model.teacher.parameters())
    stage.eval()
    assert not stage.model.student.training


def test_steps_of_the_student_leave_the_teacher_bit_for_bit_as_it_was() -> None:
    _, stage = made_stages()
    batch = batch_of(made_material())
    teacher, student = weights_of(stage.model.teacher), weights_of(stage.model.student)
    adam = torch.optim.Adam(
        stage.parameters(), lr=0.1, weight_decay=0.1
    )  # would move all that has a gradient
    stage.train()
    for _ in range(3):
        adam.zero_grad()
        stage(batch)["total"].backward()
        adam.step()
    assert are_equal(weights_of(stage.model.teacher), teacher)
    assert not are_equal(weights_of(stage.model.student), student)


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


def pair_that_masks_wholly(guidance: GuidanceUse) -> GuidedStudent:
    """Phi 1 everywhere: what the teacher masks is masked wholly."""
    _, pair = made_pair(guidance=guidance, dropout=0.0)
    for level in pair.modules():
        if hasattr(level, "phi_logit"):
            level.phi_logit.data.fill_(9.0)
    return pair


def test_guidance_at_inference_only_where_it_is_always_on() -> None:
    batch = batch_of(made_material())
    logits: dict[GuidanceUse, torch.Tensor] = {}
    for guidance in USES:
        pair = pair_that_masks_wholly(guidance).eval()
        logits[guidance] = pair.outlook(pair(batch), batch).logits
    assert torch.equal(logits["train"], logits["never"])
    assert not torch.equal(logits["always"], logits["never"])


def losses_of(pair: GuidedStudent, batch: ConversationBatch) -> dict[str, float]:
    torch.manual_seed(3)  # so that the routing draws the same noise
    losses = pair.losses(pair(batch), batch, TRUTH_LOSS)
    return {name: loss.item() for name, loss in losses.items()}


def test_guidance_in_training_unless_never() -> None:
    batch = batch_of(made_material())
    smooth = {use: losses_of(pair_that_masks_wholly(use).train(), batch)["smooth"] for use in USES}
    assert smooth["always"] == smooth["train"] != smooth["never"]


def test_out_of_training_a_loss_is_that_of_the_model_as_it_predicts() -> None:
    """Where guidance is "train" the epoch is chosen by a student that nobody guides, as in its use."""
    batch = batch_of(made_material())
    losses = {use: losses_of(pair_that_masks_wholly(use).eval(), batch) for use in USES}
    assert losses["train"] == losses["never"]
    assert losses["train"]["smooth"] != losses["always"]["smooth"]


@pytest.mark.parametrize("guidance", USES)
@pytest.mark.parametrize("training", [True, False])
def test_each_of_the_two_passes_over_a_batch_once(guidance: GuidanceUse, training: bool) -> None:
    batch = batch_of(made_material())
    _, pair = made_pair(guidance=guidance)
    calls: list[str] = []
    pair.train(training)
    pair.teacher.register_forward_hook(lambda *_: calls.append("teacher"))
    pair.student.register_forward_hook(lambda *_: calls.append("student"))
    output = pair(batch)
    pair.losses(output, batch, TRUTH_LOSS)
    pair.outlook(output, batch)
    assert sorted(calls) == ["student", "teacher"]


@pytest.mark.parametrize(("guidance", "asked"), [("always", 1), ("train", 0), ("never", 0)])
def test_a_prediction_asks_the_teacher_only_where_it_guides(guidance: GuidanceUse, asked: int) -> None:
    batch = batch_of(made_material())
    _, pair = made_pair(guidance=guidance)
    calls: list[None] = []
    pair.eval().teacher.register_forward_hook(lambda *_: calls.append(None))
    pair.outlook(pair(batch), batch)
    assert len(calls) == asked


def test_the_student_reads_all_its_modalities_and_draws_experts_and_weights() -> None:
    material = made_material(holes={Modality.TEXT: [0, 1], Modality.AUDIO: [0]})
    batch = batch_of(material)
    _, pair = made_pair()
    output = pair.eval()(batch)
    outlook = pair.outlook(output, batch)
    assert pair.modalities == TWO_MODALITIES
    assert torch.equal(outlook.features, output.student.fused)
    assert outlook.drawn.keys() == {"kept_experts", "modality_weights"}
    for place, modality in enumerate(TWO_MODALITIES):
        kept, weight = (outlook.drawn[panel][modality.value] for panel in outlook.drawn)
        assert torch.equal(kept.values, output.student.kept[modality])
        assert torch.equal(kept.counted, batch.usable[modality])
        assert torch.equal(weight.values, output.student.modality_weights[..., place])
        assert torch.equal(weight.counted, (batch.rows >= 1))  # row 0 has nothing, and padding is no row


def test_a_pair_is_built_of_its_options() -> None:
    teacher, _ = made_pair()
    weights = LossWeights(cross=0.2)
    options = StudentOptions(model=replace(SETTINGS.model, guidance="train"), distillation=weights)
    pair = build_guided_student(options, shape_with(*TWO_MODALITIES), teacher)
    assert pair.teacher is teacher
    assert (pair.guidance, pair.weights, pair.modalities) == ("train", weights, TWO_MODALITIES)
