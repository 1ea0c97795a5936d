"""A pre-trained encoder and its tokenizer, from a Hugging Face folder, with tokens for the speakers.

Paper: 4.3 (RoBERTa). Any encoder of the kind loads: its tokenizer must put special tokens at the start,
between two texts and at the end, as RoBERTa's and BERT's do.

A speaker token that the tokenizer does not know yet is added, and its embedding is the mean of the
embeddings of the tokens of " speaker k", k counted from 1: no random numbers, so it is the same in
every process, and a frozen encoder meets something near to what it was trained on. A fine-tuned folder brings
its speaker tokens along.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch.nn import Embedding
from transformers import (
    MODEL_MAPPING,
    AddedToken,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from extraction.text.context import SPEAKER_SLOTS, Frame, speaker_token
from extraction.text.described import Description, TextModelError

# Models whose first position is the padding token's number plus one, as RoBERTa's.
COUNTED_FROM_PADDING = frozenset(
    {"roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod", "camembert"}
    | {"data2vec-text", "ibert", "longformer", "luke", "mpnet"}
)
NO_FOLDER = (  # what transformers ends with on files that somebody else has written
    *(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError),
)
FOLDERS_KEPT = 2  # a process works with one encoder, for a moment with two: before and after fine-tuning


@dataclass(frozen=True, slots=True)
class Wordlist:
    """A tokenizer with speaker tokens, and the special tokens of its model.

    Args:
        new_slots: speakers' slots whose token the folder's own tokenizer does not have.
    """

    tokenizer: Any
    frame: Frame
    new_slots: tuple[int, ...]

    @property
    def pad(self) -> int:
        """The token that fills short rows of a batch."""
        return int(self.tokenizer.pad_token_id)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; special tokens that someone wrote out in it are read as plain text."""
        if not texts:
            return []
        encoded = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            verbose=False,  # longer texts than the model reads are cut later, and counted
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids


def read_config(folder: Path) -> PretrainedConfig:
    """The configuration of a folder's model.

    Raises:
        TextModelError: the folder cannot be read, or its model is not an encoder.
    """
    try:
        with quiet_transformers():
            config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    except NO_FOLDER as error:
        raise TextModelError(f"{folder} has no model that transformers knows: {error}") from error
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise TextModelError(
            f"{folder} holds a {config.model_type} model with a decoder; give an encoder such as roberta-base"
        )
    return config


@lru_cache(maxsize=FOLDERS_KEPT)
def read_wordlist(folder: Path, speakers: str) -> Wordlist:
    """The tokenizer of a folder, with speaker tokens where they are wanted.

    Raises:
        TextModelError: it cannot be read, or lacks the special tokens of an encoder.
    """
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except NO_FOLDER as error:
        raise TextModelError(f"{folder} has no tokenizer that transformers can load: {error}") from error
    frame = _frame(tokenizer, folder)
    if speakers != "tokens":
        return Wordlist(tokenizer, frame, new_slots=())
    tokens = [speaker_token(slot) for slot in range(SPEAKER_SLOTS)]
    known = tokenizer.get_vocab()
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in tokens], special_tokens=True
    )
    slots = tuple(tokenizer.get_vocab()[token] for token in tokens)
    new_slots = tuple(slot for slot, token in enumerate(tokens) if token not in known)
    return Wordlist(tokenizer, replace(frame, slots=slots), new_slots)


@lru_cache(maxsize=1)
def read_encoder(folder: Path, sha256: str, speakers: str, device: str) -> PreTrainedModel:
    """The encoder of a folder in evaluation mode, float32, on the device; loaded once per process.

    Args:
        sha256: of the folder; another one at the same place is another encoder.

    Raises:
        TextModelError: the weights do not load, or do not fit the configuration.
    """
    del sha256
    encoder = load_encoder(folder, speakers)
    encoder.eval()
    torch.nn.Module.to(encoder, device)  # transformers' own `to` does the same, but its type says otherwise
    return encoder


def load_encoder(folder: Path, speakers: str) -> PreTrainedModel:
    """A new copy of a folder's encoder, with embeddings for the speaker tokens.

    Raises:
        TextModelError: the weights do not load, or do not fit the configuration.
    """
    config = read_config(folder)
    kind: Any = MODEL_MAPPING[type(config)]
    options = (
        {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind).parameters else {}
    )
    try:
        with quiet_transformers():
            model, report = AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **options
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise TextModelError(f"the weights in {folder} do not load: {error}") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise TextModelError(f"{folder} lacks weights of its own model ({missing}, ...); fetch it again")
    words = read_wordlist(folder, speakers)
    _add_speaker_embeddings(model, words)
    return model  # type: ignore[no-any-return]


def describe(folder: Path) -> Description:
    """What a folder's model is, and how much it can read.

    Raises:
        TextModelError: it cannot be read, is no encoder, or its tokenizer lacks the tokens of one.
    """
    config, words = read_config(folder), read_wordlist(folder, "none")
    limit = int(words.tokenizer.model_max_length)
    positions = int(getattr(config, "max_position_embeddings", limit))
    if config.model_type in COUNTED_FROM_PADDING:
        positions -= int(getattr(config, "pad_token_id", 0)) + 1
    return Description(
        kind=config.model_type,
        layers=int(config.num_hidden_layers),
        width=int(config.hidden_size),
        most_tokens=min(positions, limit),
    )


def _frame(tokenizer: Any, folder: Path) -> Frame:
    pair = tokenizer("a", "b", return_special_tokens_mask=True)
    ids, special = pair["input_ids"], pair["special_tokens_mask"]
    if 0 not in special:
        raise TextModelError(f"the tokenizer in {folder} knows no letters; give the folder of another model")
    first = special.index(0)
    last = len(special) - 1 - special[::-1].index(0)
    between = [
        token for token, is_special in zip(ids[first:last], special[first:last], strict=True) if is_special
    ]
    frame = Frame(start=tuple(ids[:first]), between=tuple(between), end=tuple(ids[last + 1 :]))
    if not (frame.start and frame.between and frame.end) or tokenizer.pad_token_id is None:
        raise TextModelError(
            f"the tokenizer in {folder} has no start, separator or padding token (such as <s>, </s>, <pad>); "
            "give an encoder such as roberta-base, not a decoder"
        )
    return frame


def _add_speaker_embeddings(model: PreTrainedModel, words: Wordlist) -> None:
    table = cast(Embedding, model.get_input_embeddings())
    if len(words.tokenizer) > table.num_embeddings:
        table = model.resize_token_embeddings(len(words.tokenizer), mean_resizing=False)
    described = words.tokenise([f" speaker {slot + 1}" for slot in words.new_slots])
    with torch.no_grad():
        for slot, ids in zip(words.new_slots, described, strict=True):
            table.weight[words.frame.slots[slot]] = table.weight[ids].mean(dim=0)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' own progress bars and hints from the terminal, which is ours."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
