"""An encoder's own head, over standardised vectors.

A linear layer over x is another one over the standardised y = (x - centre) / spread, as long as nothing is
lost on the way from x to y (`Standardisation.without_loss`):

    W x + b = (W spread) y + (b + W centre)

It is computed in float64 and kept in float32, so both sides agree to the precision of float32.

Dimensions: cls emotion classes, dim width of the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from summer.conversations.standardisation import Standardisation
from summer.store import EncoderHead


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no one truth of equality
class FoldedHead:
    """logits = weight y + bias, of standardised vectors y."""

    weight: Float[Tensor, "cls dim"]
    bias: Float[Tensor, " cls"]


def folded(head: EncoderHead, standardisation: Standardisation) -> FoldedHead:
    """The head that makes of standardised vectors what `head` makes of those before.

    Raises:
        ValueError: the standardisation loses something, so that there is no such head.
    """
    if standardisation.clipped or not standardisation.spread.all():
        raise ValueError(
            "the standardisation clips outliers or drops columns, which no head can undo; use without_loss()"
        )
    weight = head.weight.astype(np.float64)
    return FoldedHead(
        weight=torch.from_numpy((weight * standardisation.spread).astype(np.float32)),
        bias=torch.from_numpy((head.bias + weight @ standardisation.centre).astype(np.float32)),
    )
