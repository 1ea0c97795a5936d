"""MultiEMO: each modality asks the two others in turn; rare and hard classes are pulled apart.

Source: Shi and Huang 2023, "MultiEMO: An Attention-Based Correlation-Aware Multimodal Fusion Framework for
Emotion Recognition in Conversations", ACL 2023 (2023.acl-long.824); and the authors' program
(TaoShi1998/MultiEMO). Numbers of equations are ours. For a modality m whose others are n and then k, in the
order text, audio, video:

    c_m = ReLU(W DialogueRNN(W_m x_m))   audio and video; text where the recipe says so, else W_m x_m  (1)
    F_m = c_m, then `layers` times:
          F_m = LayerNorm(F_m + MultiHead(F_m, c_n, c_n))                                              (2)
          F_m = LayerNorm(F_m + MultiHead(F_m, c_k, c_k))                                              (3)
          F_m = LayerNorm(F_m + W_2 ReLU(W_1 F_m))                                                     (4)
    z   = W_z [F_t, F_a, F_v] + b_z           y = W_4 ReLU(W_3 z)                                      (5)

and with the losses of `summer.baselines.contrast`, over all utterances of a batch:

    L   = mu_1 L_SWFC(z, truth) + mu_2 L_HGR(F_t, F_a, F_v) + mu_3 CE(y, truth)                        (6)

Dimensions: batch dialogues, seq utterances, width of the model, cls emotion classes.

Departures: an utterance without a modality is no key or value, has zeros in (5) and no part in L_HGR; those
of the losses stand with them. The program's DialogueRNN attends to global states without a query; this is
that of Majumder et al. 2019. The program's rate falls by 5 % where its loss does not improve; here it stays.
W of (1) is there where DialogueRNN reads in both directions. This, all layers and all numbers are as in the
program; the paper's tables of them were not at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.baselines.checks import (
    check_counts,
    check_dropouts,
    check_modalities,
    check_multiple,
    check_weights,
)
from summer.baselines.contrast import Contrast, focal_contrast, negative_correlation
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality
from summer.layers.attention import CrossAttention
from summer.layers.dialogue_rnn import DialogueRNN
from summer.layers.precision import full_precision
from summer.options import TrainingOptions
from summer.sharing import loss_of_whole_batch, rows_of_whole_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiEmoOptions:
    """What shapes the model. Defaults are the program's for IEMOCAP; the recipe `meld` has those for MELD.

    Args:
        width: a multiple of `heads`; also of every state of DialogueRNN.
        heads: of attention.
        layers: of cross-attention, for each modality.
        feed_forward_width, classifier_width: of the hidden layers of equations 4 and 5.
        dropout: share of values that a training step leaves out.
        text_in_context: whether text is read by a DialogueRNN, too.
        bidirectional: whether DialogueRNN also reads from the end.
        temperature, focus, rarity: of L_SWFC: `summer.baselines.contrast`.
        contrast_weight, correlation_weight, truth_weight: mu_1 to mu_3 of equation 6.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    width: int = 256
    heads: int = 4
    layers: int = 6
    feed_forward_width: int = 1024
    classifier_width: int = 256
    dropout: float = 0.0
    text_in_context: bool = True
    bidirectional: bool = True
    temperature: float = 0.8
    focus: float = 2.4
    rarity: float = 1.1
    contrast_weight: float = 0.4
    correlation_weight: float = 0.4
    truth_weight: float = 0.2
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            feed_forward_width=self.feed_forward_width,
            classifier_width=self.classifier_width,
        )
        check_multiple("width", self.width, parts=self.heads, of="heads")
        check_dropouts(dropout=self.dropout)
        check_weights(
            focus=self.focus,
            rarity=self.rarity,
            contrast_weight=self.contrast_weight,
            correlation_weight=self.correlation_weight,
            truth_weight=self.truth_weight,
        )
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; give a finite number above 0")
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiEmoOutput:
    """What it makes of a batch.

    Args:
        fused: F_m of each modality, zeros where it is missing.
        joined: z.
    """

    logits: Float[Tensor, "batch seq cls"]
    fused: Mapping[Modality, Float[Tensor, "batch seq width"]]
    joined: Float[Tensor, "batch seq width"]


class Context(nn.Module):
    """c_m: a modality's features, in the model's width, in the context of their dialogue."""

    def __init__(self, dim: int, options: MultiEmoOptions, *, in_context: bool) -> None:
        super().__init__()
        width = options.width
        self.projection = nn.Linear(dim, width)
        self.dropout = nn.Dropout(options.dropout)
        self.dialogue_rnn = None if not in_context else _dialogue_rnn(options)
        self.joined = nn.Linear(2 * width, width) if in_context and options.bidirectional else nn.Identity()

    def forward(self, batch: ConversationBatch, modality: Modality) -> Float[Tensor, "batch seq width"]:
        """What stands where an utterance lacks the modality means nothing."""
        read: Tensor = self.projection(batch.known(modality))
        if self.dialogue_rnn is not None:
            followed = self.dialogue_rnn(read, batch.speakers, batch.usable[modality], batch.parties)
            read = self.dropout(self.joined(followed)).relu()  # (1)
        return read


