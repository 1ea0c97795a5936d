"""Our batched graph layers against PyTorch Geometric's on lists of edges, with the same weights.

One file, so that one process of a test run imports it, which takes seconds.
"""

from __future__ import annotations

import math

import pytest
import torch

from summer.baselines.dialogue_gcn import NeighbourSum, RelationalConvolution
from summer.baselines.mmgcn import DeepConvolution, MmgcnOptions
from summer.layers.angular_graph import graph_of
from summer.layers.relational_temporal import GraphTransformer, RelationalTemporalConvolution
from summer.layers.window import neighbours_of
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


@pytest.mark.parametrize("bases", [4, 18], ids=["bases", "a matrix each"])
def test_with_even_weights_the_relational_convolution_of_dialogue_gcn_is_rgcnconv(bases: int) -> None:
    torch.manual_seed(3)
    encoded, speakers = torch.randn(2, 8, 6), torch.randint(3, (2, 8))
    there = torch.rand(2, 8) < 0.8
    near = neighbours_of(there, past=3, future=2)
    ours = RelationalConvolution(input_dim=6, output_dim=5, speakers=3, bases=bases)
    theirs = geometric().RGCNConv(6, 5, 18, num_bases=bases if bases < 18 else None, bias=False)
    with torch.no_grad():
        theirs.weight.copy_(ours.bases)
        theirs.root.copy_(ours.own.weight.T)
        if bases < 18:
            theirs.comp.copy_(ours.shares.reshape(18, bases))
        heard = ours(encoded, torch.ones(2, 8, 8), speakers, near, parties=3)
        for dialogue in range(2):
            edges = (near.past | near.future)[dialogue].nonzero()
            i, j = edges.T
            relations = (speakers[dialogue, i] * 2 + (j > i)) * 3 + speakers[dialogue, j]
            expected = theirs(encoded[dialogue], torch.stack([j, i]), relations)
            torch.testing.assert_close(heard[dialogue], expected, atol=1e-6, rtol=1e-5)


def test_the_second_convolution_of_dialogue_gcn_is_graphconv() -> None:
    torch.manual_seed(3)
    hidden, there = torch.randn(1, 8, 5), torch.rand(1, 8) < 0.8
    near, ours = neighbours_of(there, past=3, future=2), NeighbourSum(5)
    theirs = geometric().GraphConv(5, 5, bias=False)
    with torch.no_grad():
        theirs.lin_rel.weight.copy_(ours.neighbours.weight)
        theirs.lin_root.weight.copy_(ours.own.weight)
        i, j = (near.past | near.future)[0].nonzero().T
        torch.testing.assert_close(ours(hidden, near)[0], theirs(hidden[0], torch.stack([j, i])))


def graph_of_corect(there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges from j to i, and their relations, 5 per modality of i."""
    edges, relations = [], []
    for i, (m, turn) in enumerate(there.nonzero().tolist()):
        for j, (n, other) in enumerate(there.nonzero().tolist()):
            kind = None
            if m == n and -3 <= other - turn <= 2:
                kind = 0 if other < turn else 1 if other > turn else 2
            elif m != n and turn == other:
                kind = 3 + (n if n < m else n - 1)
            if kind is not None:
                edges.append((j, i))
                relations.append(5 * m + kind)
    return torch.tensor(edges).T, torch.tensor(relations)


def test_the_two_steps_of_corect_are_rgcnconv_and_transformerconv() -> None:
    torch.manual_seed(3)
    there = torch.rand(1, 3, 6) < 0.8
    nodes = torch.randn(1, 3, 6, 5) * there.unsqueeze(-1)
    near = neighbours_of(there, past=3, future=2)
    convolution, transformer = (
        RelationalTemporalConvolution(modalities=3, dim=5),
        GraphTransformer(dim=5, heads=2),
    )
    theirs = geometric().RGCNConv(5, 5, 15), geometric().TransformerConv(5, 5, heads=2)
    edges, relations = graph_of_corect(there[0])
    with torch.no_grad():
        theirs[0].weight.copy_(convolution.relations.flatten(0, 1))
        theirs[0].root.copy_(convolution.own.weight.T)
        theirs[0].bias.copy_(convolution.own.bias)
        for name, ours in (("query", transformer.query), ("key", transformer.key)):
            getattr(theirs[1], f"lin_{name}").load_state_dict(ours.state_dict())
        theirs[1].lin_value.load_state_dict(transformer.value.state_dict())
        theirs[1].lin_skip.load_state_dict(transformer.own.state_dict())
        heard = convolution(nodes, near)
        first = theirs[0](nodes[0][there[0]], edges, relations)
        torch.testing.assert_close(heard[0][there[0]], first, atol=1e-6, rtol=1e-5)
        second = theirs[1](first, edges)
        seen = transformer(heard, there, near)[0][there[0]]
        torch.testing.assert_close(seen, second, atol=1e-6, rtol=1e-5)
