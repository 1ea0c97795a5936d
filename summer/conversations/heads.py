"""A linear layer over standardised vectors, such as an encoder's own head.

A linear layer over x is another one over the standardised y = (x - centre) / spread, as long as nothing is
lost on the way from x to y (`Standardisation.without_loss`):

    W x + b = (W spread) y + (b + W centre)

It is computed in float64 and kept in float32, so both sides agree to the precision of float32.

An encoder is fine-tuned with every utterance counting the same. What is trained with class weights w is to
say w_c p_c / sum w p where that one says p_c (the cross-entropy of weighted truths has its minimum there), so
the same layer says it with log w added to its bias.

Dimensions: cls emotion classes, dim width of the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from summer.conversations.standardisation import Standardisation
from summer.corpus import Modality
from summer.store import EncoderHead


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no one truth of equality
class LinearLayer:
    """logits = sum of weights_m y_m over modalities m, + bias; y_m standardised vectors.

    Args:
        weights: (cls, dim) of each modality that it reads.
    """

    weights: Mapping[Modality, Float[Tensor, "cls ..."]]
    bias: Float[Tensor, " cls"]

    def weighted(self, class_weights: Float[Tensor, " cls"] | None) -> LinearLayer:
        """What this layer, trained without class weights, would be with them.

        Args:
            class_weights: above 0; None: all the same.
        """
        return self if class_weights is None else replace(self, bias=self.bias + class_weights.log())


def folded(head: EncoderHead, standardisation: Standardisation) -> LinearLayer:
    """The layer that makes of standardised text what the encoder's `head` makes of that before.

    Raises:
        ValueError: the standardisation loses something, so that there is no such layer.
    """
    if standardisation.clipped or not standardisation.spread.all():
        raise ValueError(
            "the standardisation clips outliers or drops columns, which no head can undo; use without_loss()"
        )
    weight = head.weight.astype(np.float64)
    return LinearLayer(
        weights={Modality.TEXT: torch.from_numpy((weight * standardisation.spread).astype(np.float32))},
        bias=torch.from_numpy((head.bias + weight @ standardisation.centre).astype(np.float32)),
    )
