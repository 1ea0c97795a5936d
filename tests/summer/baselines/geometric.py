"""PyTorch Geometric's layers, an oracle for ours; imported where they are used, for that takes seconds."""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType


@cache
def geometric() -> ModuleType:
    """`torch_geometric.nn`."""
    with warnings.catch_warnings():
        # some of its classes are still compiled by torch.jit.script, which torch 2.13 calls deprecated
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        from torch_geometric import nn
    return nn
