"""Bidirectional GRUs or LSTMs, one on top of the other, over the utterances that are there.

    f_t = RNN(f_{t-1}, x_t),  b_t = RNN(b_{t+1}, x_t),  x'_t = [f_t, b_t]      t over usable utterances

Layer after layer, with dropout on what the upper ones read, as torch's RNNs of several layers have it. Gaps
are closed by `reading_order`: an utterance that is not usable changes no state, and its output is zeros.

Dimensions: batch dialogues, seq utterances, dim of the input, width of the output.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, cat, nn

from summer.layers.bigru import read_in_order, reading_order

Cell = Literal["gru", "lstm"]
CELLS: dict[Cell, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class BidirectionalStack(nn.Module):
    """Several bidirectional layers.

    Args:
        cell: what each direction of each layer is.
        input_dim: width of an utterance's vector.
        width: of every layer's output; half for each direction.
        dropout: share of a layer's output that the next one does not see in training, in [0, 1).

    Raises:
        ValueError: the width is odd, or there is no layer.
    """

    def __init__(self, *, cell: Cell, input_dim: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        if width % 2 or layers < 1:
            raise ValueError(
                f"width {width} in {layers} layers: each direction has half of the width; take an even one, "
                "and at least one layer"
            )
        dims = [input_dim, *[width] * (layers - 1)]
        self.forwards = nn.ModuleList(CELLS[cell](dim, width // 2, batch_first=True) for dim in dims)
        self.backwards = nn.ModuleList(CELLS[cell](dim, width // 2, batch_first=True) for dim in dims)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, utterances: Float[Tensor, "batch seq dim"], usable: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq width"]:
        """Read the usable utterances in both directions; zeros where there is none."""
        order, hole = reading_order(usable), ~usable.unsqueeze(-1)
        hidden = utterances
        for depth, (onwards, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            read = self.dropout(hidden) if depth else hidden
            directions = [(onwards, order.forwards), (back, order.backwards)]
            hidden = cat([read_in_order(rnn, read, way) for rnn, way in directions], dim=-1)
        return hidden.masked_fill(hole, 0.0)
