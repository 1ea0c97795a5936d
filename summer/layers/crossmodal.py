"""A transformer whose queries and keys may be of two modalities.

Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences" (MulT), with a norm
before each step, as in its program:

    z_0   = sqrt(width) x,  o: the other sequence
    z'_l  = z_l + Attention(LN(z_l), LN(o), LN(o))      of one sequence LN(z_l) stands for LN(o)
    z_l+1 = z'_l + W_2 ReLU(W_1 LN'(z'_l) + b_1) + b_2
    out   = LN(z_L)

Keys that are not usable get no weight; where there is no usable key at all, nothing is attended to.

Dimensions: batch dialogues, seq utterances, width of the model.
"""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.layers.attention import FEED_FORWARD_RATIO, MultiHeadAttention, weights_of_usable


class CrossModalLayer(nn.Module):
    """Attention to another sequence or to its own, then a feed-forward network."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, FEED_FORWARD_RATIO * width),
            nn.ReLU(),
            nn.Linear(FEED_FORWARD_RATIO * width, width),
        )

    def forward(
        self,
        hidden: Float[Tensor, "batch seq width"],
        other: Float[Tensor, "batch seq width"] | None,
        usable: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch seq width"]:
        """One step.

        Args:
            other: what is attended to; None: `hidden` itself.
            usable: of what is attended to.
        """
        asking = self.norm(hidden)
        asked = asking if other is None else self.norm(other)
        weights = weights_of_usable(self.attention.scores(asking, asked), usable)
        hidden = hidden + self.attention.attend(weights, asked)
        stepped: Tensor = hidden + self.feed_forward(hidden)
        return stepped


class CrossModalTransformer(nn.Module):
    """Several layers and a norm.

    Raises:
        ValueError: the width is no multiple of the heads.
    """

    def __init__(self, *, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.layers = nn.ModuleList(CrossModalLayer(width=width, heads=heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        hidden: Float[Tensor, "batch seq width"],
        usable: Bool[Tensor, "batch seq"],
        other: Float[Tensor, "batch seq width"] | None = None,
    ) -> Float[Tensor, "batch seq width"]:
        """Each utterance, and what it finds in the dialogue.

        Args:
            usable: of what is attended to.
            other: what is attended to; None: `hidden` itself.
        """
        hidden = hidden * self.scale
        for layer in self.layers:
            hidden = layer(hidden, other, usable)
        found: Tensor = self.norm(hidden)
        return found
