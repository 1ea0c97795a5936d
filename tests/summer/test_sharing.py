"""Shares of a batch against the batch in one process, with processes that are played one after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from summer.sharing import (
    Sharing,
    loss_of_whole_batch,
    mean_over_batch,
    rows_of_whole_batch,
    shared_batch,
)

SHARES = (3, 1, 0, 4)


def closeness(rows: Tensor) -> Tensor:
    """A loss that compares rows: how close they are, of those whose last column is alike."""
    pairs = torch.exp(-(rows[:, None, :-1] - rows[None, :, :-1]).square().sum(dim=-1))
    alike = rows[:, None, -1] == rows[None, :, -1]
    return (pairs * alike).sum() / alike.sum()


def of_each_process(rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Loss and gradient of each process's own rows."""
    parts, made = rows.split(SHARES), []
    for index, part in enumerate(parts):
        own = part.clone().requires_grad_()
        sharing = Sharing(
            processes=len(parts), index=index, add_up=lambda value: value, gather=lambda _: parts
        )
        with shared_batch(sharing):
            loss = loss_of_whole_batch(closeness(rows_of_whole_batch(own)))
        (gradient,) = torch.autograd.grad(loss, [own])
        made.append((loss.detach(), gradient))
    return made


def test_a_loss_over_pairs_has_the_value_and_as_a_mean_the_gradient_of_the_whole_batch() -> None:
    rows = torch.cat([torch.randn(8, 3, generator=torch.Generator().manual_seed(2)), torch.eye(8)[:, :1]], 1)
    whole = rows.clone().requires_grad_()
    expected = closeness(whole)
    (gradient,) = torch.autograd.grad(expected, [whole])
    made = of_each_process(rows)
    for loss, _ in made:
        torch.testing.assert_close(loss, expected.detach())
    shares = [of_process / len(SHARES) for _, of_process in made]  # as DistributedDataParallel has it
    torch.testing.assert_close(torch.cat(shares), gradient)


def test_one_process_has_its_rows_its_loss_and_its_mean_as_they_stand() -> None:
    rows, loss = torch.randn(4, 2), torch.tensor(3.0)
    assert rows_of_whole_batch(rows) is rows
    assert loss_of_whole_batch(loss) is loss
    assert mean_over_batch(loss, torch.tensor(2), least=1) == 1.5
