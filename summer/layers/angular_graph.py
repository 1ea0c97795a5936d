"""A graph of utterances in several modalities: the smaller the angle between nodes, the stronger the edge.

Hu et al. 2021 (MMGCN). A node n is an utterance in a modality:

    A_ij = 1 - arccos(cos(n_i, n_j)) / pi              same modality, any two utterances of a dialogue
    A_ij = gamma (1 - arccos(cos(n_i, n_j)) / pi)      same utterance, any two modalities
    P    = (D + I)^-1/2 (A + I) (D + I)^-1/2           D: the sums of A's rows

There is no list of edges: P is a matrix per dialogue and modality, and one over the modalities per utterance,
so that P H is two batched products.

Cosines are shrunk by 1e-5, as in the authors' program: the slope of arccos has no end at 1.

Dimensions: batch dialogues, modality modalities, seq utterances, node width of n, hidden width of H.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from summer.layers.precision import full_precision

SHRINKING = 1 - 1e-5  # of cosines


@dataclass(frozen=True, slots=True, kw_only=True)
class MultimodalGraph:
    """P, in two parts.

    Args:
        within: between the utterances of a dialogue in one modality.
        across: between the modalities of an utterance.
    """

    within: Float[Tensor, "batch modality seq seq"]
    across: Float[Tensor, "batch seq modality modality"]

    def propagate(
        self, hidden: Float[Tensor, "batch modality seq hidden"]
    ) -> Float[Tensor, "batch modality seq hidden"]:
        """P H."""
        return self.within @ hidden + (self.across @ hidden.transpose(1, 2)).transpose(1, 2)


def angular_similarity(vectors: Float[Tensor, "... node dim"]) -> Float[Tensor, "... node node"]:
    """1 - arccos(cos) / pi of any two vectors, in [0, 1]."""
    with full_precision(vectors):  # in half precision SHRINKING is 1
        unit = F.normalize(vectors.float(), dim=-1)
        return 1 - torch.arccos(unit @ unit.transpose(-2, -1) * SHRINKING) / math.pi


def graph_of(
    nodes: Float[Tensor, "batch modality seq node"],
    there: Bool[Tensor, "batch modality seq"],
    *,
    gamma: float,
) -> MultimodalGraph:
    """The normalised graph of each dialogue, whose nodes are those that are `there`."""
    within = _with_loops(angular_similarity(nodes), there)
    places = there.transpose(1, 2)
    others = ~torch.eye(there.shape[1], dtype=torch.bool, device=there.device)
    linked = places.unsqueeze(-1) & places.unsqueeze(-2) & others
    across = gamma * angular_similarity(nodes.transpose(1, 2)) * linked
    degrees = within.sum(dim=-1) + across.sum(dim=-1).transpose(1, 2)
    root = degrees.clamp(min=1).rsqrt()  # of nodes it is 1 or more, by their loop
    of_place = root.transpose(1, 2)
    return MultimodalGraph(
        within=root.unsqueeze(-1) * within * root.unsqueeze(-2),
        across=of_place.unsqueeze(-1) * across * of_place.unsqueeze(-2),
    )


def _with_loops(weights: Tensor, there: Tensor) -> Tensor:
    """Weights between nodes that are there, and exactly 1 from a node to itself."""
    linked = there.unsqueeze(-1) & there.unsqueeze(-2)
    loops = torch.eye(there.shape[-1], dtype=torch.bool, device=there.device)
    return torch.where(loops, linked.to(weights.dtype), weights * linked)
