"""Passages to vectors: batches through the encoder, and what of its states is the vector. Loads torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from extraction.devices import in_halves
from extraction.text.batches import batches_by_tokens, pad_passages
from extraction.text.encoder import RobertaText
from extraction.text.passages import Passage
from extraction.text.pretrained import read_encoder, read_wordlist

TOKENS_ON_CPU = 512  # of a batch, padding included; measured: larger ones leave the processor's cache
TOKENS_ON_CUDA = 32768


def vectors_of(passages: Sequence[Passage], wanted: RobertaText) -> list[NDArray[np.float32]]:
    """(utterances, dim) of each passage.

    Args:
        wanted: says by which encoder, and what of its states is the vector.

    Raises:
        DeviceMemoryError: not even one passage fits the device.
    """

    def encode(some: Sequence[Passage]) -> Float[Tensor, "utterance dim"]:
        return encoded(some, wanted)

    vectors: list[NDArray[np.float32]] = [np.empty((0, wanted.dim), np.float32)] * len(passages)
    most_tokens = TOKENS_ON_CPU if wanted.device == "cpu" else TOKENS_ON_CUDA
    lengths = [len(passage.ids) for passage in passages]
    for batch in batches_by_tokens(lengths, most_tokens=most_tokens, most_rows=wanted.batch_size):
        longest = f"a passage of up to {lengths[batch[0]]} tokens"
        found = in_halves(encode, [passages[position] for position in batch], one=longest)
        ends = np.cumsum([len(passages[position].clips) for position in batch])
        for position, part in zip(batch, np.split(torch.cat(found).cpu().numpy(), ends[:-1]), strict=True):
            vectors[position] = part
    return vectors


def encoded(passages: Sequence[Passage], wanted: RobertaText) -> Float[Tensor, "utterance dim"]:
    """The vectors of one batch, on the device."""
    folder, speakers = wanted.weights.path, wanted.context.speakers
    encoder = read_encoder(folder, wanted.weights.sha256, speakers, wanted.device)
    pad = read_wordlist(folder, speakers).pad
    ids, attended, own, lengths = (tensor.to(wanted.device) for tensor in pad_passages(passages, pad))
    with torch.inference_mode():
        states = encoder(input_ids=ids, attention_mask=attended).last_hidden_state
        return summary(states, own, lengths, wanted.vector).float()


def summary(
    states: Float[Tensor, "row token dim"],
    own: Bool[Tensor, "row token"],
    lengths: Int[Tensor, " utterance"],
    vector: str,
) -> Float[Tensor, "utterance dim"]:
    """One vector per utterance: its row's start token's state, or the mean over its own words.

    Args:
        own: True for the own words of the utterances, which stand in the order of rows and tokens.
        lengths: own words of each utterance.
    """
    if vector == "start":
        return states[:, 0]
    return torch.segment_reduce(states[own].float(), "mean", lengths=lengths)
