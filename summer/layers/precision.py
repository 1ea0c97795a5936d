"""Full precision where the rest of a step has less: for what is exponentiated or summed over a batch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Within the block no product on the device of `like` is taken in fewer bits than its factors have."""
    device = like.device.type
    if not torch.amp.is_autocast_available(device):  # such as meta, on which products are only counted
        return nullcontext()
    return torch.autocast(device, enabled=False)
