"""Who is near in a dialogue: utterances before and after, up to a distance, of those that are there.

    past_ij   = i - past <= j < i,  future_ij = i < j <= i + future        i and j both there

Distance is counted in turns of the dialogue, those that are not there included. The diagonal is in neither.

Dimensions: seq utterances; what stands before them (dialogues, modalities) is carried along.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Of each utterance (rows) those that are near (columns)."""

    past: Bool[Tensor, "*batch seq seq"]
    future: Bool[Tensor, "*batch seq seq"]


def neighbours_of(there: Bool[Tensor, "*batch seq"], *, past: int, future: int) -> Neighbours:
    """Find the neighbours of every utterance that is `there`.

    Args:
        past, future: how many turns back and ahead, 0 or more.
    """
    turns = torch.arange(there.shape[-1], device=there.device)
    ahead = turns - turns.unsqueeze(-1)
    both = there.unsqueeze(-1) & there.unsqueeze(-2)
    return Neighbours(
        past=both & (ahead < 0) & (ahead >= -past), future=both & (ahead > 0) & (ahead <= future)
    )
