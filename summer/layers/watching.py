"""A look at the weights that attention uses, while a model is asked: nothing is computed again.

    with watched(attentions) as seen:
        model(batch)
    seen[attention]                    (batch, head, query, key), that the values were summed by

Outside of the block nobody looks, and the model is what it was. Where an attention is passed twice within a
block, the last weights are those that are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from summer.layers.attention import MultiHeadAttention


@contextmanager
def watched(attentions: Iterable[MultiHeadAttention]) -> Iterator[dict[MultiHeadAttention, Tensor]]:
    """Within the block, keep the weights that these attentions use."""
    seen: dict[MultiHeadAttention, Tensor] = {}
    with ExitStack() as stack:
        for attention in attentions:
            stack.enter_context(attention.used.register_forward_hook(_Keeper(attention, seen)))
        yield seen


class _Keeper:
    """The hook of one attention."""

    def __init__(self, attention: MultiHeadAttention, seen: dict[MultiHeadAttention, Tensor]) -> None:
        self._attention, self._seen = attention, seen

    def __call__(self, _: nn.Module, __: object, weights: Tensor) -> None:
        self._seen[self._attention] = weights.detach()
