"""Batches that do not fit the device are halved until they do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class DeviceMemoryError(ValueError):
    """Not even one picture fits the device."""


def in_halves(network: Callable[[Tensor], tuple[Tensor, ...]], batch: Tensor) -> tuple[Tensor, ...]:
    """Run a network over a batch; where the device's memory ends, over its halves, one after the other.

    Args:
        network: maps (n, ...) to tensors of n rows each.
        batch: (n, ...), n at least 1.

    Raises:
        DeviceMemoryError: a batch of one does not fit.
    """
    try:
        return network(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise DeviceMemoryError(
                f"{batch.device}: not even one input of {tuple(batch.shape[1:])} fits the device's memory; "
                "end other programs that use it, or take --device cpu"
            ) from error
    if batch.is_cuda:
        torch.cuda.empty_cache()  # only now: until the handler ends, the error holds what the try computed
    middle = len(batch) // 2
    halves = in_halves(network, batch[:middle]), in_halves(network, batch[middle:])
    return tuple(torch.cat(pair) for pair in zip(*halves, strict=True))
