"""The student with its frozen teacher beside it: one module that learns, is saved and predicts as a whole.

Paper: sections 3.5 and 3.6. The teacher's scores mask the student's attention (7, 8) and its classifier and
features judge the student's branches (11 to 15). It stays in evaluation mode and gets no gradient.

`guidance` says when the teacher's scores mask attention: "always"; in "train" only, which spares the
teacher's pass at inference; or "never". The losses need the teacher in each case.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from summer.classifier import Attention, CorpusShape, Measure, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.watching import watched
from summer.model.assembly import (
    Student,
    StudentOutput,
    Teacher,
    TeacherOutput,
    build_student,
    measures_of_kept,
)
from summer.model.attended import attention_of, steps_of_fusion
from summer.model.distillation import distillation_losses
from summer.options import GuidanceUse, LossWeights, ModelOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOptions:
    """What a recipe decides of a student: its [model], which the teacher shares, and its [distillation]."""

    model: ModelOptions = field(default_factory=ModelOptions)
    distillation: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedOutput:
    """What the pair makes of a batch; `teacher` is None where it was not asked."""

    student: StudentOutput
    teacher: TeacherOutput | None


class GuidedStudent(nn.Module):
    """A student and its frozen teacher."""

    def __init__(
        self, student: Student, *, teacher: Teacher, weights: LossWeights, guidance: GuidanceUse
    ) -> None:
        super().__init__()
        self.modalities: tuple[Modality, ...] = student.modalities
        self.student = student
        self.teacher = teacher.requires_grad_(False)
        self.teacher.eval()
        self.weights = weights
        self.guidance = guidance

    def train(self, mode: bool = True) -> GuidedStudent:
        """Switch the student; the teacher's dropout and noise stay off."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: ConversationBatch) -> GuidedOutput:
        """Classify each utterance; the teacher is asked in training, and where it guides at inference."""
        taught = self._ask_teacher(batch) if self.training or self.guidance == "always" else None
        guides = taught is not None and self.guidance != "never"
        student: StudentOutput = self.student(batch, taught.guidance if taught and guides else None)
        return GuidedOutput(student=student, teacher=taught)

    def losses(
        self, output: GuidedOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Each term of equation 15, and their weighted sum as "total"."""
        taught = output.teacher or self._ask_teacher(batch)
        return distillation_losses(
            self.weights,
            classifier=self.teacher.classifier,
            logits=output.student.logits,
            branches=output.student.branches,
            usable={modality: batch.usable[modality] for modality in output.student.branches},
            teacher_features=taught.features,
            teacher_usable=taught.guidance.usable,
            labels=batch.labels,
            class_weights=truth_loss.class_weights,
        )

    def outlook(self, output: GuidedOutput, batch: ConversationBatch) -> Outlook:
        """Logits and H_fuse; draws the share of experts kept and g of equation 6."""
        student = output.student
        anything = batch.any_usable(self.modalities)
        weights = {
            m.value: Measure(values=student.modality_weights[..., place], counted=anything)
            for place, m in enumerate(self.modalities)
        }
        return Outlook(
            logits=student.logits,
            features=student.fused,
            drawn={"kept_experts": measures_of_kept(student.kept, batch), "modality_weights": weights},
        )

    def with_attention(self, batch: ConversationBatch) -> tuple[GuidedOutput, Attention]:
        """What the pair says of a batch, and what the student's branches attended to after (8)."""
        steps = list(steps_of_fusion(self.student.fusion))
        with watched(step.attention for step in steps) as seen:
            output: GuidedOutput = self(batch)
        shares = output.student.modality_weights
        weights = {modality: shares[..., place] for place, modality in enumerate(self.modalities)}
        return output, attention_of(steps, seen, weights)

    def _ask_teacher(self, batch: ConversationBatch) -> TeacherOutput:
        with torch.no_grad():
            taught: TeacherOutput = self.teacher(batch)
        return taught


def build_guided_student(options: StudentOptions, shape: CorpusShape, teacher: Teacher) -> GuidedStudent:
    """A student with new weights beside a trained teacher.

    Raises:
        ValueError: a width that does not divide.
    """
    return GuidedStudent(
        build_student(options.model, shape),
        teacher=teacher,
        weights=options.distillation,
        guidance=options.model.guidance,
    )
