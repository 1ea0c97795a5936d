"""Hierarchical cross-modal fusion, guided by where the teacher's attention disagrees.

Paper: section 3.5, equations 7 to 10.

    M_ij   = 1 where |s_tr - s_st| > 0.5, else 0            s = Q K^T / sqrt(d)            (7)
             both averaged over heads; its gradient is that of sigmoid((|s_tr - s_st| - 0.5) / 0.25)
    Dyn    = sum_j (1 - phi M_ij) softmax(s_st)_ij V_j      phi learned, in [0, 1]         (8)
    H_ta   = Dyn(Q_t, K_a, V_a)                                                            (9)
    H_tav  = Dyn(H_ta, K_v, V_v)                                                           (10)

Each modality has a branch, text, audio and video first; a branch takes the other modalities in that order.
One level of all branches, `layers` of them stacked:

    H_m    = LayerNorm(H_m + Attention(H_m, H_m))                       within the modality
    H_m    = LayerNorm(H_m + Dyn(H_m, H_n, H_n))   for each other n     (9), (10)
    H_m    = LayerNorm(H_m + W_2 GELU(W_1 H_m))

where H_n are the other branches after their own attention of the same level. Figure 5 compares this with a
fusion without the residual of (9) and (10), H_m = LayerNorm(Dyn(H_m, H_n, H_n)). The scores of the teacher's
layer l guide level l.

Dimensions: batch dialogues, seq utterances, head heads, width of the model.

Departures from the paper: where the teacher has no vector for either utterance there is nothing to
disagree with, so M is 0. As printed, weights are not normalised again after (8). Heads of two networks have
no common order, so that head 3 of one says nothing of head 3 of the other: scores are compared averaged over
heads (`head-by-head` is the other reading). A hard threshold has no gradient, with which the teacher would
align nothing: it passes straight through (`hard` is without).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.corpus import Modality
from summer.layers.attention import (
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    SelfAttention,
    weights_of_usable,
)
from summer.options import Agreement, Threshold

DISAGREEMENT_LIMIT = 0.5
SOFTNESS = 0.25  # of the sigmoid whose gradient stands for the threshold's
START_OF_PHI = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """What the teacher shows the student's attention.

    Args:
        scores: one (batch, head, seq, seq) per layer, s_tr of equation 7.
        usable: (batch, seq) where the teacher's modality has a vector.
    """

    scores: Sequence[Float[Tensor, "batch head seq seq"]]
    usable: Bool[Tensor, "batch seq"]


def disagreement(
    teacher_scores: Float[Tensor, "batch head query key"],
    student_scores: Float[Tensor, "batch head query key"],
    usable: Bool[Tensor, "batch seq"],
    *,
    agreement: Agreement,
    threshold: Threshold,
) -> Float[Tensor, "batch _ query key"]:
    """M of equation 7: 1 where the two differ by more than the limit, among utterances the teacher knows.

    Returns:
        (batch, 1, query, key) for the mean of heads, (batch, head, query, key) head by head.
    """
    difference = teacher_scores - student_scores
    if agreement == "mean-of-heads":
        difference = difference.mean(dim=1, keepdim=True)
    distance = difference.abs()
    masked = (distance > DISAGREEMENT_LIMIT).to(distance.dtype)  # (7)
    if threshold == "straight-through":
        soft = ((distance - DISAGREEMENT_LIMIT) / SOFTNESS).sigmoid()
        masked = masked + (soft - soft.detach())  # the difference is 0 to the bit, and so M stays 0 or 1
    return masked * (usable[:, None, :, None] & usable[:, None, None, :])


class TeacherGuidedAttention(nn.Module):
    """LayerNorm(H + Dyn(H, other, other)): one step of the fusion, from one modality to another.

    Args:
        residual: whether H is added; figure 5 asks what becomes of the losses where it is not.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        dropout: float,
        agreement: Agreement,
        threshold: Threshold,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.agreement: Agreement = agreement
        self.threshold: Threshold = threshold
        self.residual = residual
        self.phi_logit = nn.Parameter(torch.tensor(START_OF_PHI).logit())
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    @property
    def phi(self) -> Float[Tensor, ""]:
        """How much of a weight the teacher's disagreement takes away, in [0, 1]."""
        return self.phi_logit.sigmoid()

    def forward(
        self,
        hidden: Float[Tensor, "batch seq width"],
        *,
        other: Float[Tensor, "batch seq width"],
        usable: Bool[Tensor, "batch seq"],
        teacher_scores: Float[Tensor, "batch head seq seq"] | None,
        teacher_usable: Bool[Tensor, "batch seq"] | None,
    ) -> Float[Tensor, "batch seq width"]:
        """Attend to the other modality, where `usable` says that it has a vector."""
        scores = self.attention.scores(hidden, other)
        weights = weights_of_usable(scores, usable)
        if teacher_scores is not None and teacher_usable is not None:
            masked = disagreement(
                teacher_scores, scores, teacher_usable, agreement=self.agreement, threshold=self.threshold
            )
            weights = (1 - self.phi * masked) * weights  # (8)
        attended = self.attention.attend(self.dropout(weights), other)
        # A dialogue without the other modality has nothing to add, not even the projection's bias.
        nothing = ~usable.any(dim=1)[:, None, None]
        attended = attended.masked_fill(nothing, 0.0)
        kept = hidden if self.residual else hidden * nothing
        fused: Tensor = self.norm(kept + self.dropout(attended))
        return fused


