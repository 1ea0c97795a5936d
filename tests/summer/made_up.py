"""Made-up conversations of given lengths, with holes if wanted: in memory, as a batch, as stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summer.conversations.batches import ConversationBatch, ConversationDealer
from summer.conversations.reading import Conversations, ModalityFeatures
from summer.conversations.speakers import SpeakerIdentities
from summer.corpus import LabelSet, Modality, Split, Status, Utterance
from summer.store import Header, Rows, new_store

LABELS = LabelSet(("neutral", "joy", "anger"))
DIMS = MappingProxyType({Modality.TEXT: 6, Modality.AUDIO: 4, Modality.VIDEO: 5})
EVERY_MODALITY = tuple(Modality)
SLOTS = 4
NO_HOLES: Mapping[Modality, Sequence[int]] = MappingProxyType({})
Lengths = Mapping[Split, Sequence[int]]


def made_utterances(lengths: Lengths, *, parties: int = 3, seed: int = 0) -> tuple[Utterance, ...]:
    """Dialogues of the given lengths; the first turns have a speaker each, the others a random one."""
    random = np.random.default_rng(seed)
    return tuple(
        Utterance(
            id=f"{split}/dia{number}_utt{turn}",
            split=split,
            dialogue=f"dia{number}",
            turn=turn,
            speaker=f"speaker{turn if turn < parties else random.integers(parties)}",
            text="",
            label=LABELS.names[random.integers(len(LABELS))],
        )
        for split, of_split in lengths.items()
        for number, length in enumerate(of_split)
        for turn in range(length)
    )


def made_conversations(
    lengths: Lengths,
    *,
    modalities: Sequence[Modality] = EVERY_MODALITY,
    parties: int = 3,
    holes: Mapping[Modality, Sequence[int]] = NO_HOLES,
    seed: int = 0,
) -> Conversations:
    """Random vectors; `holes` names the rows that a modality lacks."""
    utterances = made_utterances(lengths, parties=parties, seed=seed)
    random = np.random.default_rng(seed + 1)
    return Conversations(
        corpus="made-up",
        protocol="none",
        labels=LABELS,
        utterances=utterances,
        features={
            m: made_features(random, rows=len(utterances), dim=DIMS[m], holes=holes.get(m, ()))
            for m in modalities
        },
    )


def made_features(
    random: np.random.Generator, *, rows: int, dim: int, holes: Sequence[int]
) -> ModalityFeatures:
    """Normal vectors, zeros in the holes."""
    usable = np.ones(rows, dtype=bool)
    usable[list(holes)] = False
    vectors = random.standard_normal((rows, dim)).astype(np.float32) * usable[:, None]
    return ModalityFeatures(vectors=vectors.astype(np.float32), usable=usable, fingerprint="f" * 64)


def made_batch(conversations: Conversations, split: Split = Split.TRAIN) -> ConversationBatch:
    """All dialogues of a split, in corpus order."""
    dealer = ConversationDealer(conversations, SpeakerIdentities(rule="slots", slots=SLOTS))
    return dealer.batch(dealer.of_split(split))


def batches_of_one(conversations: Conversations, split: Split = Split.TRAIN) -> list[ConversationBatch]:
    """Each dialogue of a split alone, without padding."""
    dealer = ConversationDealer(conversations, SpeakerIdentities(rule="slots", slots=SLOTS))
    return [dealer.batch([dialogue]) for dialogue in dealer.of_split(split)]


def write_store(
    path: Path,
    conversations: Conversations,
    modality: Modality,
    *,
    reduced: NDArray[np.float32] | None = None,
    **changes: Any,
) -> Path:
    """Write one modality as an extractor would; `changes` are fields of the header."""
    features = conversations.features[modality]
    fields: dict[str, Any] = {
        "corpus": conversations.corpus,
        "protocol": conversations.protocol,
        "modality": modality,
        "labels": conversations.labels.names,
        "dim": features.dim,
        "fingerprint": features.fingerprint,
        "corpus_digest": "d" * 64,
        "complete": True,
    }
    rows = Rows(
        utterances=conversations.utterances,
        statuses=[Status.OK if usable else Status.MISSING for usable in features.usable],
        reasons=["" if usable else "made so" for usable in features.usable],
    )
    with new_store(path, Header(**{**fields, **changes}), rows) as writer:
        writer.write_raw(0, features.vectors)
        if reduced is not None:
            writer.write_reduced(reduced, {"method": "pca", "fingerprint": "r" * 64})
        if features.head is not None:
            writer.write_head(features.head)
    return path


def write_stores(folder: Path, conversations: Conversations) -> list[Path]:
    """One store per modality."""
    return [write_store(folder / f"{m.value}.h5", conversations, m) for m in conversations.features]