def _dialogue_rnn(options: MultiEmoOptions) -> DialogueRNN:
    return DialogueRNN(
        input_dim=options.width,
        global_dim=options.width,
        party_dim=options.width,
        emotion_dim=options.width,
        bidirectional=options.bidirectional,
        listener_update=False,
        emotion_attention=None,
        dropout=options.dropout,
    )


class MultiAttnLayer(nn.Module):
    """One layer of one modality: it asks each of the others, then transforms what it has."""

    def __init__(self, others: Sequence[Modality], options: MultiEmoOptions) -> None:
        super().__init__()
        width, hidden = options.width, options.feed_forward_width
        self.attentions = nn.ModuleDict(
            {n: CrossAttention(width=width, heads=options.heads, dropout=0.0) for n in others}
        )
        self.norms = nn.ModuleDict({n: nn.LayerNorm(width) for n in others})
        self.inner = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self,
        own: Float[Tensor, "batch seq width"],
        contexts: Mapping[Modality, Float[Tensor, "batch seq width"]],
        usable: Mapping[Modality, Bool[Tensor, "batch seq"]],
    ) -> Float[Tensor, "batch seq width"]:
        """F_m after the layer, of F_m and the others' c."""
        for name, attention in self.attentions.items():
            other = Modality(name)
            asked = attention(own, contexts[other], usable[other])
            own = self.norms[name](own + self.dropout(asked))  # (2), (3)
        transformed: Tensor = self.norm(own + self.dropout(self.inner(own)))  # (4)
        return transformed


class MultiEmo(nn.Module):
    """Context of each modality, MultiAttn, classifier."""

    def __init__(self, options: MultiEmoOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.options = options
        self.modalities = tuple(shape.feature_dims)
        self.contexts = nn.ModuleDict(
            {
                m: Context(dim, options, in_context=m is not Modality.TEXT or options.text_in_context)
                for m, dim in shape.feature_dims.items()
            }
        )
        self.layers = nn.ModuleDict({m: self._stack_of(m) for m in self.modalities})
        self.joined = nn.Linear(len(self.modalities) * options.width, options.width)
        self.classifier = nn.Sequential(
            nn.Linear(options.width, options.classifier_width),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Linear(options.classifier_width, shape.classes),
        )

    def _stack_of(self, modality: Modality) -> nn.ModuleList:
        others = [n for n in self.modalities if n != modality]
        return nn.ModuleList(MultiAttnLayer(others, self.options) for _ in range(self.options.layers))

    def forward(self, batch: ConversationBatch) -> MultiEmoOutput:
        """Classify each utterance."""
        contexts = {m: self.contexts[m](batch, m) for m in self.modalities}
        fused = {m: self._fused(m, contexts, batch) for m in self.modalities}
        joined = self.joined(torch.cat(list(fused.values()), dim=-1))
        return MultiEmoOutput(logits=self.classifier(joined), fused=fused, joined=joined)  # (5)

    def _fused(
        self, modality: Modality, contexts: Mapping[Modality, Tensor], batch: ConversationBatch
    ) -> Tensor:
        own = contexts[modality]
        for layer in self.layers[modality].children():
            own = layer(own, contexts, batch.usable)
        return own.masked_fill(~batch.usable[modality].unsqueeze(-1), 0.0)

    def losses(
        self, output: MultiEmoOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """The contrast of classes, the correlation of modalities, and the truth."""
        anything = batch.any_usable(self.modalities)
        known = anything & (batch.labels != UNKNOWN_LABEL)
        with full_precision(output.joined):
            contrast = self._contrast(output, batch.labels.masked_fill(~known, UNKNOWN_LABEL))
            correlation = negative_correlation(
                [rows_of_whole_batch(fused.flatten(0, 1).float()) for fused in output.fused.values()],
                [_column_of_whole_batch(batch.usable[m] & known) for m in self.modalities],
            )
        terms = {
            "contrast": loss_of_whole_batch(contrast),
            "correlation": loss_of_whole_batch(correlation),
            "truth": truth_loss(output.logits, batch.labels, anything),
        }
        weighted = [getattr(self.options, f"{name}_weight") * term for name, term in terms.items()]
        return {**terms, "total": torch.stack(weighted).sum()}  # (6)

    def _contrast(self, output: MultiEmoOutput, labels: Tensor) -> Tensor:
        options = self.options
        return focal_contrast(
            rows_of_whole_batch(output.joined.flatten(0, 1).float()),
            _column_of_whole_batch(labels),
            classes=output.logits.shape[-1],
            how=Contrast(temperature=options.temperature, focus=options.focus, rarity=options.rarity),
        )

    def outlook(self, output: MultiEmoOutput, batch: ConversationBatch) -> Outlook:
        """Logits and z; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.joined)


def _column_of_whole_batch(values: Tensor) -> Tensor:
    """(batch, seq) to (all rows)."""
    return rows_of_whole_batch(values.reshape(-1, 1)).squeeze(1)


KIND = ModelKind(
    options=MultiEmoOptions,
    build=MultiEmo,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=1e-4,
        weight_decay=1e-5,
        batch_dialogues=64,
        most_epochs=100,
        patience_epochs=20,
        warmup_share=0.0,
        schedule="constant",
    ),
)
