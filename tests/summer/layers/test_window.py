"""Neighbours against loops over all pairs."""

from __future__ import annotations

from itertools import product

import torch

from summer.layers.window import neighbours_of


def test_neighbours_are_those_within_reach_that_are_there() -> None:
    there = torch.rand(2, 3, 9, generator=torch.Generator().manual_seed(0)) < 0.8
    found = neighbours_of(there, past=3, future=2)
    for a, b, i, j in product(range(2), range(3), range(9), range(9)):
        both = bool(there[a, b, i] and there[a, b, j])
        assert bool(found.past[a, b, i, j]) == (both and i - 3 <= j < i)
        assert bool(found.future[a, b, i, j]) == (both and i < j <= i + 2)


def test_a_reach_of_nothing_finds_nobody() -> None:
    alone = neighbours_of(torch.ones(1, 4, dtype=torch.bool), past=0, future=0)
    assert not (alone.past | alone.future).any()
