"""A multilayer perceptron on the modalities side by side: what can be said without the conversation.

    x = [x_t, x_a, x_v]                 zeros where the utterance lacks a modality, and a flag per modality
    h = Dropout(GELU(W_1 Dropout(x)))
    y = W_2 h

No context, no speakers, no fusion: whatever a model gains over this, it gains by them. Late and early
fusion of this kind is the usual lower bound of the field (Poria et al. 2017, table of baselines).

Dimensions: batch dialogues, seq utterances, dim all modalities' features, cls emotion classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.baselines.checks import check_counts, check_dropouts, check_modalities
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpOptions:
    """What shapes the perceptron.

    Args:
        hidden_dim: width of the hidden layer.
        dropout: share of values that a training step leaves out.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    hidden_dim: int = 256
    dropout: float = 0.3
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(hidden_dim=self.hidden_dim)
        check_dropouts(dropout=self.dropout)
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpOutput:
    """What it makes of a batch."""

    logits: Float[Tensor, "batch seq cls"]
    hidden: Float[Tensor, "batch seq width"]


class Mlp(nn.Module):
    """One hidden layer over all modalities."""

    def __init__(self, options: MlpOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        dim = sum(shape.feature_dims.values()) + len(self.modalities)
        self.hidden = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(dim, options.hidden_dim), nn.GELU()
        )
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(options.hidden_dim, shape.classes)

    def forward(self, batch: ConversationBatch) -> MlpOutput:
        """Classify each utterance by itself."""
        known = [batch.known(m) for m in self.modalities]
        flags = [batch.usable[m].unsqueeze(-1).to(known[0].dtype) for m in self.modalities]
        hidden: Tensor = self.hidden(torch.cat([*known, *flags], dim=-1))
        return MlpOutput(logits=self.classifier(self.dropout(hidden)), hidden=hidden)

    def losses(self, output: MlpOutput, batch: ConversationBatch, truth_loss: TruthLoss) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities."""
        loss = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: MlpOutput, batch: ConversationBatch) -> Outlook:
        """Logits and the hidden layer; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.hidden)


KIND = ModelKind(
    options=MlpOptions,
    build=Mlp,
    reads=lambda options: options.modalities,
    training=TrainingOptions(learning_rate=1e-3, batch_dialogues=32, weight_decay=1e-4),
)
