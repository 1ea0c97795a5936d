"""CORECT: relations in time and between modalities near an utterance, cross-modal attention over a dialogue.

Nguyen, Mai, Le, Kieu, Le 2023, "Conversation Understanding using Relational Temporal Graph Neural Networks
with Auxiliary Cross-Modality Interaction", EMNLP, arXiv 2311.04507.

    x_i^t = W Transformer(u^t)_i + b,  x_i^m = ReLU(W ReLU(W u_i^m + b) + b)       m: audio, video
    x_i^m = x_i^m + S_i                                         S: a vector per speaker
    o_i^m = GraphTransformer(RGCN(x))                           RT-GCN: `summer.layers.relational_temporal`
    z_i^m = Transformer([Transformer(x_i^m, x^n) for each n])   P-CM: `summer.layers.crossmodal`; m asks every
                                                                other modality n over the whole dialogue; the
                                                                answers, side by side, ask each other
    y_i   = W ReLU(W [LeakyReLU(o_i^m), z_i^m] + b) + b         all modalities side by side

The printed paper was not at hand: the architecture is that of accounts of it and of the authors' program,
github.com/leson502/CORECT_EMNLP2023, and so are all numbers (`run_train.sh`, `train.py`), on IEMOCAP with six
emotions. For MELD nothing is published.

A modality that an utterance lacks is no node, asks nothing and is not asked; zeros stand for it in the end.

Departures from the authors' program: `past` and `future` are what they say (its edges point the other way, so
that `--wp=11 --wf=5` hears 4 turns back and 11 ahead); o is not normalised over the nodes of the batch (it
has BatchNorm1d before the LeakyReLU), for then what a dialogue teaches would depend on the company that it is
in, and on the number of processes.

Dimensions: batch dialogues, modality modalities, seq utterances, dim of x, cls classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

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
from summer.layers.attention import SelfAttention
from summer.layers.crossmodal import CrossModalTransformer
from summer.layers.relational_temporal import GraphTransformer, RelationalTemporalConvolution
from summer.layers.window import neighbours_of
from summer.options import TrainingOptions

TEXT_HEADS = range(7, 15)  # the first of these that the text's width is a multiple of, else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CorectOptions:
    """What shapes CORECT.

    Args:
        hidden_dim: width of x, a multiple of `cross_heads`.
        text_layers: of the transformer over text.
        text_inner_dim: width inside its feed-forward networks.
        past, future: how many turns back and ahead an utterance has neighbours; not both 0.
        graph_heads: of the graph transformer.
        cross_layers: of the transformer between two modalities.
        memory_layers: of the transformer over its answers.
        cross_heads: of both.
        dropout: share of values that a training step leaves out.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    hidden_dim: int = 100
    text_layers: int = 2
    text_inner_dim: int = 2048
    past: int = 11
    future: int = 5
    graph_heads: int = 7
    cross_layers: int = 2
    memory_layers: int = 3
    cross_heads: int = 2
    dropout: float = 0.5
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(
            hidden_dim=self.hidden_dim,
            text_layers=self.text_layers,
            text_inner_dim=self.text_inner_dim,
            graph_heads=self.graph_heads,
            cross_layers=self.cross_layers,
            memory_layers=self.memory_layers,
            cross_heads=self.cross_heads,
        )
        check_multiple("hidden_dim", self.hidden_dim, parts=self.cross_heads, of="heads")
        check_window(self.past, self.future)
        check_dropouts(dropout=self.dropout)
        check_modalities(self.modalities)


class TextLayer(nn.Module):
    """h' = LN(h + Attention(h, h)), then LN(h' + W_2 ReLU(W_1 h')): Vaswani et al. 2017."""

    def __init__(self, *, width: int, inner_dim: int, dropout: float) -> None:
        super().__init__()
        heads = next((count for count in TEXT_HEADS if width % count == 0), 1)
        self.self_attention = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, inner_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(inner_dim, width),
            nn.Dropout(dropout),
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, hidden: Float[Tensor, "batch seq width"], usable: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq width"]:
        """One step of every utterance."""
        attended, _ = self.self_attention(hidden, usable)
        stepped: Tensor = self.norm(attended + self.feed_forward(attended))
        return stepped


