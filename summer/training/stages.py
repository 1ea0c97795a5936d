"""A model in training: one module whose call gives the losses, so that it can be wrapped for several devices.

Paper: section 3.6. The teacher is trained first, by (14); then it is frozen, and the student is trained by
the four losses of (15). Which model it is, the stage need not know: each gives its losses and its outlook
itself (`summer.classifier`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from summer.classifier import Classifier, Outlook
from summer.conversations.batches import ConversationBatch
from summer.model.distillation import SmoothedTruthLoss
from summer.options import ClassWeighting


class Stage(nn.Module):
    """A model in training, known by its name.

    Args:
        model: meets `summer.classifier.Classifier`.
        truth_loss: what it is judged by.

    Raises:
        TypeError: the model does not meet the Protocol.
    """

    def __init__(self, name: str, model: nn.Module, truth_loss: SmoothedTruthLoss) -> None:
        super().__init__()
        if not isinstance(model, Classifier):
            raise TypeError(
                f"{type(model).__name__} is no classifier: it needs `modalities`, `losses` and `outlook`, "
                "see "
                "summer/classifier.py"
            )
        self.name = name
        self.model: nn.Module = model
        self.truth_loss = truth_loss

    def forward(self, batch: ConversationBatch) -> dict[str, Tensor]:
        """Each term of the loss, and what is minimised as "total"."""
        return self._classifier.losses(self.model(batch), batch, self.truth_loss)

    def look(self, batch: ConversationBatch) -> tuple[Outlook, Float[Tensor, ""]]:
        """What the model says of a batch, and its whole loss there, by one pass."""
        output = self.model(batch)
        losses = self._classifier.losses(output, batch, self.truth_loss)
        return self._classifier.outlook(output, batch), losses["total"]

    @property
    def _classifier(self) -> Classifier:
        return cast(Classifier, self.model)


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
    """All but those that are frozen, such as a teacher's."""
    return [parameter for parameter in stage.parameters() if parameter.requires_grad]
