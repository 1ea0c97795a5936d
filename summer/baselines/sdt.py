"""SDT: a transformer per pair of modalities, gated fusion in two levels, each modality taught by the whole.

Source: Ma et al. 2024, "A Transformer-Based Model With Self-Distillation for Multimodal Emotion Recognition
in Conversations", IEEE Transactions on Multimedia 26, arXiv 2310.20494; and the authors' program
(butterfliesss/SDT). Numbers of equations are ours. For modalities m, n of utterance i of speaker s:

    H_m    = W_m x_m + PE + SE                     PE sines of the place i, SE embedding of s      (1)
    H_nm   = Transformer(queries H_m, keys and values H_n)          n = m within a modality        (2)
             A = H_m + Dropout(Attention(H_m, H_n)),  H_nm = A + W_2 GELU(W_1 LayerNorm(A))
    H'_nm  = sigmoid(W_nm H_nm) * H_nm                              unimodal gate                  (3)
    H'_m   = W'_m [H'_tm, H'_am, H'_vm] + b_m                                                      (4)
    g_m    = softmax over modalities of (W_z H'_m), per dimension   multimodal gates               (5)
    H'     = sum_m g_m * H'_m                                                                      (6)
    y      = W_e H' + b_e                                                                          (7)
    y_m    = W_e,m ReLU(H'_m) + b_e,m                               a student per modality         (8)
    L_task = CE(y, truth)      L_CE = sum_m CE(y_m, truth)                                         (9)
    L_KL   = sum_m KL(softmax(y / T) from softmax(y_m / T))                                        (10)
    L      = gamma_1 L_task + gamma_2 L_CE + gamma_3 L_KL                                          (11)

Dimensions: batch dialogues, seq utterances, width of the model, cls emotion classes.

Departures: an utterance without modality n is no key and no value of (2), without m it has no part in (5) and
is in none of m's losses; without any its H' is zeros. What a transformer is made of, and all numbers, are as
in the program, the paper's tables were not at hand: one layer, norm before its feed-forward part alone, which
is as wide as the model; the target of (10) has a gradient, too. On MELD it fixes W_nm to the identity
(`gates = "fixed"`). Its speakers are columns of the corpus; here they are whom the recipe tells apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

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
from summer.classifier import CorpusShape, Measure, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality
from summer.layers.attention import CrossAttention
from summer.options import TrainingOptions
from summer.sharing import mean_over_batch

NORM_EPSILON = 1e-6  # the program's
WAVE_BASE = 10000.0  # Vaswani et al. 2017
Gates = Literal["learned", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtOptions:
    """What shapes the model. Defaults are the program's for IEMOCAP; the recipe `meld` has those for MELD.

    Args:
        width: an even multiple of `heads`.
        heads: of attention.
        dropout: share of values that a training step leaves out.
        gates: whether W_nm of equation 3 is learned or the identity.
        temperature: T of equation 10.
        task_weight, hard_weight, soft_weight: gamma_1 to gamma_3 of equation 11.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    width: int = 1024
    heads: int = 8
    dropout: float = 0.5
    gates: Gates = "learned"
    temperature: float = 1.0
    task_weight: float = 1.0
    hard_weight: float = 1.0
    soft_weight: float = 1.0
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(width=self.width, heads=self.heads)
        check_multiple("width", self.width, parts=self.heads, of="heads")
        check_multiple("width", self.width, parts=2, of="waves of a place, sine and cosine")
        check_dropouts(dropout=self.dropout)
        check_weights(
            task_weight=self.task_weight, hard_weight=self.hard_weight, soft_weight=self.soft_weight
        )
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; give a finite number above 0")
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtOutput:
    """What it makes of a batch.

    Args:
        students: y_m of each modality.
        fused: H'.
        gates: g_m of each modality, zeros where it is missing.
    """

    logits: Float[Tensor, "batch seq cls"]
    students: Mapping[Modality, Float[Tensor, "batch seq cls"]]
    fused: Float[Tensor, "batch seq width"]
    gates: Mapping[Modality, Float[Tensor, "batch seq width"]]


