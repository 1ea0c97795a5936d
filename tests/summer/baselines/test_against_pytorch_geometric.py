"""Our batched graph layers against PyTorch Geometric's on lists of edges, with the same weights.

One file, so that one process of a test run imports it, which takes seconds.
"""

from __future__ import annotations

import math

import torch

from summer.baselines.mmgcn import DeepConvolution, MmgcnOptions, graph_of
from tests.summer.baselines.geometric import geometric

OPTIONS = MmgcnOptions(graph_dim=5, graph_layers=3, alpha=0.2, eta=0.7, gamma=0.6)


def test_the_deep_convolution_of_mmgcn_is_gcn2conv() -> None:
    torch.manual_seed(3)
    nodes, there = torch.randn(1, 3, 4, 7), torch.tensor([True, True, True, False, True, True]).repeat(2)
    there = there.view(1, 3, 4)
    ours = DeepConvolution(input_dim=7, options=OPTIONS).eval()
    with torch.no_grad():
        hidden = ours(nodes, graph_of(nodes, there, gamma=OPTIONS.gamma))
        expected = on_a_list_of_edges(ours, nodes[0], there[0])
    torch.testing.assert_close(hidden[0][there[0]], expected, atol=1e-6, rtol=1e-5)


def on_a_list_of_edges(ours: DeepConvolution, nodes: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """The same layers by `GCN2Conv`, which adds the loops and normalises; nodes that are there, in order."""
    places = [tuple(place) for place in there.nonzero().tolist()]
    edges, weights = [], []
    for i, (m, turn) in enumerate(places):
        for j, (n, other) in enumerate(places):
            if i != j and (m == n or turn == other):
                cosine = torch.cosine_similarity(nodes[m, turn], nodes[n, other], dim=0) * (1 - 1e-5)
                edges.append((j, i))
                weights.append((1 if m == n else OPTIONS.gamma) * (1 - torch.arccos(cosine) / math.pi))
    hidden = first = torch.relu(ours.entry(nodes[there]))
    for layer, weight in enumerate(ours.weights, start=1):
        theirs = geometric().GCN2Conv(OPTIONS.graph_dim, alpha=OPTIONS.alpha, theta=OPTIONS.eta, layer=layer)
        theirs.weight1.copy_(weight.weight.T)
        hidden = torch.relu(theirs(hidden, first, torch.tensor(edges).T, torch.stack(weights)))
    return hidden
