"""A look at attention: what is seen is what was used, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from summer.layers.attention import CrossAttention, MultiHeadAttention, SelfAttention, weights_of_usable
from summer.layers.crossmodal import CrossModalLayer
from summer.layers.watching import watched

WIDTH, HEADS = 8, 2
USABLE = torch.tensor([[True] * 5, [True, False, True, False, False]])


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def test_the_weights_that_are_seen_are_the_softmax_of_the_scores() -> None:
    layer, hidden = SelfAttention(width=WIDTH, heads=HEADS, dropout=0.0), torch.randn(2, 5, WIDTH)
    with watched([layer.attention]) as seen:
        _, scores = layer(hidden, USABLE)
    assert torch.equal(seen[layer.attention], weights_of_usable(scores, USABLE))


def test_in_training_those_are_seen_that_dropout_left() -> None:
    part, hidden = CrossAttention(width=WIDTH, heads=HEADS, dropout=0.5), torch.randn(2, 5, WIDTH)
    with watched([part.attention]) as seen:
        attended = part(hidden, hidden, USABLE)
    weights = seen[part.attention]
    assert (weights[0] == 0).any()
    torch.testing.assert_close(part.attention.attend(weights, hidden), attended)


def test_every_layer_that_has_this_attention_can_be_watched() -> None:
    layer, hidden = CrossModalLayer(width=WIDTH, heads=HEADS), torch.randn(2, 5, WIDTH)
    with watched([layer.attention]) as seen:
        layer(hidden, None, USABLE)
    torch.testing.assert_close(seen[layer.attention].sum(dim=-1), torch.ones(2, HEADS, 5))


def test_looking_changes_nothing_and_leaves_nothing_behind() -> None:
    attention, hidden = MultiHeadAttention(width=WIDTH, heads=HEADS), torch.randn(2, 5, WIDTH)
    weights = weights_of_usable(attention.scores(hidden, hidden), USABLE)
    plain = attention.attend(weights, hidden)
    with watched([attention]) as seen:
        assert torch.equal(attention.attend(weights, hidden), plain)
    assert not seen[attention].requires_grad
    seen.clear()
    attention.attend(weights, hidden)
    assert not seen
    assert all(not part._forward_hooks for part in attention.modules())


def test_a_pass_that_fails_leaves_nothing_behind_either() -> None:
    attention = MultiHeadAttention(width=WIDTH, heads=HEADS)
    with pytest.raises(RuntimeError, match="stop"), watched([attention]):
        raise RuntimeError("stop")
    assert not attention.used._forward_hooks


def test_what_is_watched_has_no_weights_of_its_own() -> None:
    names = MultiHeadAttention(width=WIDTH, heads=HEADS).state_dict().keys()
    assert {name.partition(".")[0] for name in names} == {"query", "key", "value", "out"}
    assert isinstance(MultiHeadAttention(width=WIDTH, heads=HEADS).used, nn.Identity)
