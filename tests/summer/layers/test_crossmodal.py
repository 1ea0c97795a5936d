"""The cross-modal transformer against torch's own attention and encoder layers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from summer.layers.attention import MultiHeadAttention
from summer.layers.crossmodal import CrossModalLayer, CrossModalTransformer

WIDTH, HEADS, LAYERS = 8, 2, 3
USABLE = torch.tensor([[True, True, False, True, False], [True, False, False, False, False]])


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def attention_twin(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """torch's own with the same weights."""
    twin = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    three = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([one.weight for one in three]))
        twin.in_proj_bias.copy_(torch.cat([one.bias for one in three]))
        twin.out_proj.load_state_dict(ours.out.state_dict())
    return twin


def expected(ours: CrossModalTransformer, hidden: Tensor, other: Tensor | None) -> Tensor:
    """The equations, attention by torch."""
    hidden = hidden * math.sqrt(WIDTH)
    for layer in ours.layers:
        assert isinstance(layer, CrossModalLayer)
        keys = layer.norm(hidden if other is None else other)
        found, _ = attention_twin(layer.attention)(layer.norm(hidden), keys, keys, key_padding_mask=~USABLE)
        hidden = hidden + found
        norm, inner, _, out = layer.feed_forward
        hidden = hidden + out(torch.relu(inner(norm(hidden))))
    return ours.norm(hidden)


@pytest.mark.parametrize("crossed", [True, False])
def test_it_asks_another_sequence_or_its_own(crossed: bool) -> None:
    ours = CrossModalTransformer(width=WIDTH, heads=HEADS, layers=LAYERS)
    hidden, other = torch.randn(2, 5, WIDTH), torch.randn(2, 5, WIDTH) if crossed else None
    torch.testing.assert_close(ours(hidden, USABLE, other), expected(ours, hidden, other))


def test_what_is_not_usable_is_not_asked_and_where_nothing_is_nothing_breaks() -> None:
    ours = CrossModalTransformer(width=WIDTH, heads=HEADS, layers=LAYERS)
    hidden, other = torch.randn(2, 5, WIDTH), torch.randn(2, 5, WIDTH)
    spoiled = torch.where(USABLE.unsqueeze(-1), other, torch.full_like(other, 7.0))
    assert torch.equal(ours(hidden, USABLE, other), ours(hidden, USABLE, spoiled))
    nothing = torch.zeros_like(USABLE)
    assert torch.equal(ours(hidden, nothing, other), ours(hidden, nothing, -other))
    assert torch.isfinite(ours(hidden, nothing, other)).all()


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 8 is no multiple of 3 heads"):
        CrossModalTransformer(width=8, heads=3, layers=1)
