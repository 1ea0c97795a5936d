"""Interactive knowledge distillation: a frozen unimodal teacher guides the multimodal student.

Paper: section 3.6, equations 11 to 15. C_tr is the teacher's classifier; f_m the student's branch of
modality m (H_m of the fusion), f_tr the teacher's last hidden state; p = softmax(C_tr f_m),
q = softmax(C_tr f_tr):

    L_cross  = sum_c p_c log(p_c / q_c)                     KL of the student's from the teacher's     (11)
    L_align  = -log p_truth                                                                           (12)
    L_inner  = |f_tr - f_m|^2 / width                                                                 (13)
    L_smooth = -sum_c delta_c log softmax(y)_c              y: the student's own logits               (14)
               delta is epsilon for the truth and (1 - epsilon) / (C - 1) for the other C - 1 classes
    L        = kappa_1 L_cross + kappa_2 L_align + kappa_3 L_inner + kappa_4 L_smooth                 (15)

Each is a mean over utterances whose truth is known; others are context. Of the first three it is a mean over
modalities as well, where the student's is usable (and the teacher's, for 11 and 13).

Dimensions: row utterances that count, cls emotion classes, width of the model.

Departures from the paper: means, not sums, so that no term depends on the size of a batch; (13) prints a norm
and calls it MSE, and it is the MSE; (14) prints no logarithm, without which it would not be a likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from summer.corpus import UNKNOWN_LABEL, Modality
from summer.options import LossWeights
from summer.sharing import mean_over_batch


def cross_loss(
    student_logits: Float[Tensor, "batch seq cls"],
    teacher_logits: Float[Tensor, "batch seq cls"],
    counted: Bool[Tensor, "batch seq"],
) -> Float[Tensor, ""]:
    """L_cross: both through the teacher's classifier."""
    student, teacher = student_logits.log_softmax(dim=-1), teacher_logits.log_softmax(dim=-1)
    divergence = (student.exp() * (student - teacher)).sum(dim=-1)  # (11)
    return mean_of_counted(divergence, counted)


def align_loss(
    student_logits: Float[Tensor, "batch seq cls"],
    labels: Int[Tensor, "batch seq"],
    counted: Bool[Tensor, "batch seq"],
    class_weights: Float[Tensor, " cls"] | None = None,
) -> Float[Tensor, ""]:
    """L_align: the student's features through the teacher's classifier, against the truth."""
    return smooth_loss(student_logits, labels, counted, epsilon=1.0, class_weights=class_weights)  # (12)


def inner_loss(
    student_features: Float[Tensor, "batch seq width"],
    teacher_features: Float[Tensor, "batch seq width"],
    counted: Bool[Tensor, "batch seq"],
) -> Float[Tensor, ""]:
    """L_inner: mean squared difference."""
    squared = (teacher_features - student_features).square().mean(dim=-1)  # (13)
    return mean_of_counted(squared, counted)


def smooth_loss(
    logits: Float[Tensor, "batch seq cls"],
    labels: Int[Tensor, "batch seq"],
    counted: Bool[Tensor, "batch seq"],
    *,
    epsilon: float,
    class_weights: Float[Tensor, " cls"] | None = None,
) -> Float[Tensor, ""]:
    """L_smooth: cross-entropy against smoothed labels.

    Args:
        epsilon: share of the right class.
        class_weights: how much an utterance of each class counts in the mean; None: all the same.
    """
    classes = logits.shape[-1]
    known = counted & (labels != UNKNOWN_LABEL)
    every = torch.arange(classes, device=labels.device)
    truths = (labels.unsqueeze(-1) == every).to(logits.dtype)  # one-hot; F.one_hot would read the labels back
    rest = (1 - epsilon) / max(1, classes - 1)
    delta = truths * epsilon + (1 - truths) * rest
    surprise = -(delta * logits.log_softmax(dim=-1)).sum(dim=-1)  # (14)
    if class_weights is None:
        return mean_of_counted(surprise, known)
    weights = (truths @ class_weights) * known
    total = (surprise.masked_fill(~known, 0.0) * weights).sum()
    return mean_over_batch(total, weights.sum(), least=torch.finfo(logits.dtype).tiny)


def mean_of_counted(
    values: Float[Tensor, "batch seq"], counted: Bool[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Mean of the values that count; 0 where none does."""
    return mean_over_batch(values.masked_fill(~counted, 0.0).sum(), counted.sum(), least=1)


def distillation_losses(
    weights: LossWeights,
    *,
    classifier: nn.Linear,
    logits: Float[Tensor, "batch seq cls"],
    branches: Mapping[Modality, Float[Tensor, "batch seq width"]],
    usable: Mapping[Modality, Bool[Tensor, "batch seq"]],
    teacher_features: Float[Tensor, "batch seq width"],
    teacher_usable: Bool[Tensor, "batch seq"],
    labels: Int[Tensor, "batch seq"],
    class_weights: Float[Tensor, " cls"] | None,
) -> dict[str, Float[Tensor, ""]]:
    """The four losses of the student by name, and their weighted sum as `total`.

    Args:
        weights: kappa and epsilon.
        classifier: the frozen teacher's.
        logits: of the student's own classifier.
        branches: H_m of each modality, with `usable` where it has a vector.
    """
    features = torch.cat([branches[m] for m in branches])
    known = labels != UNKNOWN_LABEL
    there = torch.cat([usable[m] & known for m in branches])
    truths = labels.repeat(len(branches), 1)
    taught = teacher_features.repeat(len(branches), 1, 1)
    both = there & teacher_usable.repeat(len(branches), 1)
    through_teacher = classifier(features)
    anything = torch.stack(list(usable.values())).any(dim=0)
    terms = {
        "cross": cross_loss(through_teacher, classifier(taught), both),
        "align": align_loss(through_teacher, truths, there, class_weights),
        "inner": inner_loss(features, taught, both),
        "smooth": smooth_loss(logits, labels, anything, epsilon=weights.epsilon, class_weights=class_weights),
    }
    total = sum(getattr(weights, name) * term for name, term in terms.items())  # (15)
    return {**terms, "total": torch.as_tensor(total)}


class SmoothedTruthLoss(nn.Module):
    """Equation 14 with its numbers fixed, as a `TruthLoss` that any model is trained by.

    Args:
        epsilon: share of the right class; 1 is plain cross-entropy.
        class_weights: (cls,) or None.
    """

    def __init__(self, *, epsilon: float, class_weights: Float[Tensor, " cls"] | None) -> None:
        super().__init__()
        self.epsilon = epsilon
        self._weights: Tensor | None
        self.register_buffer("_weights", class_weights, persistent=False)

    @property
    def class_weights(self) -> Float[Tensor, " cls"] | None:
        """How much an utterance of each class counts; a property, because Protocols do not see buffers."""
        return self._weights

    def forward(
        self,
        logits: Float[Tensor, "batch seq cls"],
        labels: Int[Tensor, "batch seq"],
        counted: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, ""]:
        """Mean over utterances that are counted and have a truth."""
        return smooth_loss(logits, labels, counted, epsilon=self.epsilon, class_weights=self.class_weights)
