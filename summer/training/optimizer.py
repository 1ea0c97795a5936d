"""Adam as every stage is trained by it.

Paper: section 4.3.

    m = b_1 m + (1 - b_1) g    v = b_2 v + (1 - b_2) g^2    w = w - rate m' / (sqrt(v') + eps)

with g the gradient and decay times w, m' and v' without the bias of their start. It is fused: gradient, both
averages and weight of a number are read and written once, where torch's plain Adam goes through memory for
each operator of the equation. The two differ by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from summer.options import TrainingOptions


def adam_of(parameters: Sequence[nn.Parameter], options: TrainingOptions) -> torch.optim.Adam:
    """An Adam over the parameters, at the rates of the options."""
    return torch.optim.Adam(
        _groups(parameters, options),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,
    )


def _groups(parameters: Sequence[nn.Parameter], options: TrainingOptions) -> list[dict[str, Any]]:
    """Single numbers (phi, tau) have a rate of their own: Adam moves each by at most its rate a step.

    At the rate of the weight matrices phi would travel 0.004 in a whole run, whatever its gradient says.
    """
    single = [parameter for parameter in parameters if parameter.ndim == 0]
    if not single or options.scalar_rate is None:
        return [{"params": list(parameters)}]
    others = [parameter for parameter in parameters if parameter.ndim > 0]
    return [{"params": others}, {"params": single, "lr": options.scalar_rate, "weight_decay": 0.0}]
