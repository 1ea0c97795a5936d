"""Attention against torch's MultiheadAttention and TransformerEncoderLayer with the same weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from summer.layers.attention import (
    CrossAttention,
    EncoderLayer,
    MultiHeadAttention,
    SelfAttention,
    weights_of_usable,
)

WIDTH, HEADS = 8, 2
USABLE = torch.tensor([[True] * 6, [True, False, True, True, False, False]])


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        yield


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """torch keeps the three projections in one matrix."""
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)


def twin_of_layer(layer: EncoderLayer) -> nn.TransformerEncoderLayer:
    """torch's layer, norm after each residual, in training mode without dropout (no fast path)."""
    twin = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=False
    ).double()
    copy_attention(layer.self_attention.attention, twin.self_attn)
    for ours, theirs in (
        (layer.feed_forward.inner[0], twin.linear1),
        (layer.feed_forward.inner[3], twin.linear2),
        (layer.self_attention.norm, twin.norm1),
        (layer.feed_forward.norm, twin.norm2),
    ):
        theirs.load_state_dict(ours.state_dict())
    return twin


def scrambled(layer: EncoderLayer) -> EncoderLayer:
    """Norms start as the identity, with which a norm in the wrong place could hide."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return layer


def hidden() -> Tensor:
    return torch.randn(2, 6, WIDTH, dtype=torch.float64)


def test_scores_are_scaled_dot_products_of_each_head() -> None:
    attention, queries, keys = MultiHeadAttention(width=WIDTH, heads=HEADS).double(), hidden(), hidden()
    asked = (queries @ attention.query.weight.T + attention.query.bias).detach().numpy()
    offered = (keys @ attention.key.weight.T + attention.key.bias).detach().numpy()
    scores = attention.scores(queries, keys).detach().numpy()
    size = WIDTH // HEADS
    for batch, head, i, j in np.ndindex(*scores.shape):
        of_head = slice(head * size, (head + 1) * size)
        expected = asked[batch, i, of_head] @ offered[batch, j, of_head] / math.sqrt(size)
        np.testing.assert_allclose(scores[batch, head, i, j], expected, atol=1e-12)


def test_it_is_torchs_multi_head_attention_over_usable_keys() -> None:
    ours, queries, keys = MultiHeadAttention(width=WIDTH, heads=HEADS).double(), hidden(), hidden()
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    copy_attention(ours, theirs)
    expected, weights = theirs(
        queries, keys, keys, key_padding_mask=~USABLE, need_weights=True, average_attn_weights=False
    )
    mine = weights_of_usable(ours.scores(queries, keys), USABLE)
    torch.testing.assert_close(mine, weights)
    torch.testing.assert_close(ours.attend(mine, keys), expected)


def test_a_layer_is_torchs_encoder_layer_with_norm_after_the_residual() -> None:
    layer, vectors = scrambled(EncoderLayer(width=WIDTH, heads=HEADS, dropout=0.0).double()), hidden()
    expected = twin_of_layer(layer)(vectors, src_key_padding_mask=~USABLE)
    output, scores = layer(vectors, USABLE)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(scores, layer.self_attention.attention.scores(vectors, vectors))


def test_keys_that_are_not_usable_get_exactly_no_weight() -> None:
    weights = weights_of_usable(torch.randn(2, HEADS, 6, 6), USABLE)
    assert not weights[1][..., ~USABLE[1]].any()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, HEADS, 6))


def test_without_any_usable_key_the_weights_are_zeros_and_the_layer_is_finite() -> None:
    nothing = torch.zeros(2, 6, dtype=torch.bool)
    assert not weights_of_usable(torch.randn(2, HEADS, 6, 6), nothing).any()
    output, _ = EncoderLayer(width=WIDTH, heads=HEADS, dropout=0.0).double()(hidden(), nothing)
    assert output.isfinite().all()


def test_a_hole_attends_like_the_dialogue_without_it() -> None:
    layer, vectors = EncoderLayer(width=WIDTH, heads=HEADS, dropout=0.0).double(), hidden()
    there = USABLE[1]
    without, _ = layer(vectors[1:, there], torch.ones(1, int(there.sum()), dtype=torch.bool))
    torch.testing.assert_close(layer(vectors, USABLE)[0][1:, there], without)


def test_what_stands_in_keys_that_are_not_usable_changes_no_other_utterance() -> None:
    layer, vectors = EncoderLayer(width=WIDTH, heads=HEADS, dropout=0.0).double(), hidden()
    other = torch.where(USABLE.unsqueeze(-1), vectors, 1e3)
    assert torch.equal(layer(vectors, USABLE)[0][USABLE], layer(other, USABLE)[0][USABLE])


def test_dropout_falls_in_training_only() -> None:
    part, vectors = SelfAttention(width=WIDTH, heads=HEADS, dropout=0.5).double(), hidden()
    assert not torch.equal(part(vectors, USABLE)[0], part(vectors, USABLE)[0])
    part.eval()
    assert torch.equal(part(vectors, USABLE)[0], part(vectors, USABLE)[0])


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="width 10 is no multiple of 4 heads"):
        MultiHeadAttention(width=10, heads=4)


def test_cross_attention_is_torchs_over_what_is_usable_of_the_other_sequence() -> None:
    attention = CrossAttention(width=WIDTH, heads=HEADS, dropout=0.5).double().eval()
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    copy_attention(attention.attention, theirs)
    queries, others = torch.randn(2, 3, WIDTH, dtype=torch.float64), hidden()
    expected, _ = theirs(queries, others, others, key_padding_mask=~USABLE)
    torch.testing.assert_close(attention(queries, others, USABLE), expected)


def test_cross_attention_to_nothing_is_zero_and_drops_weights_in_training_alone() -> None:
    attention, others = CrossAttention(width=WIDTH, heads=HEADS, dropout=0.5).double(), hidden()
    nothing = torch.stack([torch.zeros(6, dtype=torch.bool), torch.ones(6, dtype=torch.bool)])
    made = attention.eval()(others, others, nothing)
    assert not made[0].any()
    assert made[1].all()
    assert torch.equal(made, attention(others, others, nothing))
    assert not torch.allclose(made, attention.train()(others, others, nothing))
