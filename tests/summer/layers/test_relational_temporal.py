"""Both steps of RT-GCN against loops over nodes and relations in numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from summer.layers.relational_temporal import GraphTransformer, RelationalTemporalConvolution
from summer.layers.window import neighbours_of

MODALITIES, SEQ, DIM, HEADS, PAST, FUTURE = 3, 7, 4, 2, 2, 3
Node = tuple[int, int]  # modality, turn
Vector = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def relation(target: Node, source: Node) -> int | None:
    """Place of the relation's matrix among those of the target's modality; None where there is none."""
    (m, i), (n, j) = target, source
    if m != n:
        return 3 + [other for other in range(MODALITIES) if other != m].index(n) if i == j else None
    if i == j:
        return 2
    return 0 if i - PAST <= j < i else 1 if i < j <= i + FUTURE else None


def nodes_of(vectors: torch.Tensor, there: torch.Tensor) -> dict[Node, Vector]:
    return {(m, i): vectors[m, i].double().numpy() for m, i in there.nonzero().tolist()}


def weights_of(module: torch.nn.Module) -> Mapping[str, Vector]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def made() -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes of two dialogues, and which of them there are."""
    there = torch.rand(2, MODALITIES, SEQ) < 0.7
    return torch.randn(2, MODALITIES, SEQ, DIM) * there.unsqueeze(-1), there


def test_each_relation_has_its_matrix_and_hears_the_mean_of_its_neighbours() -> None:
    nodes, there = made()
    ours = RelationalTemporalConvolution(modalities=MODALITIES, dim=DIM)
    with torch.no_grad():
        found = ours(nodes, neighbours_of(there, past=PAST, future=FUTURE))
    weights = weights_of(ours)
    for dialogue in range(2):
        known = nodes_of(nodes[dialogue], there[dialogue])
        for target, own in known.items():
            total = weights["own.weight"] @ own + weights["own.bias"]
            for place in range(MODALITIES + 2):
                heard = [vector for source, vector in known.items() if relation(target, source) == place]
                if heard:
                    total = total + np.mean(heard, axis=0) @ weights["relations"][target[0], place]
            np.testing.assert_allclose(found[(dialogue, *target)].numpy(), total, atol=1e-5)


def test_each_node_attends_to_all_its_neighbours_at_once() -> None:
    nodes, there = made()
    ours = GraphTransformer(dim=DIM, heads=HEADS)
    with torch.no_grad():
        found = ours(nodes, there, neighbours_of(there, past=PAST, future=FUTURE))
    for dialogue in range(2):
        known = nodes_of(nodes[dialogue], there[dialogue])
        for target in known:
            expected = attended(target, known, weights_of(ours))
            np.testing.assert_allclose(found[(dialogue, *target)].numpy(), expected, atol=1e-5)


def attended(target: Node, known: Mapping[Node, Vector], weights: Mapping[str, Vector]) -> Vector:
    """o of one node, head by head."""

    def projected(name: str, node: Node) -> Vector:
        return (weights[f"{name}.weight"] @ known[node] + weights[f"{name}.bias"]).reshape(HEADS, DIM)

    heard = np.zeros((HEADS, DIM))
    near = [source for source in known if relation(target, source) is not None]
    for head in range(HEADS):
        asked = projected("query", target)[head]
        powers = [math.exp(asked @ projected("key", j)[head] / math.sqrt(DIM)) for j in near]
        for power, j in zip(powers, near, strict=True):
            heard[head] += power / sum(powers) * projected("value", j)[head]
    return projected("own", target).reshape(-1) + heard.reshape(-1)


def test_one_modality_alone_has_relations_of_time_only() -> None:
    nodes, there = torch.randn(2, 1, SEQ, DIM), torch.ones(2, 1, SEQ, dtype=torch.bool)
    near = neighbours_of(there, past=PAST, future=FUTURE)
    convolution = RelationalTemporalConvolution(modalities=1, dim=DIM)
    assert convolution.relations.shape == (1, 3, DIM, DIM)
    assert convolution(nodes, near).shape == nodes.shape
    assert GraphTransformer(dim=DIM, heads=HEADS)(nodes, there, near).shape == (2, 1, SEQ, HEADS * DIM)
