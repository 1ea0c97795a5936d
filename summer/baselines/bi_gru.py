"""A bidirectional GRU over the modalities side by side: what context alone brings.

    x_t = [x^t, x^a, x^v]            zeros where the utterance lacks a modality, and a flag per modality
    f_t = GRU(f_{t-1}, x_t)    b_t = GRU(b_{t+1}, x_t)                                               (1)
    y_t = W Dropout([f_t, b_t]) + c                                                                  (2)

Source: the contextual LSTM of Poria et al. 2017, "Context-Dependent Sentiment Analysis in User-Generated
Videos" (bc-LSTM), with GRUs: the usual lower bound with context. It knows what was said before and after, and
neither who said it nor how modalities differ; whatever a model gains over this, it gains by these.

Dimensions: batch dialogues, seq utterances, dim all modalities' features, width of both directions together,
cls emotion classes.

Departures: the paper trains an LSTM per modality first, and one over their outputs; here one network reads
all modalities at once. An utterance without any modality changes no state, and the classifier sees zeros for
it. The numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.baselines.checks import check_counts, check_dropouts, check_modalities, check_multiple
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.bigru import BiGRU, reading_order
from summer.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class BiGruOptions:
    """What shapes the network.

    Args:
        width: of both directions together.
        dropout: share of values that a training step leaves out.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    width: int = 256
    dropout: float = 0.3
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(width=self.width)
        check_multiple("width", self.width, parts=2, of="directions")
        check_dropouts(dropout=self.dropout)
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class BiGruOutput:
    """What it makes of a batch."""

    logits: Float[Tensor, "batch seq cls"]
    states: Float[Tensor, "batch seq width"]


class BiGruClassifier(nn.Module):
    """One bidirectional layer over whole dialogues."""

    def __init__(self, options: BiGruOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        dim = sum(shape.feature_dims.values()) + len(self.modalities)
        self.dropout = nn.Dropout(options.dropout)
        self.context = BiGRU(input_dim=dim, width=options.width)
        self.classifier = nn.Linear(options.width, shape.classes)

    def forward(self, batch: ConversationBatch) -> BiGruOutput:
        """Classify each utterance in its dialogue."""
        there = batch.any_usable(self.modalities)
        known = [batch.known(m) for m in self.modalities]
        flags = [batch.usable[m].unsqueeze(-1).to(known[0].dtype) for m in self.modalities]
        read = self.dropout(torch.cat([*known, *flags], dim=-1))
        states = self.context(read, reading_order(there), there)  # (1)
        logits = self.classifier(self.dropout(states))  # (2)
        return BiGruOutput(logits=logits, states=states)

    def losses(
        self, output: BiGruOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities."""
        loss = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: BiGruOutput, batch: ConversationBatch) -> Outlook:
        """Logits and the states of both directions; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.states)


KIND = ModelKind(
    options=BiGruOptions,
    build=BiGruClassifier,
    reads=lambda options: options.modalities,
    training=TrainingOptions(learning_rate=1e-3, batch_dialogues=32),
)
