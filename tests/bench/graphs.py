"""The graph layers of rivals, ours against PyTorch Geometric's with the same weights, over MELD's dialogues.

Ours are products over whole dialogues. The other side has the same graph as a list of edges, found by tensor
operations for the whole batch at once, which is charged. Both go forwards and backwards through an epoch of
batches of similar length, of the size that the rival is trained in, on one thread; what they say of the first
batch must agree. DialogueGCN's edges have even weights here: `RGCNConv` takes no others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from summer.baselines.dialogue_gcn import NeighbourSum, RelationalConvolution
from summer.baselines.mmgcn import DeepConvolution, MmgcnOptions
from summer.corpus import Split
from summer.layers.angular_graph import SHRINKING, graph_of
from summer.layers.relational_temporal import GraphTransformer, RelationalTemporalConvolution
from summer.layers.window import neighbours_of
from tests.bench.alone import alone
from tests.bench.meld_sized import meld_lengths
from tests.summer.baselines.geometric import geometric

TOLERANCE = 1e-4
SPEAKERS, BASES = 9, 30
PAST, FUTURE = 10, 10
Layers = Callable[
    [Tensor, Tensor], Tensor
]  # nodes and whether they are there, to what is said of those that are


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """What is measured of one.

    Args:
        build: both sides, ours first, and the modules that they train.
    """

    build: Callable[[], tuple[Layers, Layers, Sequence[nn.Module]]]
    modalities: int
    width: int
    batch_dialogues: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """From j to i: numbers of the nodes that are there, modalities of i and j, turns that j comes after i."""

    index: Tensor
    to: Tensor
    source: Tensor
    ahead: Tensor


def run() -> dict[str, float]:
    """Processor seconds an epoch of each side, and their ratio, by rival.

    Raises:
        ValueError: the two sides say different things.
    """
    found = {}
    for name in RIVALS:
        ours, theirs = alone(_measure, name)
        found |= {
            f"{name}_seconds": ours,
            f"{name}_geometric_seconds": theirs,
            f"{name}_ratio": theirs / ours,
        }
    return found


def _measure(name: str) -> tuple[float, float]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rival = RIVALS[name]
    ours, theirs, modules = rival.build()
    batches = list(_batches(rival))
    with torch.no_grad():
        difference = float((ours(*batches[0]) - theirs(*batches[0])).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(f"{name}: the two sides differ by {difference}; they may differ by {TOLERANCE}")
    return _epoch(ours, modules, batches), _epoch(theirs, modules, batches)


def _batches(rival: Rival) -> Iterator[tuple[Tensor, Tensor]]:
    """Nodes (batch, modality, seq, width) of MELD's training dialogues, and which of them there are."""
    lengths = sorted(meld_lengths()[Split.TRAIN])
    for start in range(0, len(lengths), rival.batch_dialogues):
        some = torch.tensor(lengths[start : start + rival.batch_dialogues])
        there = torch.arange(int(some.max())) < some.unsqueeze(1)
        there = there.unsqueeze(1).repeat(1, rival.modalities, 1)
        yield torch.randn(*there.shape, rival.width) * there.unsqueeze(-1), there


