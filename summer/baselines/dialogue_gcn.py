"""DialogueGCN: who said it, and whether before or after, decides how one utterance reads another.

Ghosal, Majumder, Poria, Chhaya, Gelbukh 2019, "DialogueGCN: A Graph Convolutional Neural Network for Emotion
Recognition in Conversation", EMNLP-IJCNLP, arXiv 1908.11540. Its numbering; (9) names the largest of y_i:

    g_i     = GRU(g_i-1, g_i+1, u_i)                                           in both directions
    alpha_i = softmax_j(g_i W_e g_j)                  j: i - past to i + future, i among them         (1)
    h'_i    = ReLU(sum_r sum_j alpha_ij / c_ir W_r g_j + alpha_ii W_0 g_i)     j: N_ir, c_ir = |N_ir|  (2)
    h''_i   = ReLU(sum_j W h'_j + W_0 h'_i)           j: all neighbours of i                          (3)
    h_i     = [g_i, h''_i]                                                                            (4)
    beta_i  = softmax_j(h_i W_beta h_j)               j: all utterances of the dialogue               (5)
    h~_i    = sum_j beta_ij h_j                                                                       (6)
    l_i     = ReLU(W_l h~_i + b_l)                                                                    (7)
    y_i     = W_smax l_i + b_smax                                                                     (8)

A relation r is the speaker of i, the speaker of j, and whether j comes before i or after: 2 M^2 for M
speakers. Where that is more than `bases`, W_r = sum_b a_rb V_b (Schlichtkrull et al. 2018), as in the
authors' program.

The printed paper was not at hand: what the equations say is taken from accounts of it and from the comments
of the authors' program (DialogueGCN in github.com/declare-lab/conv-emotion), c_ir and W_0 from R-GCN, which
(2) weighs by alpha. Windows of 10 and 10 are the paper's; widths, bases, dropout, two layers of the GRU and
how it is trained are that program's, on IEMOCAP. For MELD nothing is published but that classes were
weighted.

Neighbours by relation are never listed: sum_j is a product with the matrix of alpha / c, a block of columns
per direction and speaker of j; sum_r a_rb is another one, with the rows of a that the speaker of i has.

Departures from the paper: u_i is all modalities side by side, zeros where one is missing (the paper's is
text); an utterance without any is no node and is attended to by none, but attends to all. Speakers are told
apart by their slot in the dialogue; those above the last share it. From the authors' program, where it is not
what the paper is said to have: it gives an edge to itself W_r as well, and W_0 no weight; it has no c_ir and
no ReLU in (2) and (3); it counts an utterance among its neighbours in (3), and has a tanh in (5).

As printed, (6) has h~_i in the place of h_i, and the start is blind: while beta is even all utterances of a
dialogue look alike. On made-up corpora of MELD's and IEMOCAP's size that is over after 3 and 10 epochs of the
published training; ten dialogues, as the demo has, are too few to leave it.

Dimensions: batch dialogues, seq utterances, dim of g, hidden of h', party speakers, cls classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from summer.baselines.checks import (
    check_counts,
    check_dropouts,
    check_modalities,
    check_multiple,
    check_window,
)
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.bidirectional import BidirectionalStack
from summer.layers.dialogue_rnn import BilinearAttention
from summer.layers.window import Neighbours, neighbours_of
from summer.options import TrainingOptions

DIRECTIONS = 2  # j before i, j after i


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueGcnOptions:
    """What shapes DialogueGCN.

    Args:
        encoder_dim: width of g, even.
        encoder_layers: of the GRU.
        graph_dim: width of h', h'' and l.
        past, future: how many turns back and ahead an utterance has neighbours; not both 0.
        speakers: slots of a dialogue that have relations of their own; MELD has up to 9 speakers.
        bases: the most matrices that W_r are made of.
        dropout: share of values that a training step leaves out.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    encoder_dim: int = 200
    encoder_layers: int = 2
    graph_dim: int = 100
    past: int = 10
    future: int = 10
    speakers: int = 9
    bases: int = 30
    dropout: float = 0.4
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(
            encoder_dim=self.encoder_dim,
            encoder_layers=self.encoder_layers,
            graph_dim=self.graph_dim,
            speakers=self.speakers,
            bases=self.bases,
        )
        check_multiple("encoder_dim", self.encoder_dim, parts=2, of="directions")
        check_window(self.past, self.future)
        check_dropouts(dropout=self.dropout)
        check_modalities(self.modalities)


