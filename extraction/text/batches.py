"""Inputs of similar length side by side: batches by a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from extraction.text.context import TextInput


def batches_by_tokens(
    lengths: Sequence[int], *, most_tokens: int, most_rows: int | None = None
) -> Iterator[list[int]]:
    """Group positions so that each batch, padded to its longest row, keeps to the budget.

    Args:
        lengths: tokens of each row.
        most_tokens: rows times longest row of a batch; one row alone may exceed it.
        most_rows: rows of a batch; None: as many as the budget allows.

    Yields:
        Positions, longest first (ties in order): the first batch shows whether memory suffices.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        rows = len(batch) + 1
        if batch and (rows * lengths[batch[0]] > most_tokens or rows > (most_rows or rows)):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def pad_inputs(
    inputs: Sequence[TextInput], pad: int
) -> tuple[Int[Tensor, "row token"], Int[Tensor, "row token"], Bool[Tensor, "row token"]]:
    """Token ids, attention mask and the places of the utterances' own words, padded at the end."""
    longest = max(len(entry.ids) for entry in inputs)
    ids = torch.full((len(inputs), longest), pad)
    attended = torch.zeros((len(inputs), longest), dtype=torch.long)
    own = torch.zeros((len(inputs), longest), dtype=torch.bool)
    for row, entry in enumerate(inputs):
        ids[row, : len(entry.ids)] = torch.tensor(entry.ids)
        attended[row, : len(entry.ids)] = 1
        own[row, slice(*entry.words)] = True
    return ids, attended, own
