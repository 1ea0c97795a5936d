"""The mean over a batch of which each process holds a share.

Where P processes train one model, each reads some dialogues of a batch. The mean of a loss over the whole
batch needs the count of the whole batch, which no share knows: with s_p the sum and n_p the count of
process p,

    m_p = P s_p / sum_q n_q        and so        1/P sum_p m_p = sum_p s_p / sum_q n_q

which is the mean over the batch, whoever holds how much of it. DistributedDataParallel averages the gradients
of the m_p over processes; they are then those of the whole batch in one process. A mean of a share alone,
s_p / n_p, would count an utterance of a small share more than one of a large share.

A loss that compares utterances with each other is no mean of what each process can compute alone. For it
every process gets the rows of all, its own with their gradient, and computes the loss L of the whole batch.
The gradient of L by the own rows is then complete; P times it is what the mean over processes asks for.

With one process m is s / n as it stands, and the rows are those that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num, Shaped
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the shares of a batch come together.

    Args:
        processes: how many there are, P.
        index: which one this is, from 0.
        add_up: the sum over processes of a tensor that each has; every process must ask for it.
        gather: the rows of every process in their order, without gradient, of rows that each has in a number
            of its own; every process must ask for it.
    """

    processes: int
    index: int
    add_up: Callable[[Tensor], Tensor]
    gather: Callable[[Tensor], Sequence[Tensor]]


_SHARING: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


@contextmanager
def shared_batch(sharing: Sharing | None) -> Iterator[None]:
    """Within the block a batch is a share of a larger one; None: it is the whole."""
    token = _SHARING.set(sharing)
    try:
        yield
    finally:
        _SHARING.reset(token)


def mean_over_batch(
    total: Float[Tensor, ""], count: Num[Tensor, ""], *, least: int | float
) -> Float[Tensor, ""]:
    """The sum over this process's utterances as its part m_p of the mean over the whole batch.

    Args:
        count: of this process's utterances, or the sum of their weights; has no gradient.
        least: what the whole count is taken for where it is smaller, so that nothing is divided by 0.
    """
    sharing = _SHARING.get()
    if sharing is None:
        return total / count.clamp(min=least)
    return total * sharing.processes / sharing.add_up(count).clamp(min=least)


def rows_of_whole_batch(rows: Shaped[Tensor, "row column"]) -> Shaped[Tensor, "all column"]:
    """The rows of all processes, in their order; of this process's alone with a gradient."""
    sharing = _SHARING.get()
    if sharing is None:
        return rows
    parts = list(sharing.gather(rows))
    parts[sharing.index] = rows
    return torch.cat(parts)


def loss_of_whole_batch(loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """A loss that every process computes over `rows_of_whole_batch`: its value, and P times its gradient."""
    sharing = _SHARING.get()
    if sharing is None:
        return loss
    return loss + (sharing.processes - 1) * (loss - loss.detach())