class FusionLevel(nn.Module):
    """One level of every branch."""

    def __init__(
        self,
        modalities: Sequence[Modality],
        *,
        width: int,
        heads: int,
        dropout: float,
        agreement: Agreement,
        threshold: Threshold,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        sizes = {"width": width, "heads": heads}
        self.within = nn.ModuleDict({m: SelfAttention(**sizes, dropout=dropout) for m in self.modalities})
        self.across = nn.ModuleDict(
            {
                f"{m}_from_{n}": TeacherGuidedAttention(
                    **sizes, dropout=dropout, agreement=agreement, threshold=threshold, residual=residual
                )
                for m, n in permutations(self.modalities, 2)
            }
        )
        self.feed_forward = nn.ModuleDict(
            {m: FeedForward(width=width, dropout=dropout) for m in self.modalities}
        )

    def forward(
        self,
        branches: Mapping[Modality, Tensor],
        usable: Mapping[Modality, Tensor],
        *,
        teacher_scores: Tensor | None,
        teacher_usable: Tensor | None,
    ) -> dict[Modality, Tensor]:
        """(batch, seq, width) of each branch, after this level."""
        within = {m: self.within[m](branches[m], usable[m])[0] for m in self.modalities}
        return {
            m: self._fused(m, within, usable, teacher_scores=teacher_scores, teacher_usable=teacher_usable)
            for m in self.modalities
        }

    def attentions(self) -> Iterator[tuple[Modality, Modality, MultiHeadAttention]]:
        """Each with the branch that looks and the modality that is looked at."""
        for modality in self.modalities:
            yield modality, modality, cast(SelfAttention, self.within[modality]).attention
            for other in (n for n in self.modalities if n != modality):
                across = cast(TeacherGuidedAttention, self.across[f"{modality}_from_{other}"])
                yield modality, other, across.attention

    def _fused(
        self,
        modality: Modality,
        within: Mapping[Modality, Tensor],
        usable: Mapping[Modality, Tensor],
        *,
        teacher_scores: Tensor | None,
        teacher_usable: Tensor | None,
    ) -> Tensor:
        hidden = within[modality]
        for other in (n for n in self.modalities if n != modality):  # (9), then (10)
            hidden = self.across[f"{modality}_from_{other}"](
                hidden,
                other=within[other],
                usable=usable[other],
                teacher_scores=teacher_scores,
                teacher_usable=teacher_usable,
            )
        fused: Tensor = self.feed_forward[modality](hidden)
        return fused


class HierarchicalFusion(nn.Module):
    """HCMF: levels stacked, each guided by the teacher's layer of the same number."""

    def __init__(self, levels: Sequence[FusionLevel]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def forward(
        self,
        branches: Mapping[Modality, Tensor],
        usable: Mapping[Modality, Tensor],
        guidance: Guidance | None,
    ) -> dict[Modality, Tensor]:
        """H_m of each modality.

        Raises:
            ValueError: the teacher has another number of layers.
        """
        if guidance is not None and len(guidance.scores) != len(self.levels):
            raise ValueError(
                f"the teacher has {len(guidance.scores)} layers, the student {len(self.levels)} levels; "
                "level l is guided by layer l, so train both with one model.layers"
            )
        fused = dict(branches)
        for number, level in enumerate(self.levels):
            fused = level(
                fused,
                usable,
                teacher_scores=None if guidance is None else guidance.scores[number],
                teacher_usable=None if guidance is None else guidance.usable,
            )
        return fused


class SelfAttentionFusion(nn.Module):
    """What the ablation of Table 4 puts in place of HCMF: each modality attends to itself only."""

    def __init__(
        self, modalities: Sequence[Modality], *, layers: int, width: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    EncoderLayer(width=width, heads=heads, dropout=dropout) for _ in range(layers)
                )
                for m in modalities
            }
        )

    def forward(
        self,
        branches: Mapping[Modality, Tensor],
        usable: Mapping[Modality, Tensor],
        guidance: Guidance | None,
    ) -> dict[Modality, Tensor]:
        """H_m of each modality; the teacher has no say."""
        del guidance
        encoded = dict(branches)
        for modality in self.branches:
            for layer in self.branches[modality].children():
                encoded[Modality(modality)], _ = layer(
                    encoded[Modality(modality)], usable[Modality(modality)]
                )
        return encoded
