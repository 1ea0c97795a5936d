"""Three rivals without training: one linear layer, found at once.

    y = b + sum_m u_m W_m x_m           u_m: 1 where the utterance has modality m

    majority        b_c = log n_c, no W: always the commonest class of the training split
    regression      W, b of a logistic regression on the modalities that it reads, one or several side by
                    side: what can be said without a network (`summer.training.regression`)
    encoder-head    W, b of the head with which the text encoder was fine-tuned: what any model that reads
                    its vectors has to beat

They have neither steps nor epochs: `summer.training.fitting` finds the layer, and the split that chooses the
epochs of others is looked at once. A seed changes nothing.

Dimensions: batch dialogues, seq utterances, dim of a modality's features, cls emotion classes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.baselines.checks import check_modalities
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.conversations.heads import LinearLayer
from summer.corpus import Modality
from summer.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearOptions:
    """What the layer reads.

    Args:
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a modality is given twice, or none.
    """

    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """A head of an encoder reads the text and nothing else."""


class Linear(nn.Module):
    """A linear layer per modality, frozen; zeros until it takes one.

    Args:
        weighed: the modalities of the shape that have a W.
    """

    def __init__(self, shape: CorpusShape, *, weighed: Collection[Modality]) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        self.weights = nn.ParameterDict(
            {
                m.value: torch.zeros(shape.classes, shape.feature_dims[m])
                for m in self.modalities
                if m in weighed
            }
        )
        self.bias = nn.Parameter(torch.zeros(shape.classes))
        self.requires_grad_(False)

    def take(self, layer: LinearLayer) -> None:
        """Become this layer.

        Raises:
            ValueError: it reads other modalities.
        """
        if {m.value for m in layer.weights} != set(self.weights):
            raise ValueError(f"the layer reads {sorted(layer.weights)}, the model {sorted(self.weights)}")
        for modality, weight in layer.weights.items():
            self.weights[modality.value].copy_(weight)
        self.bias.copy_(layer.bias)

    def forward(self, batch: ConversationBatch) -> Float[Tensor, "batch seq cls"]:
        """y of each utterance; b alone of one that has nothing."""
        logits = self.bias.expand(*batch.labels.shape, -1)
        for name, weight in self.weights.items():
            logits = logits + nn.functional.linear(batch.known(Modality(name)), weight)
        return logits

    def losses(self, output: Tensor, batch: ConversationBatch, truth_loss: TruthLoss) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities; nothing learns from it."""
        loss = truth_loss(output, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: Tensor, batch: ConversationBatch) -> Outlook:
        """The logits are all that it has to show."""
        del batch
        return Outlook(logits=output, features=output)


MAJORITY = ModelKind(
    options=LinearOptions,
    build=lambda _, shape: Linear(shape, weighed=()),
    reads=lambda options: options.modalities,
    training=TrainingOptions(),
    fitted="majority",
)
REGRESSION = ModelKind(
    options=LinearOptions,
    build=lambda _, shape: Linear(shape, weighed=shape.feature_dims),
    reads=lambda options: options.modalities,
    training=TrainingOptions(),
    fitted="regression",
)
ENCODER_HEAD = ModelKind(
    options=HeadOptions,
    build=lambda _, shape: Linear(shape, weighed=shape.feature_dims),
    reads=lambda _: (Modality.TEXT,),
    training=TrainingOptions(),
    fitted="head",
)
