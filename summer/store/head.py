"""The head that an encoder was fine-tuned with: one linear layer over the very vector that a store keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summer.store.rows import StoreError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no one truth of equality
class EncoderHead:
    """What an encoder makes of its vector x: logits = weight x + bias.

    Args:
        weight: (classes, dim) float32, classes in the order of the store's labels.
        bias: (classes,) float32.

    Raises:
        StoreError: shapes that do not belong together, or a number that is not finite.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise StoreError(
                f"an encoder's head with weight {self.weight.shape} and bias {self.bias.shape}; give "
                "(classes, dim) and (classes,)"
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise StoreError("an encoder's head holds NaN or infinity; tune the encoder again")

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, classes) of (rows, dim) vectors."""
        return vectors @ self.weight.T + self.bias

    def check(self, *, classes: int, dim: int) -> None:
        """Refuse a head that is not over `dim` numbers, or not of `classes` emotions.

        Raises:
            StoreError: names both shapes and the remedy.
        """
        if self.weight.shape != (classes, dim):
            raise StoreError(
                f"an encoder's head is {self.weight.shape}, the store has {classes} labels and raw vectors "
                f"{dim} wide; give the head that was trained with these labels over these vectors, or none"
            )