def _epoch(side: Layers, modules: Sequence[nn.Module], batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    started = time.process_time()
    for nodes, there in batches:
        side(nodes.clone().requires_grad_(), there).square().mean().backward()
        for module in modules:
            module.zero_grad()
    return time.process_time() - started


def _edges(there: Tensor, *, past: int, future: int) -> Edges:
    """Of one modality those in reach, each to itself among them; of two the same utterance."""
    modality, turn = torch.arange(there.shape[1]), torch.arange(there.shape[2])
    same = (modality.view(-1, 1) == modality).view(len(modality), 1, len(modality), 1)
    ahead = (turn - turn.view(-1, 1)).view(1, len(turn), 1, len(turn))
    linked = torch.where(same, (ahead >= -past) & (ahead <= future), ahead == 0)
    both = there[:, :, :, None, None] & there[:, None, None, :, :]
    dialogue, m, i, n, j = (linked & both).nonzero(as_tuple=True)
    numbers = (there.flatten().cumsum(0) - 1).view(there.shape)
    index = torch.stack([numbers[dialogue, n, j], numbers[dialogue, m, i]])
    return Edges(index=index, to=m, source=n, ahead=j - i)


def _mmgcn() -> tuple[Layers, Layers, Sequence[nn.Module]]:
    options = MmgcnOptions(dropout=0.0)
    convolution = DeepConvolution(input_dim=RIVALS["mmgcn"].width, options=options)
    listed = nn.ModuleList(
        geometric().GCN2Conv(options.graph_dim, alpha=options.alpha, theta=options.eta, layer=layer + 1)
        for layer in range(options.graph_layers)
    )
    with torch.no_grad():
        for ours, theirs in zip(convolution.weights, listed, strict=True):
            theirs.weight1.copy_(ours.weight.T)

    def by_products(nodes: Tensor, there: Tensor) -> Tensor:
        found: Tensor = convolution(nodes, graph_of(nodes, there, gamma=1.0))[there]
        return found

    def by_edges(nodes: Tensor, there: Tensor) -> Tensor:
        edges = _edges(there, past=there.shape[2], future=there.shape[2])
        index = edges.index[:, edges.index[0] != edges.index[1]]
        known = nodes[there]
        unit = nn.functional.normalize(known, dim=-1)
        cosines = (unit[index[0]] * unit[index[1]]).sum(dim=-1) * SHRINKING
        weights = 1 - torch.arccos(cosines) / math.pi
        hidden = first = torch.relu(convolution.entry(known))
        for layer in listed:
            hidden = torch.relu(layer(hidden, first, index, weights))
        return hidden

    return by_products, by_edges, [convolution, listed]


def _dialogue_gcn() -> tuple[Layers, Layers, Sequence[nn.Module]]:
    width = RIVALS["dialogue_gcn"].width
    relational = RelationalConvolution(input_dim=width, output_dim=100, speakers=SPEAKERS, bases=BASES)
    summing = NeighbourSum(100)
    relations = 2 * SPEAKERS**2
    theirs = (
        geometric().RGCNConv(width, 100, relations, num_bases=BASES, bias=False),
        geometric().GraphConv(100, 100, bias=False),
    )
    with torch.no_grad():
        theirs[0].weight.copy_(relational.bases)
        theirs[0].comp.copy_(relational.shares.reshape(relations, BASES))
        theirs[0].root.copy_(relational.own.weight.T)
        theirs[1].lin_rel.weight.copy_(summing.neighbours.weight)
        theirs[1].lin_root.weight.copy_(summing.own.weight)

    def speakers(there: Tensor) -> Tensor:
        return (torch.arange(there.shape[2]) * 7 % 3).expand(len(there), -1)

    def by_products(nodes: Tensor, there: Tensor) -> Tensor:
        near = neighbours_of(there[:, 0], past=PAST, future=FUTURE)
        even = nodes.new_ones(len(nodes), nodes.shape[2], nodes.shape[2])
        first = torch.relu(relational(nodes[:, 0], even, speakers(there), near, parties=3))
        found: Tensor = summing(first, near)[there[:, 0]]
        return found

    def by_edges(nodes: Tensor, there: Tensor) -> Tensor:
        edges = _edges(there, past=PAST, future=FUTURE)
        others = edges.ahead != 0
        (j, i), after = edges.index[:, others], edges.ahead[others] > 0
        said_by = speakers(there)[there[:, 0]]
        kinds = (said_by[i] * 2 + after) * SPEAKERS + said_by[j]
        first = torch.relu(theirs[0](nodes[there], edges.index[:, others], kinds))
        found: Tensor = theirs[1](first, edges.index[:, others])
        return found

    return by_products, by_edges, [relational, summing, *theirs]


def _corect() -> tuple[Layers, Layers, Sequence[nn.Module]]:
    dim = RIVALS["corect"].width
    convolution = RelationalTemporalConvolution(modalities=3, dim=dim)
    transformer = GraphTransformer(dim=dim, heads=7)
    theirs = geometric().RGCNConv(dim, dim, 15), geometric().TransformerConv(dim, dim, heads=7)
    with torch.no_grad():
        theirs[0].weight.copy_(convolution.relations.flatten(0, 1))
        theirs[0].root.copy_(convolution.own.weight.T)
        theirs[0].bias.copy_(convolution.own.bias)
    for name, ours in (("query", "query"), ("key", "key"), ("value", "value"), ("skip", "own")):
        getattr(theirs[1], f"lin_{name}").load_state_dict(getattr(transformer, ours).state_dict())

    def by_products(nodes: Tensor, there: Tensor) -> Tensor:
        near = neighbours_of(there, past=PAST, future=FUTURE)
        found: Tensor = transformer(convolution(nodes, near), there, near)[there]
        return found

    def by_edges(nodes: Tensor, there: Tensor) -> Tensor:
        edges = _edges(there, past=PAST, future=FUTURE)
        in_time = torch.where(edges.ahead < 0, 0, torch.where(edges.ahead > 0, 1, 2))
        between = 3 + edges.source - (edges.source > edges.to).long()
        kinds = edges.to * 5 + torch.where(edges.to == edges.source, in_time, between)
        found: Tensor = theirs[1](theirs[0](nodes[there], edges.index, kinds), edges.index)
        return found

    return by_products, by_edges, [convolution, transformer, *theirs]


RIVALS = {
    "mmgcn": Rival(build=_mmgcn, modalities=3, width=400, batch_dialogues=16),
    "dialogue_gcn": Rival(build=_dialogue_gcn, modalities=1, width=200, batch_dialogues=32),
    "corect": Rival(build=_corect, modalities=3, width=100, batch_dialogues=10),
}


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:40} {value:.4g}", flush=True)
