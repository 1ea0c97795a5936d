"""MMGCN: one deep graph convolution over the utterances of a dialogue in all modalities.

Hu, Liu, Zhao, Jin 2021, "MMGCN: Multimodal Fusion via Deep Graph Convolution Network for Emotion Recognition
in Conversation", ACL-IJCNLP, arXiv 2107.06779. Its layers are those of GCNII (Chen et al. 2020, arXiv
2007.02133).

    h_i^t = [LSTM(u_i^t, h_i-1^t, h_i+1^t)]                 text, two directions
    h_i^m = W_e^m u_i^m + b_e^m                             audio, video
    S_i   = W_s s_i                                         s_i: one-hot speaker
    n_i^m = [h_i^m, S_i]                                    a node per utterance and modality
    A_ij  = 1 - arccos(cos(n_i, n_j)) / pi                  same modality, any two utterances of a dialogue
    A_ij  = gamma (1 - arccos(cos(n_i, n_j)) / pi)          same utterance, any two modalities
    P     = (D + I)^-1/2 (A + I) (D + I)^-1/2               D: A's row sums (`summer.layers.angular_graph`)
    H^0   = ReLU(W_0 N + b_0)
    H^l   = ReLU(((1 - alpha) P H^l-1 + alpha H^0) ((1 - beta_l) I + beta_l W_l)),   beta_l = log(eta / l + 1)
    y_i   = W ReLU([n_i^t, H_i^t, n_i^a, H_i^a, n_i^v, H_i^v]) + b
    L     = -(1 - p)^focusing log p                         p: of the truth; focusing 0 is cross-entropy

They bear no numbers here: the printed paper was not at hand, only accounts of it and the authors' program,
github.com/hujingwen6666/MMGCN. The numbers are that program's: of its `run.sh`, and of its `model.py` widths,
alpha, eta, the layers of the LSTM, the linear layer before it, and the focusing of the loss, on MELD only.

A modality that an utterance lacks is no node: it has no edge, and zeros stand for it before the classifier.

Departures from the authors' program, where it is not what the paper is said to have: W_l is one matrix, for P
H and H^0 alike (the program's two are those of GCNII*); the speaker stands beside every modality (the program
adds it to text alone); there are the 4 layers that `run.sh` asks for (the program builds 64); gamma is an
option (the program has none, which is 1); the focal loss is that of Lin et al. 2017 (the program's has log p
in the place of p, and sums over all classes).

Dimensions: batch dialogues, modality modalities, seq utterances, node width of n, hidden width of H, cls
classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from summer.baselines.checks import (
    check_counts,
    check_dropouts,
    check_modalities,
    check_multiple,
    check_weights,
)
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality
from summer.layers.angular_graph import MultimodalGraph, graph_of
from summer.layers.bidirectional import BidirectionalStack
from summer.options import TrainingOptions
from summer.sharing import mean_over_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MmgcnOptions:
    """What shapes MMGCN; the defaults are for IEMOCAP.

    Args:
        encoder_dim: width of h, even.
        speaker_dim: width of S.
        graph_dim: width of H.
        text_layers: of the LSTM over text.
        graph_layers: of the graph network.
        dropout: share of values that a training step leaves out.
        alpha: how much of H^0 is in each layer, in [0, 1].
        eta: how much of W_l is in each layer, above 0.
        gamma: weight of edges between modalities, 0 or more.
        focusing: of the focal loss, 0 or more; 0 is cross-entropy.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    encoder_dim: int = 200
    speaker_dim: int = 200
    graph_dim: int = 100
    text_layers: int = 2
    graph_layers: int = 4
    dropout: float = 0.4
    alpha: float = 0.1
    eta: float = 0.5
    gamma: float = 1.0
    focusing: float = 0.0
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(
            encoder_dim=self.encoder_dim,
            speaker_dim=self.speaker_dim,
            graph_dim=self.graph_dim,
            text_layers=self.text_layers,
            graph_layers=self.graph_layers,
        )
        check_multiple("encoder_dim", self.encoder_dim, parts=2, of="directions")
        check_dropouts(dropout=self.dropout)
        check_weights(gamma=self.gamma, focusing=self.focusing)
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; give a share in [0, 1]")
        if not 0 < self.eta < math.inf:
            raise ValueError(f"eta is {self.eta}; give a finite number above 0")
        check_modalities(self.modalities)


def focal_loss(
    logits: Float[Tensor, "batch seq cls"],
    labels: Int[Tensor, "batch seq"],
    counted: Bool[Tensor, "batch seq"],
    *,
    focusing: float,
    class_weights: Float[Tensor, " cls"] | None,
) -> Float[Tensor, ""]:
    """-(1 - p)^focusing log p of the truth, its mean over utterances that are `counted`.

    Args:
        class_weights: how much an utterance of each class counts in the mean; None: all the same.
    """
    truths = labels.clamp(min=0)  # what stands for an unknown truth is not counted
    log_p = logits.log_softmax(dim=-1).gather(-1, truths.unsqueeze(-1)).squeeze(-1)
    unsure = (1 - log_p.exp()).clamp(
        min=torch.finfo(log_p.dtype).eps
    )  # else a power below 1 would be infinitely steep at 0
    weights = counted.to(log_p.dtype) if class_weights is None else class_weights[truths] * counted
    total = (-(unsure**focusing) * log_p * weights).sum()
    return mean_over_batch(total, weights.sum(), least=torch.finfo(log_p.dtype).tiny)


