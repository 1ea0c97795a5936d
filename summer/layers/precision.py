"""Where half precision would do harm: what is computed in float32 whatever a training's precision is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Within the block products on the device of `like` keep the precision of what goes into them."""
    device = like.device.type
    if not torch.amp.is_autocast_available(device):  # such as meta, on which products are only counted
        return nullcontext()
    return torch.autocast(device, enabled=False)
