"""A graph of utterances in several modalities, convolved by relation, then attended to.

Nguyen et al. 2023, "Conversation Understanding using Relational Temporal Graph Neural Networks with Auxiliary
Cross-Modality Interaction" (CORECT, RT-GCN). A node is an utterance in a modality. Relations r are of time,
three per modality: j of the same modality is near before i, is i itself, or is near after it; and of
modalities, one per ordered pair: j is the same utterance in another one. For three modalities that is 15.

    g_i     = W_0 x_i + b + sum_r 1 / |N_r(i)| sum_j W_r x_j      j: N_r(i), the neighbours of i by relation r
    o_i     = W_1 g_i + b_1 + sum_j alpha_ij (W_2 g_j + b_2)      j: all neighbours of i, i among them
    alpha_i = softmax_j((W_3 g_i + b_3) (W_4 g_j + b_4) / sqrt(dim))

the latter in several heads side by side, each with weights of its own (Shi et al. 2021).

There is no list of edges: neighbours in time are one matrix per dialogue and modality, those across
modalities are the nodes of the same utterance, and the softmax runs over both at once.

Dimensions: batch dialogues, modality modalities, seq utterances, dim of x, of g and of each head of o.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.layers.window import Neighbours

TIMES = 3  # past, future, present


class RelationalTemporalConvolution(nn.Module):
    """R-GCN over the relations of time and of modalities.

    Attributes:
        relations: W_r per modality of i: past, future, present, then the other modalities in order.
    """

    def __init__(self, *, modalities: int, dim: int) -> None:
        super().__init__()
        bound = (6 / (dim + dim)) ** 0.5  # Glorot and Bengio 2010
        shape = (modalities, TIMES + modalities - 1, dim, dim)
        self.relations = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.own = nn.Linear(dim, dim)

    def forward(
        self, nodes: Float[Tensor, "batch modality seq dim"], near: Neighbours
    ) -> Float[Tensor, "batch modality seq dim"]:
        """g.

        Args:
            nodes: zeros where there is none.
        """
        times = [_mean_of(near.past, nodes), _mean_of(near.future, nodes), nodes]
        heard = torch.cat([*times, _others(nodes)], dim=-1)
        summed: Tensor = self.own(nodes) + heard @ self.relations.flatten(1, 2)
        return summed


def _mean_of(near: Tensor, nodes: Tensor) -> Tensor:
    """(batch, modality, seq, dim) the mean over neighbours, zeros where there is none."""
    weights = near.to(nodes.dtype)
    return (weights / weights.sum(dim=-1, keepdim=True).clamp(min=1)) @ nodes


def _others(nodes: Tensor) -> Tensor:
    """(batch, modality, seq, others * dim) the same utterance in each other modality, in order."""
    count = nodes.shape[1]
    each = [[nodes[:, n] for n in range(count) if n != m] for m in range(count)]
    return torch.stack([torch.cat(others, dim=-1) for others in each], dim=1) if count > 1 else nodes[..., :0]


class GraphTransformer(nn.Module):
    """Attention of each node to its neighbours, beside a linear layer of its own."""

    def __init__(self, *, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.own = nn.Linear(dim, heads * dim)
        self.query = nn.Linear(dim, heads * dim)
        self.key = nn.Linear(dim, heads * dim)
        self.value = nn.Linear(dim, heads * dim)

    def forward(
        self,
        nodes: Float[Tensor, "batch modality seq dim"],
        there: Bool[Tensor, "batch modality seq"],
        near: Neighbours,
    ) -> Float[Tensor, "batch modality seq heads_dim"]:
        """o; where there is no node it means nothing."""
        query, key, value = (self._split(one(nodes)) for one in (self.query, self.key, self.value))
        seq = nodes.shape[2]
        in_time = query @ key.transpose(-2, -1)
        between = (_by_utterance(query) @ _by_utterance(key).transpose(-2, -1)).permute(0, 3, 1, 2, 4)
        scores = torch.cat([in_time, between], dim=-1) / math.sqrt(nodes.shape[-1])
        weights = scores.masked_fill(~_linked(there, near), torch.finfo(scores.dtype).min).softmax(dim=-1)
        from_others = weights[..., seq:].permute(0, 2, 3, 1, 4) @ _by_utterance(value)
        heard = weights[..., :seq] @ value + from_others.permute(0, 3, 1, 2, 4)
        seen: Tensor = self.own(nodes) + heard.transpose(2, 3).flatten(3)
        return seen

    def _split(self, vectors: Tensor) -> Tensor:
        """(batch, modality, seq, heads * dim) to (batch, modality, head, seq, dim)."""
        batch, modality, seq, width = vectors.shape
        return vectors.view(batch, modality, seq, self.heads, width // self.heads).transpose(2, 3)


def _by_utterance(vectors: Tensor) -> Tensor:
    """(batch, modality, head, seq, dim) to (batch, head, seq, modality, dim)."""
    return vectors.permute(0, 2, 3, 1, 4)


def _linked(there: Tensor, near: Neighbours) -> Tensor:
    """(batch, modality, 1, seq, seq + modality) neighbours in time, itself, and the other modalities."""
    count, seq = there.shape[1:]
    itself = torch.eye(seq, dtype=torch.bool, device=there.device)
    others = ~torch.eye(count, dtype=torch.bool, device=there.device).unsqueeze(1)
    between = there.transpose(1, 2).unsqueeze(1) & others
    return torch.cat([near.past | near.future | itself, between], dim=-1).unsqueeze(2)