def waves_of_places(places: int, width: int, like: Tensor) -> Float[Tensor, "seq width"]:
    """PE: sines in even columns, cosines in odd ones, of wavelengths from 2 pi to 10000 * 2 pi."""
    even = torch.arange(0, width, 2, device=like.device, dtype=like.dtype)
    angles = torch.arange(places, device=like.device, dtype=like.dtype).unsqueeze(1) * torch.exp(
        even * (-math.log(WAVE_BASE) / width)
    )
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class PairTransformer(nn.Module):
    """What modality m takes of modality n, or of itself."""

    def __init__(self, *, width: int, heads: int, dropout: float, gates: Gates) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.attention = CrossAttention(width=width, heads=heads, dropout=dropout)
        self.inner = nn.Sequential(
            nn.LayerNorm(width, eps=NORM_EPSILON),
            nn.Linear(width, width),
            nn.GELU(approximate="tanh"),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )
        self.gate = nn.Linear(width, width, bias=False) if gates == "learned" else nn.Identity()

    def forward(
        self,
        own: Float[Tensor, "batch seq width"],
        other: Float[Tensor, "batch seq width"],
        usable: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch seq width"]:
        """H'_nm, of H_m and H_n; `usable` where there is n."""
        is_within = other is own
        own = self.dropout(own)
        other = own if is_within else self.dropout(other)
        attended = own + self.dropout(self.attention(own, other, usable))
        taken = attended + self.inner(attended)  # (2)
        gated: Tensor = torch.sigmoid(self.gate(taken)) * taken  # (3)
        return gated


class Sdt(nn.Module):
    """The model and its students."""

    def __init__(self, options: SdtOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.options = options
        self.modalities = tuple(shape.feature_dims)
        width, dims = options.width, shape.feature_dims
        self.inputs = nn.ModuleDict({m: nn.Linear(dims[m], width, bias=False) for m in self.modalities})
        self.speaker = nn.Embedding(shape.identities, width)
        self.pairs = nn.ModuleDict(
            {
                f"{m}_from_{n}": PairTransformer(
                    width=width, heads=options.heads, dropout=options.dropout, gates=options.gates
                )
                for m in self.modalities
                for n in self.modalities
            }
        )
        joined = len(self.modalities) * width
        self.joins = nn.ModuleDict({m: nn.Linear(joined, width) for m in self.modalities})
        self.gate = nn.Linear(width, width, bias=False)
        self.classifier = nn.Linear(width, shape.classes)
        self.students = nn.ModuleDict(
            {
                m: nn.Sequential(nn.ReLU(), nn.Dropout(options.dropout), nn.Linear(width, shape.classes))
                for m in self.modalities
            }
        )

    def forward(self, batch: ConversationBatch) -> SdtOutput:
        """Classify each utterance, by all of its modalities and by each."""
        embedded = self._embedded(batch)
        taken = {m: self._taken(m, embedded, batch) for m in self.modalities}
        gates = self._gates(taken, batch)
        fused = torch.stack([gates[m] * taken[m] for m in self.modalities]).sum(dim=0)  # (6)
        return SdtOutput(
            logits=self.classifier(fused),  # (7)
            students={m: self.students[m](taken[m]) for m in self.modalities},  # (8)
            fused=fused,
            gates=gates,
        )

    def _embedded(self, batch: ConversationBatch) -> dict[Modality, Tensor]:
        """H_m of each modality."""
        speakers: Tensor = self.speaker(batch.identities)
        around = speakers + waves_of_places(speakers.shape[1], speakers.shape[2], speakers)
        return {m: self.inputs[m](batch.known(m)) + around for m in self.modalities}  # (1)

    def _taken(
        self, modality: Modality, embedded: Mapping[Modality, Tensor], batch: ConversationBatch
    ) -> Tensor:
        """H'_m: what a modality took of itself and of the others."""
        parts = [
            self.pairs[f"{modality}_from_{n}"](embedded[modality], embedded[n], batch.usable[n])
            for n in self.modalities
        ]
        joined: Tensor = self.joins[modality](torch.cat(parts, dim=-1))  # (4)
        return joined

    def _gates(self, taken: Mapping[Modality, Tensor], batch: ConversationBatch) -> dict[Modality, Tensor]:
        """g_m: per dimension the modalities' shares, of those that an utterance has."""
        scores = torch.stack([self.gate(taken[m]) for m in self.modalities])
        there = torch.stack([batch.usable[m] for m in self.modalities]).unsqueeze(-1)
        lowest = torch.finfo(scores.dtype).min  # -inf would make NaN where there is none
        shares = scores.masked_fill(~there, lowest).softmax(dim=0) * there  # (5)
        return dict(zip(self.modalities, shares, strict=True))

    def losses(self, output: SdtOutput, batch: ConversationBatch, truth_loss: TruthLoss) -> dict[str, Tensor]:
        """The task's, the students' against the truth, and theirs against what all modalities say."""
        task = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        hard = [truth_loss(y_m, batch.labels, batch.usable[m]) for m, y_m in output.students.items()]  # (9)
        soft = [
            self._divergence(output.logits, y_m, batch.usable[m] & (batch.labels != UNKNOWN_LABEL))
            for m, y_m in output.students.items()
        ]
        terms = {"truth": task, "hard": torch.stack(hard).sum(), "soft": torch.stack(soft).sum()}
        weights = (self.options.task_weight, self.options.hard_weight, self.options.soft_weight)
        total = sum(weight * term for weight, term in zip(weights, terms.values(), strict=True))  # (11)
        return {**terms, "total": cast(Tensor, total)}

    def _divergence(self, taught: Tensor, learned: Tensor, counted: Tensor) -> Tensor:
        """Mean KL of a student from the whole, both at temperature T."""
        target = (taught / self.options.temperature).log_softmax(dim=-1)
        said = (learned / self.options.temperature).log_softmax(dim=-1)
        divergence = (target.exp() * (target - said)).sum(dim=-1)  # (10)
        return mean_over_batch(divergence.masked_fill(~counted, 0.0).sum(), counted.sum(), least=1)

    def outlook(self, output: SdtOutput, batch: ConversationBatch) -> Outlook:
        """Logits and H'; draws the modalities' mean shares in it."""
        anything = batch.any_usable(self.modalities)
        shares = {
            m.value: Measure(values=gate.mean(dim=-1), counted=anything) for m, gate in output.gates.items()
        }
        return Outlook(logits=output.logits, features=output.fused, drawn={"modality_gates": shares})


KIND = ModelKind(
    options=SdtOptions,
    build=Sdt,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=1e-4,
        weight_decay=1e-5,
        batch_dialogues=16,
        most_epochs=150,
        patience_epochs=20,
        warmup_share=0.0,
        schedule="constant",
    ),
)
