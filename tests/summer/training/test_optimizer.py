"""The fused Adam against torch's plain one, and the rate of single numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from summer.options import TrainingOptions
from summer.training.optimizer import adam_of

OPTIONS = TrainingOptions(learning_rate=1e-2, weight_decay=1e-2, scalar_rate=None)
STEPS = 20


def after_steps(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> list[torch.Tensor]:
    """Parameters of two sizes after some steps on gradients that are drawn."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(5, 7)), nn.Parameter(torch.randn(3))]
    adam = make(parameters)
    for _ in range(STEPS):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        adam.step()
    return [parameter.detach() for parameter in parameters]


def test_it_takes_the_steps_of_plain_adam() -> None:
    ours = after_steps(lambda parameters: adam_of(parameters, OPTIONS))
    plain = after_steps(lambda parameters: torch.optim.Adam(parameters, lr=1e-2, weight_decay=1e-2))
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_what_has_no_gradient_is_left_alone() -> None:
    moved, still = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    moved.grad = torch.ones(2)
    adam_of([moved, still], OPTIONS).step()
    assert not torch.equal(moved, torch.ones(2))
    assert torch.equal(still, torch.ones(2))
