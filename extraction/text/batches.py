"""Passages of similar length side by side: batches by a budget of tokens, and batches to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import Sampler

from extraction.text.passages import Passage

SORTED_TOGETHER = 32  # batches whose passages are sorted by length: enough for little padding
LEAST_STRETCHES = 4  # that are sorted each by itself: enough for chance, however small the corpus


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


class TrainingBatches(Sampler[list[int]]):
    """Batches of about as many utterances each, so that each utterance counts the same; new ones every epoch.

    Passages of similar length stand side by side, so that little padding is computed. The number of batches
    is the same in every epoch.

    Args:
        passages: to draw from; a passage is never cut, so a batch may be larger by less than one.
        utterances: of a batch, on average.
    """

    def __init__(self, passages: Sequence[Passage], *, utterances: int, seed: int) -> None:
        self.tokens = [len(passage.ids) for passage in passages]
        self.utterances = [len(passage.clips) for passage in passages]
        self.batches = min(len(passages), -(-sum(self.utterances) // utterances))
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch: a run that resumes draws what an unbroken one would."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn: list[int] = torch.randperm(len(self.tokens), generator=generator).tolist()
        sorted_together = max(1, min(SORTED_TOGETHER, self.batches // LEAST_STRETCHES))
        together = sorted_together * -(-len(drawn) // self.batches)
        order = [
            position
            for start in range(0, len(drawn), together)
            for position in sorted(
                drawn[start : start + together], key=lambda position: -self.tokens[position]
            )
        ]
        batches = [order[start:stop] for start, stop in pairwise(self._cuts(order))]
        yield from (batches[k] for k in torch.randperm(self.batches, generator=generator).tolist())

    def _cuts(self, order: Sequence[int]) -> list[int]:
        """Where batches end, each with at least one passage."""
        reached = list(accumulate(self.utterances[position] for position in order))
        cuts, at = [0], 0
        for batch in range(1, self.batches):
            share = reached[-1] * batch / self.batches
            at += 1
            while reached[at - 1] < share and len(order) - at > self.batches - batch:
                at += 1
            cuts.append(at)
        return [*cuts, len(order)]


def pad_passages(
    passages: Sequence[Passage], pad: int
) -> tuple[
    Int[Tensor, "row token"], Int[Tensor, "row token"], Bool[Tensor, "row token"], Int[Tensor, " utterance"]
]:
    """Token ids, attention mask, the places of the utterances' own words, and how many words each has."""
    longest = max(len(passage.ids) for passage in passages)
    ids = torch.full((len(passages), longest), pad)
    attended = torch.zeros((len(passages), longest), dtype=torch.long)
    own = torch.zeros((len(passages), longest), dtype=torch.bool)
    for row, passage in enumerate(passages):
        ids[row, : len(passage.ids)] = torch.tensor(passage.ids)
        attended[row, : len(passage.ids)] = 1
        for start, stop in passage.words:
            own[row, start:stop] = True
    lengths = torch.tensor([stop - start for passage in passages for start, stop in passage.words])
    return ids, attended, own, lengths