class TextEncoder(nn.Module):
    """A transformer over the dialogue's words, at the width that they come in, and a linear layer."""

    def __init__(self, *, input_dim: int, options: CorectOptions) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TextLayer(width=input_dim, inner_dim=options.text_inner_dim, dropout=options.dropout)
            for _ in range(options.text_layers)
        )
        self.out = nn.Linear(input_dim, options.hidden_dim)

    def forward(
        self, utterances: Float[Tensor, "batch seq input"], usable: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq dim"]:
        """x_i^t; where an utterance is not usable it means nothing."""
        for layer in self.layers:
            utterances = layer(utterances, usable)
        encoded: Tensor = self.out(utterances)
        return encoded


class CrossModalInteraction(nn.Module):
    """P-CM: every modality asks every other one over the whole dialogue, then the answers each other."""

    def __init__(self, modalities: tuple[Modality, ...], options: CorectOptions) -> None:
        super().__init__()
        self.modalities = modalities
        width, heads = options.hidden_dim, options.cross_heads
        self.pairs = nn.ModuleDict(
            {
                f"{m}_from_{n}": CrossModalTransformer(width=width, heads=heads, layers=options.cross_layers)
                for m, n in permutations(modalities, 2)
            }
        )
        others = (len(modalities) - 1) * width
        self.memories = nn.ModuleDict(
            {
                m.value: CrossModalTransformer(width=others, heads=heads, layers=options.memory_layers)
                for m in modalities
            }
        )

    def forward(
        self, nodes: Float[Tensor, "batch modality seq dim"], there: Bool[Tensor, "batch modality seq"]
    ) -> Float[Tensor, "batch modality seq others_dim"]:
        """z; where there is no node it means nothing."""
        found = []
        for place, m in enumerate(self.modalities):
            answers = [
                self.pairs[f"{m}_from_{n}"](nodes[:, place], there[:, other], nodes[:, other])
                for other, n in enumerate(self.modalities)
                if n is not m
            ]
            found.append(self.memories[m.value](torch.cat(answers, dim=-1), there[:, place]))
        return torch.stack(found, dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorectOutput:
    """What it makes of a batch."""

    logits: Float[Tensor, "batch seq cls"]
    hidden: Float[Tensor, "batch seq width"]


class Corect(nn.Module):
    """Encoders, RT-GCN, P-CM, a classifier with one hidden layer."""

    def __init__(self, options: CorectOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        self.past, self.future = options.past, options.future
        count, dim = len(self.modalities), options.hidden_dim
        self.encoders = nn.ModuleDict(
            {m.value: _encoder(m, width, options) for m, width in shape.feature_dims.items()}
        )
        self.speakers = nn.Embedding(shape.identities, dim)
        self.convolution = RelationalTemporalConvolution(modalities=count, dim=dim)
        self.transformer = GraphTransformer(dim=dim, heads=options.graph_heads)
        self.interaction = CrossModalInteraction(self.modalities, options) if count > 1 else None
        self.hidden = nn.Linear(count * dim * (options.graph_heads + count - 1), dim)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(dim, shape.classes)

    def forward(self, batch: ConversationBatch) -> CorectOutput:
        """Encode, look near, look over the dialogue, classify."""
        there = torch.stack([batch.usable[m] for m in self.modalities], dim=1)
        hole = ~there.unsqueeze(-1)
        nodes = self._nodes(batch).masked_fill(hole, 0.0)
        near = neighbours_of(there, past=self.past, future=self.future)
        seen = [F.leaky_relu(self.transformer(self.convolution(nodes, near), there, near))]
        if self.interaction is not None:
            seen.append(self.interaction(nodes, there))
        known = [one.masked_fill(hole, 0.0).transpose(1, 2).flatten(2) for one in seen]
        hidden = torch.relu(self.hidden(torch.cat(known, dim=-1)))
        return CorectOutput(logits=self.classifier(self.dropout(hidden)), hidden=hidden)

    def _nodes(self, batch: ConversationBatch) -> Tensor:
        """(batch, modality, seq, dim) x; where a modality is not usable it means nothing."""
        encoded = [
            encoder(batch.features[m], batch.usable[m]) if m is Modality.TEXT else encoder(batch.features[m])
            for m, encoder in zip(self.modalities, self.encoders.values(), strict=True)
        ]
        nodes: Tensor = torch.stack(encoded, dim=1) + self.speakers(batch.identities).unsqueeze(1)
        return nodes

    def losses(
        self, output: CorectOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities."""
        loss = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: CorectOutput, batch: ConversationBatch) -> Outlook:
        """Logits and the hidden layer; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.hidden)


def _encoder(modality: Modality, input_dim: int, options: CorectOptions) -> nn.Module:
    """Of text a transformer, of audio and video two layers utterance by utterance."""
    dim = options.hidden_dim
    if modality is Modality.TEXT:
        return TextEncoder(input_dim=input_dim, options=options)
    return nn.Sequential(nn.Linear(input_dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())


KIND = ModelKind(
    options=CorectOptions,
    build=Corect,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=2.5e-4,
        weight_decay=1e-8,
        batch_dialogues=10,
        most_epochs=50,
        warmup_share=0.0,
        schedule="constant",
    ),
)
