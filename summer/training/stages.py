"""The two stages of a training: what each one's loss is, and what it says of a batch.

Paper: sections 3.5 and 3.6. The teacher is trained first, by cross-entropy against smoothed labels (14); then
it is frozen, and the student is trained by the four losses of equation 15.

A stage is a module whose call gives its losses, so that it can be wrapped for several devices; `outlook` is
what evaluation needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.model.assembly import Student, StudentOutput, Teacher, TeacherOutput
from summer.model.distillation import InteractiveDistillation, smooth_loss
from summer.options import ClassWeighting, GuidanceUse, LossWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a trained stage says of a batch.

    Args:
        features: (batch, seq, width) the last hidden state before the classifier.
        kept: (batch, seq, expert) the experts kept, by modality.
        modality_weights: (batch, seq, modality) g of equation 6; None for a teacher.
    """

    logits: Float[Tensor, "batch seq cls"]
    features: Float[Tensor, "batch seq width"]
    kept: Mapping[Modality, Bool[Tensor, "batch seq expert"]]
    modality_weights: Float[Tensor, "batch seq modality"] | None


class TeacherStage(nn.Module):
    """A teacher in training."""

    name: Literal["teacher"] = "teacher"

    def __init__(self, teacher: Teacher, *, epsilon: float, class_weights: Tensor | None) -> None:
        super().__init__()
        self.model = teacher
        self.epsilon = epsilon
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights, persistent=False)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The one modality it reads."""
        return (self.model.modality,)

    def forward(self, batch: ConversationBatch) -> dict[str, Tensor]:
        """Each term of the loss, and their sum as `total`."""
        output: TeacherOutput = self.model(batch)
        loss = smooth_loss(
            output.logits,
            batch.labels,
            batch.usable[self.model.modality],
            epsilon=self.epsilon,
            class_weights=self.class_weights,
        )
        return {"smooth": loss, "total": loss}

    def outlook(self, batch: ConversationBatch) -> Outlook:
        """What the teacher says of a batch."""
        output: TeacherOutput = self.model(batch)
        return Outlook(
            logits=output.logits, features=output.features, kept=output.kept, modality_weights=None
        )


class StudentStage(nn.Module):
    """A student in training, and its frozen teacher, which stays in evaluation mode."""

    name: Literal["student"] = "student"

    def __init__(
        self,
        student: Student,
        *,
        teacher: Teacher,
        weights: LossWeights,
        class_weights: Tensor | None,
        guidance: GuidanceUse,
    ) -> None:
        super().__init__()
        self.model = student
        self.teacher = teacher.requires_grad_(False)
        self.guidance = guidance
        self.distillation = InteractiveDistillation(weights=weights, class_weights=class_weights)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities it reads."""
        return self.model.modalities

    def train(self, mode: bool = True) -> StudentStage:
        """Switch the student; the teacher's dropout and noise stay off."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: ConversationBatch) -> dict[str, Tensor]:
        """Each term of equation 15, and their weighted sum as `total`."""
        with torch.no_grad():
            taught: TeacherOutput = self.teacher(batch)
        output: StudentOutput = self.model(batch, None if self.guidance == "never" else taught.guidance)
        losses: dict[str, Tensor] = self.distillation(
            classifier=self.teacher.classifier,
            logits=output.logits,
            branches=output.branches,
            usable={modality: batch.usable[modality] for modality in output.branches},
            teacher_features=taught.features,
            teacher_usable=taught.guidance.usable,
            labels=batch.labels,
        )
        return losses

    def outlook(self, batch: ConversationBatch) -> Outlook:
        """What the student says of a batch; the teacher is run only where it guides at inference."""
        guidance = self.teacher(batch).guidance if self.guidance == "always" else None
        output: StudentOutput = self.model(batch, guidance)
        return Outlook(
            logits=output.logits,
            features=output.fused,
            kept=output.kept,
            modality_weights=output.modality_weights,
        )


Stage = TeacherStage | StudentStage


def weights_of_classes(
    truths: NDArray[np.int64], *, classes: int, weighting: ClassWeighting
) -> Float[Tensor, " cls"] | None:
    """How much an utterance of each class counts; their mean over the utterances is 1.

    Args:
        truths: class indices of the training utterances; a class without any gets the weight of a rarest one.
    """
    if weighting == "none":
        return None
    counts = np.bincount(truths, minlength=classes)
    rarity = (counts.sum() / np.maximum(counts, 1)) ** (0.5 if weighting == "root" else 1.0)
    return torch.tensor(rarity / (rarity * counts).sum() * counts.sum(), dtype=torch.float32)


def trainable_parameters(stage: Stage) -> Sequence[nn.Parameter]:
    """All but the frozen teacher's."""
    return [parameter for parameter in stage.parameters() if parameter.requires_grad]