class DeepConvolution(nn.Module):
    """GCNII: H^0 by a linear layer, then layers that never lose sight of it."""

    def __init__(self, *, input_dim: int, options: MmgcnOptions) -> None:
        super().__init__()
        self.alpha, self.dropout = options.alpha, nn.Dropout(options.dropout)
        self.betas = [math.log(options.eta / layer + 1) for layer in range(1, options.graph_layers + 1)]
        self.entry = nn.Linear(input_dim, options.graph_dim)
        self.weights = nn.ModuleList(
            nn.Linear(options.graph_dim, options.graph_dim, bias=False) for _ in self.betas
        )

    def forward(
        self, nodes: Float[Tensor, "batch modality seq node"], graph: MultimodalGraph
    ) -> Float[Tensor, "batch modality seq hidden"]:
        """H of the last layer."""
        first = hidden = torch.relu(self.entry(nodes))
        for beta, weight in zip(self.betas, self.weights, strict=True):
            spread = graph.propagate(self.dropout(hidden))
            mixed = torch.lerp(spread, first, self.alpha)
            hidden = torch.relu(torch.lerp(mixed, weight(mixed), beta))
        return hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class MmgcnOutput:
    """What it makes of a batch."""

    logits: Float[Tensor, "batch seq cls"]
    joined: Float[Tensor, "batch seq width"]


class Mmgcn(nn.Module):
    """Encoders of each modality, the graph over all of them, a linear classifier."""

    def __init__(self, options: MmgcnOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        self.gamma, self.focusing = options.gamma, options.focusing
        width, node_dim = options.encoder_dim, options.encoder_dim + options.speaker_dim
        self.entries = nn.ModuleDict(
            {m.value: nn.Linear(dim, width) for m, dim in shape.feature_dims.items()}
        )
        self.text_context = None
        if Modality.TEXT in self.modalities:
            self.text_context = BidirectionalStack(
                cell="lstm",
                input_dim=width,
                width=width,
                layers=options.text_layers,
                dropout=options.dropout,
            )
        self.speakers = nn.Embedding(shape.identities, options.speaker_dim)
        nn.init.uniform_(self.speakers.weight, -(shape.identities**-0.5), shape.identities**-0.5)
        self.convolution = DeepConvolution(input_dim=node_dim, options=options)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(len(self.modalities) * (node_dim + options.graph_dim), shape.classes)

    def forward(self, batch: ConversationBatch) -> MmgcnOutput:
        """Encode, convolve, classify."""
        there = torch.stack([batch.usable[m] for m in self.modalities], dim=1)
        nodes = self._nodes(batch)
        graph = graph_of(nodes, there, gamma=self.gamma)
        seen = self.dropout(nodes)
        both = torch.cat([seen, self.dropout(self.convolution(seen, graph))], dim=-1)
        joined = both.masked_fill(~there.unsqueeze(-1), 0.0).transpose(1, 2).flatten(2)
        activated = torch.relu(self.dropout(joined))
        return MmgcnOutput(logits=self.classifier(activated), joined=activated)

    def _nodes(self, batch: ConversationBatch) -> Tensor:
        """(batch, modality, seq, node) n_i; where a modality is not usable it means nothing."""
        speakers = self.speakers(batch.identities)
        encoded = [torch.cat([self._encoded(m, batch), speakers], dim=-1) for m in self.modalities]
        return torch.stack(encoded, dim=1)

    def _encoded(self, modality: Modality, batch: ConversationBatch) -> Tensor:
        """(batch, seq, encoder) h_i of one modality."""
        encoded: Tensor = self.entries[modality.value](batch.features[modality])
        if modality is Modality.TEXT and self.text_context is not None:
            encoded = self.text_context(encoded, batch.usable[modality])
        return encoded

    def losses(
        self, output: MmgcnOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities; where it focuses, the focal loss."""
        anything = batch.any_usable(self.modalities)
        truth = truth_loss(output.logits, batch.labels, anything)
        if not self.focusing:
            return {"truth": truth, "total": truth}
        counted = anything & (batch.labels != UNKNOWN_LABEL)
        focal = focal_loss(
            output.logits,
            batch.labels,
            counted,
            focusing=self.focusing,
            class_weights=truth_loss.class_weights,
        )
        return {"truth": truth, "focal": focal, "total": focal}

    def outlook(self, output: MmgcnOutput, batch: ConversationBatch) -> Outlook:
        """Logits and what the classifier reads; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.joined)


KIND = ModelKind(
    options=MmgcnOptions,
    build=Mmgcn,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=3e-4,
        weight_decay=3e-5,
        batch_dialogues=16,
        most_epochs=20,
        warmup_share=0.0,
        schedule="constant",
    ),
)
