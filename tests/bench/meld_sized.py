"""A generated corpus of MELD's size: its dialogues' lengths, three modalities of the paper's widths.

Lengths are MELD's own where its annotations are at hand; else they are drawn like them, and add up to about
as many utterances. Vectors, labels and speakers are random: none of them changes how long anything takes.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from tests.places import SHARED
from tests.summer.made_up import LABELS, Lengths, made_features, made_utterances

MELD = SHARED / "data" / "meld"
PAPER_DIMS: Mapping[Modality, int] = MappingProxyType(
    {Modality.TEXT: 768, Modality.AUDIO: 512, Modality.VIDEO: 1000}
)
DIALOGUES = MappingProxyType({Split.TRAIN: 1038, Split.DEV: 114, Split.TEST: 280})
LONGEST = 24  # of the training split
MOST_SPEAKERS = 4


def meld_lengths() -> dict[Split, list[int]]:
    """Utterances of each dialogue, by split."""
    if MELD.is_dir():
        return {split: _counted(MELD / f"{split.value}_sent_emo.csv") for split in DIALOGUES}
    random = np.random.default_rng(0)
    return {
        split: random.triangular(0.5, 3.4, LONGEST + 0.5, count).round().clip(1, LONGEST).astype(int).tolist()
        for split, count in DIALOGUES.items()
    }


def _counted(path: Path) -> list[int]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(Counter(row["Dialogue_ID"] for row in csv.DictReader(file)).values())


def generated(
    lengths: Lengths | Mapping[Split, Sequence[int]], dims: Mapping[Modality, int]
) -> Conversations:
    """Random conversations of the given lengths; every utterance has every modality."""
    utterances = made_utterances(lengths, parties=MOST_SPEAKERS)
    random = np.random.default_rng(1)
    return Conversations(
        corpus="meld-sized",
        protocol="none",
        labels=LABELS,
        utterances=utterances,
        features={
            m: made_features(random, rows=len(utterances), dim=dim, holes=()) for m, dim in dims.items()
        },
    )
