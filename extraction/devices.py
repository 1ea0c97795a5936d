"""Batches that do not fit the device are halved until they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

BatchT = TypeVar("BatchT", Tensor, Sequence[Any])
ResultT = TypeVar("ResultT")


class DeviceMemoryError(ValueError):
    """One input alone does not fit the device."""


def in_halves(network: Callable[[BatchT], ResultT], batch: BatchT, *, one: str) -> list[ResultT]:
    """Run a network over a batch; where the device's memory ends, over its halves, one after the other.

    Args:
        batch: a tensor or a sequence, of at least one row.
        one: what a row is, for the error.

    Returns:
        The result of each part that fitted, in the batch's order.

    Raises:
        DeviceMemoryError: a batch of one does not fit.
    """
    try:
        return [network(batch)]
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise DeviceMemoryError(
                f"{one} alone does not fit the device's memory; end other programs that use it, use a "
                "smaller model, or take --device cpu"
            ) from error
    torch.cuda.empty_cache()  # only now: until the handler ends, the error holds what the try computed
    middle = len(batch) // 2
    halves = (batch[:middle], batch[middle:])
    return [result for half in halves for result in in_halves(network, half, one=one)]
