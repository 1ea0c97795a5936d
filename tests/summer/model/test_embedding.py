"""Equations 1 and 2 term by term, and the unimodal encoder around them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from summer.layers.dialogue_rnn import DialogueRNN
from summer.model.embedding import UnimodalEncoder, UtteranceSpeakerEmbedding

DIM, WIDTH, IDENTITIES, LONGEST = 5, 6, 4, 9
SPEAKERS = torch.tensor([[0, 1, 0, 2, 1, 0], [0, 1, 1, 0, 0, 0]])
IDENTITIES_OF = torch.tensor([[1, 2, 1, 3, 2, 1], [1, 0, 0, 1, 0, 0]])
USABLE = torch.tensor([[True, True, False, True, True, True], [True, True, True, True, False, False]])


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def embedding(*, normalised: bool = True) -> UtteranceSpeakerEmbedding:
    part = UtteranceSpeakerEmbedding(
        width=WIDTH, identities=IDENTITIES, longest_dialogue=LONGEST, normalised=normalised
    )
    if part.norm is not None:
        nn.init.normal_(part.norm.weight, mean=1, std=0.3)
        nn.init.normal_(part.norm.bias, std=0.3)
    return part


def encoder(*, skip: bool = True, dropout: float = 0.0, normalised: bool = True) -> UnimodalEncoder:
    return UnimodalEncoder(
        dialogue_rnn=DialogueRNN(
            input_dim=DIM,
            global_dim=3,
            party_dim=4,
            emotion_dim=WIDTH // 2,
            bidirectional=True,
            listener_update=False,
            emotion_attention="added",
            dropout=0.0,
        ),
        embedding=embedding(normalised=normalised),
        skip=nn.Linear(DIM, WIDTH) if skip else None,
        dropout=dropout,
    )


def encode(network: UnimodalEncoder, features: Tensor, usable: Tensor, *, parties: int = 3) -> Tensor:
    length = features.shape[1]
    encoded: Tensor = network(
        features,
        speakers=SPEAKERS[: len(features), :length],
        identities=IDENTITIES_OF[: len(features), :length],
        usable=usable,
        parties=parties,
    )
    return encoded


@pytest.mark.parametrize("normalised", [True, False])
def test_speaker_and_position_are_added_as_equations_1_and_2_say(normalised: bool) -> None:
    part = embedding(normalised=normalised)
    hidden = torch.randn(2, 6, WIDTH)
    speaker_matrix = part.speaker.weight.detach().numpy().T  # V_s: one column a speaker
    positions = part.position.weight.detach().numpy()
    expected = np.zeros((2, 6, WIDTH))
    for dialogue in range(2):
        for utterance in range(6):
            one_hot = np.zeros(IDENTITIES)
            one_hot[IDENTITIES_OF[dialogue, utterance]] = 1
            expected[dialogue, utterance] = (
                hidden[dialogue, utterance].numpy() + speaker_matrix @ one_hot + positions[utterance]
            )
    if part.norm is not None:
        gain, shift = (parameter.detach().numpy() for parameter in (part.norm.weight, part.norm.bias))
        centred = expected - expected.mean(axis=2, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=2, keepdims=True) + 1e-5)
        expected = gain * centred / spread + shift
    assert (part.norm is not None) is normalised
    np.testing.assert_allclose(part(hidden, IDENTITIES_OF).detach().numpy(), expected, atol=1e-6)


def test_the_size_of_what_is_embedded_does_not_depend_on_the_size_of_what_dialogue_rnn_says() -> None:
    part = UtteranceSpeakerEmbedding(
        width=128, identities=IDENTITIES, longest_dialogue=LONGEST, normalised=True
    )
    hidden = torch.randn(2, 6, 128)
    for size in (0.05, 1.0, 20.0):
        assert float(part(size * hidden, IDENTITIES_OF).detach().std()) == pytest.approx(1.0, abs=0.02)


def test_a_dialogue_longer_than_the_positions_is_refused_with_the_remedy() -> None:
    part = UtteranceSpeakerEmbedding(width=WIDTH, identities=IDENTITIES, longest_dialogue=3, normalised=True)
    with pytest.raises(
        ValueError, match="has 4 utterances, the model 3 positions; set model.longest_dialogue"
    ):
        part(torch.randn(1, 4, WIDTH), torch.zeros(1, 4, dtype=torch.long))


@pytest.mark.parametrize("skip", [False, True])
def test_the_encoder_is_dialogue_rnn_and_skip_then_speaker_and_position(skip: bool) -> None:
    network, features = encoder(skip=skip), torch.randn(2, 6, DIM)
    followed = network.dialogue_rnn(features, SPEAKERS, USABLE)
    if network.skip is not None:
        followed = followed + features @ network.skip.weight.T + network.skip.bias
    expected = network.embedding(followed, IDENTITIES_OF)
    encoded = encode(network, features, USABLE)
    torch.testing.assert_close(encoded[USABLE], expected[USABLE])
    assert not encoded[~USABLE].any()


def test_a_padded_dialogue_encodes_like_the_same_dialogue_alone() -> None:
    network, features = encoder(), torch.randn(2, 6, DIM)
    alone = network(
        features[1:, :4],
        speakers=SPEAKERS[1:, :4],
        identities=IDENTITIES_OF[1:, :4],
        usable=USABLE[1:, :4],
        parties=2,
    )
    together = encode(network, features, USABLE)
    torch.testing.assert_close(together[1:, :4], alone, atol=1e-5, rtol=0)


def test_a_hole_changes_nobody_elses_state() -> None:
    """DialogueRNN without the utterance, then the positions that the others really have."""
    network, features = encoder(skip=False, normalised=False), torch.randn(1, 6, DIM)
    there = USABLE[0]
    followed = network.dialogue_rnn(
        features[:, there], SPEAKERS[:1, there], torch.ones(1, int(there.sum()), dtype=torch.bool)
    )
    added = network.embedding(torch.zeros(1, 6, WIDTH), IDENTITIES_OF[:1])[:, there]
    encoded = encode(network, features, USABLE[:1])
    torch.testing.assert_close(encoded[:, there], followed + added, atol=1e-6, rtol=1e-5)


def test_what_stands_in_rows_that_are_not_usable_is_never_read() -> None:
    network, features = encoder(), torch.randn(2, 6, DIM)
    spoiled = features.masked_fill(~USABLE.unsqueeze(-1), torch.nan)
    assert torch.equal(encode(network, spoiled, USABLE), encode(network, features, USABLE))
    encode(network, spoiled, USABLE).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_room_for_more_parties_than_speak_changes_nothing() -> None:
    network, features = encoder(), torch.randn(2, 6, DIM)
    torch.testing.assert_close(
        encode(network, features, USABLE, parties=7), encode(network, features, USABLE, parties=3)
    )
    assert not torch.allclose(
        encode(network, features, USABLE, parties=3),
        network(
            features,
            speakers=torch.zeros_like(SPEAKERS),
            identities=IDENTITIES_OF,
            usable=USABLE,
            parties=1,
        ),
    )


def test_dropout_falls_in_training_only() -> None:
    network, features = encoder(dropout=0.5), torch.randn(2, 6, DIM)
    assert not torch.equal(encode(network, features, USABLE), encode(network, features, USABLE))
    network.eval()
    assert torch.equal(encode(network, features, USABLE), encode(network, features, USABLE))
