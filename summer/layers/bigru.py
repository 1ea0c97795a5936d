"""A bidirectional GRU over the utterances that are there: gaps are closed before it reads, and opened after.

Paper: section 3.4, E_i = BiGRU(U_e). An utterance without a usable vector (padding at the end, a missing
face in the middle) changes no state, as if it were not in the dialogue, and its output is zeros:

    f_t = GRU(f_{t-1}, x_t),  b_t = GRU(b_{t+1}, x_t),  E_t = [f_t, b_t]      t over usable utterances

Closing the gaps is a gather along `seq` instead of a packed sequence: it needs no lengths on the host, so a
step on CUDA runs without waiting for it.

Dimensions: batch dialogues, seq utterances, dim of the input, width of the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOrder:
    """In which order the utterances of each dialogue are read, the unusable ones last.

    Args:
        forwards: (batch, seq) positions, usable ones in order of time.
        backwards: (batch, seq) positions, usable ones in reversed order of time.
    """

    forwards: Int[Tensor, "batch seq"]
    backwards: Int[Tensor, "batch seq"]


def reading_order(usable: Bool[Tensor, "batch seq"]) -> ReadingOrder:
    """Find both orders; one call serves all experts of a modality."""
    forwards = torch.argsort((~usable).to(torch.uint8), dim=1, stable=True)
    lengths = usable.sum(dim=1, keepdim=True)
    step = torch.arange(usable.shape[1], device=usable.device).expand_as(forwards)
    mirrored = torch.where(step < lengths, lengths - 1 - step, step)
    return ReadingOrder(forwards=forwards, backwards=forwards.gather(1, mirrored))


class BiGRU(nn.Module):
    """One layer, both directions side by side.

    Args:
        input_dim: width of an utterance's vector.
        width: of the output; half for each direction.

    Raises:
        ValueError: the width is odd.
    """

    def __init__(self, *, input_dim: int, width: int) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(
                f"width {width} is odd; a BiGRU gives half of it to each direction: take an even one"
            )
        self.forwards = nn.GRU(input_dim, width // 2, batch_first=True)
        self.backwards = nn.GRU(input_dim, width // 2, batch_first=True)

    def forward(
        self,
        utterances: Float[Tensor, "batch seq dim"],
        order: ReadingOrder,
        usable: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch seq width"]:
        """Read the usable utterances in both directions; zeros where there is none."""
        both = torch.cat(
            [
                read_in_order(self.forwards, utterances, order.forwards),
                read_in_order(self.backwards, utterances, order.backwards),
            ],
            dim=-1,
        )
        return both.masked_fill(~usable.unsqueeze(-1), 0.0)


def read_in_order(
    gru: nn.GRU, utterances: Float[Tensor, "batch seq dim"], order: Int[Tensor, "batch seq"]
) -> Float[Tensor, "batch seq state"]:
    """States of a GRU that reads in an order, back at the places where the utterances stand.

    What stands where there is no usable utterance means nothing.
    """
    closed = utterances.gather(1, order.unsqueeze(-1).expand_as(utterances))
    states: Tensor = gru(closed)[0]
    return torch.zeros_like(states).scatter(1, order.unsqueeze(-1).expand_as(states), states)
