"""Halving where the device's memory ends, with a device that is made up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from extraction.video.halving import DeviceMemoryError, in_halves


def squares_of_at_most(most: int, seen: list[int]) -> object:
    def run(batch: Tensor) -> tuple[Tensor, ...]:
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(batch))
        return batch**2, -batch

    return run


@pytest.mark.parametrize(("count", "most"), [(11, 3), (8, 8), (2, 1)])
def test_a_batch_too_large_is_halved_until_it_fits_and_comes_back_in_order(count: int, most: int) -> None:
    seen: list[int] = []
    batch = torch.arange(float(count))
    squares, negatives = in_halves(squares_of_at_most(most, seen), batch)  # type: ignore[arg-type]
    assert torch.equal(squares, batch**2)
    assert torch.equal(negatives, -batch)
    assert max(seen) <= most
    assert sum(seen) == count


def test_one_input_that_does_not_fit_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(DeviceMemoryError, match="--device cpu"):
        in_halves(squares_of_at_most(0, []), torch.zeros(4, 3))  # type: ignore[arg-type]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(_: Tensor) -> tuple[Tensor, ...]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves(broken, torch.zeros(4))
