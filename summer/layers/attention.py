"""Multi-head attention whose scores can be looked at, and the BERT-like layer of the teacher.

Paper: section 3.5 ("BERT-like bidirectional encoder", 4 heads; residuals "to retain more original modal
information"). Vaswani et al. 2017, layer norm after each residual as in BERT:

    s = Q K^T / sqrt(d)          d: width of a head
    H = LayerNorm(H + Attention(H, H))
    H = LayerNorm(H + W_2 GELU(W_1 H))

Keys that are not usable get no weight; where there is no usable key at all, every weight is 0.

Dimensions: batch dialogues, head heads, query and key utterances, width of the model.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

FEED_FORWARD_RATIO = 4  # BERT's


class MultiHeadAttention(nn.Module):
    """Projections of attention; scores, weights and values are steps of their own.

    Attributes:
        used: passes on the weights that the values are summed by: `summer.layers.watching` looks there.

    Raises:
        ValueError: the width is no multiple of the heads.
    """

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of {heads} heads; choose one that is")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.used = nn.Identity()

    def scores(
        self, queries: Float[Tensor, "batch query width"], keys: Float[Tensor, "batch key width"]
    ) -> Float[Tensor, "batch head query key"]:
        """Q K^T / sqrt(d) of each head."""
        asked, offered = self._split(self.query(queries)), self._split(self.key(keys))
        return asked @ offered.transpose(-2, -1) / math.sqrt(asked.shape[-1])

    def attend(
        self, weights: Float[Tensor, "batch head query key"], values: Float[Tensor, "batch key width"]
    ) -> Float[Tensor, "batch query width"]:
        """Weighted sum of the values, heads joined."""
        joined = (self.used(weights) @ self._split(self.value(values))).transpose(1, 2).flatten(2)
        attended: Tensor = self.out(joined)
        return attended

    def _split(self, vectors: Tensor) -> Tensor:
        """(batch, seq, width) to (batch, head, seq, width / head)."""
        batch, seq, width = vectors.shape
        return vectors.view(batch, seq, self.heads, width // self.heads).transpose(1, 2)


def weights_of_usable(
    scores: Float[Tensor, "batch head query key"], usable: Bool[Tensor, "batch key"]
) -> Float[Tensor, "batch head query key"]:
    """Softmax of the scores over usable keys; zeros where there is none."""
    there = usable[:, None, None, :]
    lowest = torch.finfo(scores.dtype).min  # -inf would make NaN where no key is usable
    return scores.masked_fill(~there, lowest).softmax(dim=-1) * there


class CrossAttention(nn.Module):
    """Multi-head attention to what is usable of another sequence; zeros where none of it is.

    Args:
        dropout: share of the weights that is dropped in training.

    Raises:
        ValueError: the width is no multiple of the heads.
    """

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Float[Tensor, "batch query width"],
        others: Float[Tensor, "batch key width"],
        usable: Bool[Tensor, "batch key"],
    ) -> Float[Tensor, "batch query width"]:
        """What each query attends to among the others; `usable` tells which of these there are."""
        weights = weights_of_usable(self.attention.scores(queries, others), usable)
        attended = self.attention.attend(self.dropout(weights), others)
        # A row whose weights are all zero has nothing to give, not even the projection's bias.
        return attended.masked_fill(~usable.any(dim=1)[:, None, None], 0.0)


class FeedForward(nn.Module):
    """LayerNorm(H + W_2 GELU(W_1 H))."""

    def __init__(self, *, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(width, FEED_FORWARD_RATIO * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(FEED_FORWARD_RATIO * width, width),
            nn.Dropout(dropout),
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Float[Tensor, "batch seq width"]) -> Float[Tensor, "batch seq width"]:
        """Transform each utterance by itself."""
        transformed: Tensor = self.norm(hidden + self.inner(hidden))
        return transformed


class SelfAttention(nn.Module):
    """LayerNorm(H + Attention(H, H)), and the scores of it."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, hidden: Float[Tensor, "batch seq width"], usable: Bool[Tensor, "batch seq"]
    ) -> tuple[Float[Tensor, "batch seq width"], Float[Tensor, "batch head seq seq"]]:
        """Let each utterance attend to the usable ones of its dialogue; returns hidden states and scores."""
        scores = self.attention.scores(hidden, hidden)
        weights = self.dropout(weights_of_usable(scores, usable))
        attended = self.dropout(self.attention.attend(weights, hidden))
        return self.norm(hidden + attended), scores


class EncoderLayer(nn.Module):
    """One BERT-like layer: self-attention, then feed-forward."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.feed_forward = FeedForward(width=width, dropout=dropout)

    def forward(
        self, hidden: Float[Tensor, "batch seq width"], usable: Bool[Tensor, "batch seq"]
    ) -> tuple[Float[Tensor, "batch seq width"], Float[Tensor, "batch head seq seq"]]:
        """Hidden states after the layer, and the scores of its attention."""
        attended, scores = self.self_attention(hidden, usable)
        return self.feed_forward(attended), scores
