"""The stack against torch's packed bidirectional RNNs of several layers, fed with the usable utterances."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from summer.layers.bidirectional import CELLS, BidirectionalStack, Cell

DIM, WIDTH, LAYERS = 5, 6, 3
USABLE = torch.tensor(
    [
        [True, True, True, True, True, True],
        [False, True, True, False, True, False],
        [True, True, False, False, False, False],
        [False, False, False, True, False, False],
    ]
)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        yield


def new_stack(cell: Cell, *, dropout: float = 0.0) -> BidirectionalStack:
    return BidirectionalStack(cell=cell, input_dim=DIM, width=WIDTH, layers=LAYERS, dropout=dropout)


def packed_twin(cell: Cell, stack: BidirectionalStack) -> nn.GRU | nn.LSTM:
    """torch's own network of several layers with the same weights."""
    twin = CELLS[cell](DIM, WIDTH // 2, LAYERS, batch_first=True, bidirectional=True)
    weights = {}
    for end, directions in (("", stack.forwards), ("_reverse", stack.backwards)):
        for depth, one in enumerate(directions):
            for name, parameter in one.named_parameters():
                weights[name.replace("_l0", f"_l{depth}{end}")] = parameter
    twin.load_state_dict(weights)
    return twin


def read_packed(twin: nn.GRU | nn.LSTM, utterances: Tensor) -> Tensor:
    """Each dialogue's usable utterances, taken out by a loop, read, and put back."""
    closed = [row[there] for row, there in zip(utterances, USABLE, strict=True)]
    padded = nn.utils.rnn.pad_sequence(closed, batch_first=True)
    lengths = torch.tensor([len(row) for row in closed])
    packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(twin(packed)[0], batch_first=True)
    output = torch.zeros(*USABLE.shape, WIDTH)
    for dialogue, there in enumerate(USABLE):
        output[dialogue, there] = states[dialogue, : lengths[dialogue]]
    return output


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_it_is_a_packed_network_of_several_layers_over_the_usable_utterances(cell: Cell) -> None:
    stack, utterances = new_stack(cell), torch.randn(4, 6, DIM)
    expected = read_packed(packed_twin(cell, stack), utterances)
    spoiled = utterances.masked_fill(~USABLE.unsqueeze(-1), torch.nan)
    torch.testing.assert_close(stack(spoiled, USABLE), expected, atol=1e-6, rtol=1e-5)


def test_dropout_falls_between_layers_and_not_on_what_comes_in_or_out() -> None:
    stack, utterances = new_stack("gru", dropout=0.5), torch.randn(4, 6, DIM)
    assert not torch.equal(stack(utterances, USABLE), stack(utterances, USABLE))
    one = BidirectionalStack(cell="gru", input_dim=DIM, width=WIDTH, layers=1, dropout=0.5)
    assert torch.equal(one(utterances, USABLE), one(utterances, USABLE))


@pytest.mark.parametrize(("width", "layers"), [(7, 1), (6, 0)])
def test_an_odd_width_and_no_layer_are_refused(width: int, layers: int) -> None:
    with pytest.raises(ValueError, match=f"width {width} in {layers} layers"):
        BidirectionalStack(cell="lstm", input_dim=DIM, width=width, layers=layers, dropout=0.0)
