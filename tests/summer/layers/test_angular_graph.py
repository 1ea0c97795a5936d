"""The angular graph entry by entry, its holes, and its slope where vectors are alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from summer.layers.angular_graph import graph_of


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def test_right_angles_and_equal_vectors_have_the_weights_that_one_works_out_by_hand() -> None:
    """Two utterances at right angles in one modality, the first in another one too, alike: gamma 0.5."""
    right, up = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 3.0])
    nodes = torch.stack([torch.stack([right, up]), torch.stack([right, torch.zeros(2)])]).unsqueeze(0)
    graph = graph_of(nodes, torch.tensor([[[True, True], [True, False]]]), gamma=0.5)
    alike = 0.5 * (1 - math.acos(1 - 1e-5) / math.pi)  # as cosines are shrunk, all but 0.5
    first, second, other = 1 + 0.5 + alike, 1 + 0.5, 1 + alike  # sums of the rows of A + I
    between = 0.5 / math.sqrt(first * second)
    expected = torch.tensor([[1 / first, between], [between, 1 / second]])
    torch.testing.assert_close(graph.within[0, 0], expected)
    torch.testing.assert_close(graph.within[0, 1], torch.tensor([[1 / other, 0.0], [0.0, 0.0]]))
    across = alike / math.sqrt(first * other)
    torch.testing.assert_close(graph.across[0, 0], torch.tensor([[0.0, across], [across, 0.0]]))
    assert not graph.across[0, 1].any()


def test_a_node_that_is_not_there_has_no_edge() -> None:
    nodes, there = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 4) < 0.6
    graph = graph_of(nodes, there, gamma=0.5)
    assert not graph.within.masked_select(~there.unsqueeze(-1)).any()
    assert not graph.within.masked_select(~there.unsqueeze(-2)).any()
    assert not graph.across.masked_select(~there.transpose(1, 2).unsqueeze(-1)).any()


@pytest.mark.parametrize("half", [False, True])
def test_vectors_that_are_alike_opposite_or_nothing_have_a_finite_slope(half: bool) -> None:
    vector = torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0])  # its cosine with itself is 1 in half precision, too
    nodes = torch.stack([vector, vector, -vector, torch.zeros(5)]).view(1, 1, 4, 5).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        graph = graph_of(nodes, torch.tensor([True, True, True, False]).view(1, 1, 4), gamma=1.0)
    graph.within.square().sum().backward()
    assert nodes.grad is not None
    assert torch.isfinite(nodes.grad).all()
