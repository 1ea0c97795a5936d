"""Halving where the device's memory ends, with a device that is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from extraction.devices import DeviceMemoryError, in_halves


def squares_of_at_most(most: int, tried: list[int]) -> Callable[[Tensor], Tensor]:
    def run(batch: Tensor) -> Tensor:
        tried.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch**2

    return run


@pytest.mark.parametrize(
    ("count", "most", "tries"), [(11, 3, [11, 5, 2, 3, 6, 3, 3]), (8, 8, [8]), (2, 1, [2, 1, 1])]
)
def test_a_batch_too_large_is_halved_until_it_fits_and_comes_back_in_order(
    count: int, most: int, tries: list[int]
) -> None:
    tried: list[int] = []
    batch = torch.arange(float(count))
    parts = in_halves(squares_of_at_most(most, tried), batch, one="a number")
    assert torch.equal(torch.cat(parts), batch**2)
    assert tried == tries


def test_a_list_is_halved_like_a_tensor() -> None:
    def doubled(words: Sequence[str]) -> list[str]:
        if len(words) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * word for word in words]

    assert in_halves(doubled, list("abcde"), one="a word") == [["aa", "bb"], ["cc"], ["dd", "ee"]]


def test_one_input_that_does_not_fit_is_an_error_that_names_it_and_the_remedy() -> None:
    with pytest.raises(DeviceMemoryError, match="^a window of 3 frames alone does not fit.*--device cpu"):
        in_halves(squares_of_at_most(0, []), torch.zeros(4, 3), one="a window of 3 frames")


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(_: Tensor) -> Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves(broken, torch.zeros(4), one="a number")
