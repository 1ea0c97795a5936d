"""BiGRU against torch's packed bidirectional GRU, fed with the utterances that are there and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from summer.layers.bigru import BiGRU, reading_order

DIM, WIDTH = 5, 6
USABLE = torch.tensor(
    [
        [True, True, True, True, True, True],
        [False, True, True, False, True, False],  # holes at both ends and inside
        [True, True, False, False, False, False],  # padding
        [False, False, False, True, False, False],
    ]
)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        yield


def read(network: BiGRU, utterances: Tensor, usable: Tensor) -> Tensor:
    output: Tensor = network(utterances, reading_order(usable), usable)
    return output


def packed_twin(network: BiGRU) -> nn.GRU:
    """torch's own bidirectional GRU with the same weights."""
    twin = nn.GRU(DIM, WIDTH // 2, batch_first=True, bidirectional=True)
    weights = dict(network.forwards.named_parameters())
    weights |= {f"{name}_reverse": p for name, p in network.backwards.named_parameters()}
    twin.load_state_dict(weights)
    return twin


def read_packed(twin: nn.GRU, utterances: Tensor, usable: Tensor) -> Tensor:
    """Only what is usable goes in, by a loop; what comes out goes back to its place."""
    closed = [row[there] for row, there in zip(utterances, usable, strict=True)]
    lengths = torch.tensor([len(row) for row in closed])
    padded = nn.utils.rnn.pad_sequence(closed, batch_first=True)
    states, _ = pad_packed_sequence(
        twin(pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False))[0],
        batch_first=True,
    )
    output = torch.zeros(*usable.shape, WIDTH)
    for dialogue, there in enumerate(usable):
        output[dialogue, there] = states[dialogue, : lengths[dialogue]]
    return output


def test_the_reading_order_closes_gaps_and_turns_round_only_what_is_usable() -> None:
    order = reading_order(torch.tensor([[False, True, True, False, True]]))
    assert order.forwards.tolist() == [[1, 2, 4, 0, 3]]
    assert order.backwards.tolist() == [[4, 2, 1, 0, 3]]


def test_it_is_a_packed_bidirectional_gru_of_the_usable_utterances() -> None:
    network, utterances = BiGRU(input_dim=DIM, width=WIDTH), torch.randn(4, 6, DIM)
    expected = read_packed(packed_twin(network), utterances, USABLE)
    torch.testing.assert_close(read(network, utterances, USABLE), expected, atol=1e-6, rtol=1e-5)


def test_a_padded_dialogue_reads_like_the_same_dialogue_alone() -> None:
    network, utterances = BiGRU(input_dim=DIM, width=WIDTH), torch.randn(1, 4, DIM)
    usable = torch.tensor([[True, False, True, True]])
    padded = torch.cat([utterances, torch.randn(1, 3, DIM)], dim=1)
    longer = torch.cat([usable, torch.zeros(1, 3, dtype=torch.bool)], dim=1)
    output = read(network, padded, longer)
    torch.testing.assert_close(output[:, :4], read(network, utterances, usable))
    assert not output[:, 4:].any()


def test_a_hole_is_as_if_the_utterance_were_not_there() -> None:
    network, utterances = BiGRU(input_dim=DIM, width=WIDTH), torch.randn(1, 5, DIM)
    usable = torch.tensor([[True, True, False, True, True]])
    without = read(network, utterances[:, usable[0]], torch.ones(1, 4, dtype=torch.bool))
    output = read(network, utterances, usable)
    torch.testing.assert_close(output[:, usable[0]], without)
    assert not output[:, 2].any()


def test_what_stands_where_nothing_is_usable_is_never_read() -> None:
    network, utterances = BiGRU(input_dim=DIM, width=WIDTH), torch.randn(4, 6, DIM)
    spoiled = utterances.masked_fill(~USABLE.unsqueeze(-1), torch.nan)
    assert torch.equal(read(network, spoiled, USABLE), read(network, utterances, USABLE))


def test_a_dialogue_without_any_usable_utterance_yields_zeros() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert not read(BiGRU(input_dim=DIM, width=WIDTH), torch.randn(2, 3, DIM), nothing).any()


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width 7 is odd"):
        BiGRU(input_dim=DIM, width=7)
