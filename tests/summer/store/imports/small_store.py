"""A store of four utterances, as the extractors would have left it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from summer.corpus import Modality, Split, Status, Utterance
from summer.store import Header, Rows, new_store

MELD_LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
IDS = ("train/dia0_utt0", "train/dia0_utt1", "dev/dia0_utt0", "test/dia0_utt0")
LABELS = ("joy", "anger", "", "fear")
WORDS = ("Hey!", "", "Oh, no 😢", "two\nlines")


def write_small_store(path: Path, modality: Modality = Modality.TEXT) -> Path:
    """Vectors 1 2 3, 4 5 6, zeros (corrupt), 10 11 12."""
    utterances = [
        Utterance(
            id=name,
            split=Split(name.partition("/")[0]),
            dialogue="0",
            turn=int(name[-1]),
            speaker=("Ann", "Bob")[int(name[-1])],
            text=text,
            label=label,
        )
        for name, label, text in zip(IDS, LABELS, WORDS, strict=True)
    ]
    rows = Rows(
        utterances=utterances,
        statuses=[Status.OK, Status.OK, Status.CORRUPT, Status.OK],
        reasons=["", "", "broken", ""],
    )
    header = Header(
        corpus="meld",
        protocol="test_clips=corrected",
        modality=modality,
        labels=MELD_LABELS,
        dim=3,
        fingerprint="f" * 64,
        corpus_digest="d" * 64,
        complete=True,
    )
    vectors = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    vectors[2] = 0
    with new_store(path, header, rows) as writer:
        writer.write_raw(0, vectors)
    return path