class EdgeAttention(nn.Module):
    """Equation 1: how much of an utterance each of its neighbours, and it itself, makes up."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(dim, dim, bias=False)

    def forward(
        self, encoded: Float[Tensor, "batch seq dim"], near: Neighbours
    ) -> Float[Tensor, "batch seq seq"]:
        """alpha; 0 between those that are not neighbours."""
        linked = (
            near.past | near.future | torch.eye(encoded.shape[1], dtype=torch.bool, device=encoded.device)
        )
        scores = self.weight(encoded) @ encoded.transpose(1, 2)
        lowest = torch.finfo(scores.dtype).min
        weights: Tensor = scores.masked_fill(~linked, lowest).softmax(dim=-1)  # (1)
        return weights


class RelationalConvolution(nn.Module):
    """Equation 2 before its ReLU.

    Args:
        input_dim, output_dim: widths of g and of h'.
        speakers: M; higher slots share the last one.
        bases: the most matrices that W_r are made of; where there are no more relations each has its own.
    """

    shares: Tensor

    def __init__(self, *, input_dim: int, output_dim: int, speakers: int, bases: int) -> None:
        super().__init__()
        self.speakers = speakers
        relations = DIRECTIONS * speakers**2
        count = min(bases, relations)
        self.bases = nn.Parameter(_glorot(input_dim, output_dim, (count, input_dim, output_dim)))
        by_relation = (speakers, DIRECTIONS, speakers, count)
        if count < relations:
            self.shares = nn.Parameter(_glorot(relations, count, by_relation))
        else:
            self.register_buffer("shares", torch.eye(relations).view(by_relation), persistent=False)
        self.own = nn.Linear(input_dim, output_dim, bias=False)

    def forward(
        self,
        encoded: Float[Tensor, "batch seq dim"],
        weights: Float[Tensor, "batch seq seq"],
        speakers: Int[Tensor, "batch seq"],
        near: Neighbours,
        parties: int,
    ) -> Float[Tensor, "batch seq hidden"]:
        """What each utterance hears of its neighbours and of itself.

        Args:
            weights: alpha; whatever stands between those that are not neighbours is not read.
            speakers: slots in the dialogue, from 0.
            parties: more than the highest slot; fewer than M save work.
        """
        parties = min(parties, self.speakers)
        slots = torch.arange(parties, device=speakers.device)
        spoken = (speakers.clamp(max=parties - 1).unsqueeze(-1) == slots).to(encoded.dtype)
        heard = [
            _by_speaker(weights * one, one.to(encoded.dtype), spoken) for one in (near.past, near.future)
        ]
        by_relation = torch.stack(heard, dim=2).flatten(1, 3) @ encoded
        mixtures = spoken @ self.shares[:parties, :, :parties].flatten(1)  # a_rb of the relations that i has
        relations = DIRECTIONS * parties
        by_basis = mixtures.view(-1, relations, len(self.bases)).transpose(1, 2) @ by_relation.view(
            -1, relations, encoded.shape[-1]
        )
        neighbours = (by_basis.flatten(1) @ self.bases.flatten(0, 1)).view(*speakers.shape, -1)
        itself: Tensor = self.own(weights.diagonal(dim1=1, dim2=2).unsqueeze(-1) * encoded)
        return neighbours + itself  # (2)


def _by_speaker(weights: Tensor, near: Tensor, spoken: Tensor) -> Tensor:
    """(batch, seq, party, seq) alpha_ij / c_ir where j is near i and of that speaker, else 0."""
    counts = (near @ spoken).clamp(min=1)
    return weights.unsqueeze(2) * spoken.transpose(1, 2).unsqueeze(1) / counts.unsqueeze(-1)


def _glorot(inputs: int, outputs: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform, so that neither what goes through nor its gradient grows or fades (Glorot and Bengio 2010)."""
    bound = (6 / (inputs + outputs)) ** 0.5
    return torch.empty(shape).uniform_(-bound, bound)


class NeighbourSum(nn.Module):
    """Equation 3 before its ReLU: all neighbours alike."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.neighbours = nn.Linear(dim, dim, bias=False)
        self.own = nn.Linear(dim, dim, bias=False)

    def forward(
        self, hidden: Float[Tensor, "batch seq hidden"], near: Neighbours
    ) -> Float[Tensor, "batch seq hidden"]:
        """The sum over neighbours, and the utterance itself."""
        summed = (near.past | near.future).to(hidden.dtype) @ hidden
        heard: Tensor = self.neighbours(summed) + self.own(hidden)  # (3)
        return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueGcnOutput:
    """What it makes of a batch."""

    logits: Float[Tensor, "batch seq cls"]
    hidden: Float[Tensor, "batch seq width"]


class DialogueGcn(nn.Module):
    """A GRU, two graph convolutions, attention over the dialogue, a classifier."""

    def __init__(self, options: DialogueGcnOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        self.past, self.future = options.past, options.future
        width, hidden = options.encoder_dim, options.graph_dim
        self.context = BidirectionalStack(
            cell="gru",
            input_dim=sum(shape.feature_dims.values()),
            width=width,
            layers=options.encoder_layers,
            dropout=options.dropout,
        )
        self.edges = EdgeAttention(width)
        self.relational = RelationalConvolution(
            input_dim=width, output_dim=hidden, speakers=options.speakers, bases=options.bases
        )
        self.neighbour_sum = NeighbourSum(hidden)
        self.attention = BilinearAttention(query_dim=width + hidden, memory_dim=width + hidden)
        self.hidden = nn.Linear(width + hidden, hidden)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(hidden, shape.classes)

    def forward(self, batch: ConversationBatch) -> DialogueGcnOutput:
        """Read each dialogue in order, then as a graph, then as a whole."""
        there = batch.any_usable(self.modalities)
        utterances = torch.cat([batch.known(m) for m in self.modalities], dim=-1)
        encoded = self.context(utterances, there)
        near = neighbours_of(there, past=self.past, future=self.future)
        weights = self.edges(encoded, near)
        first = torch.relu(self.relational(encoded, weights, batch.speakers, near, batch.parties))
        second = torch.relu(self.neighbour_sum(first, near))
        joined = torch.cat([encoded, second], dim=-1)  # (4)
        attended = self.attention(joined, joined, there)  # (5, 6)
        hidden = torch.relu(self.hidden(attended))  # (7)
        return DialogueGcnOutput(logits=self.classifier(self.dropout(hidden)), hidden=hidden)  # (8)

    def losses(
        self, output: DialogueGcnOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities."""
        loss = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: DialogueGcnOutput, batch: ConversationBatch) -> Outlook:
        """Logits and the hidden layer; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.hidden)


KIND = ModelKind(
    options=DialogueGcnOptions,
    build=DialogueGcn,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=3e-4,
        weight_decay=0.0,
        batch_dialogues=32,
        most_epochs=60,
        warmup_share=0.0,
        schedule="constant",
    ),
)
