"""A small made-up corpus whose emotions can be read from its vectors, with all that real rows have wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summer.corpus import LabelSet, Split, Utterance
from summer.reduction import RawRows

LABELS = LabelSet(("neutral", "joy", "anger", "disgust"))
SPOKEN_LABELS = 3  # disgust is in no row: a class that training never sees
RAW_DIM = 12
DIALOGUES = {Split.TRAIN: 16, Split.DEV: 5, Split.TEST: 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRows(RawRows):
    """Rows whose vectors are an array, to be picked by mask."""

    features: NDArray[np.float32]

    def of(self, split: Split) -> NDArray[np.bool_]:
        return np.array([utterance.split is split for utterance in self.utterances])


def made_rows(*, seed: int = 3, unusable_share: float = 0.1) -> MadeRows:
    """Dialogues of 3 to 8 turns whose numbering has gaps; an emotion moves three columns of its own."""
    random = np.random.default_rng(seed)
    utterances = [
        made_turn(split, name, turn, speaker=f"speaker{random.integers(3)}", emotion=random.integers(3))
        for split, count in DIALOGUES.items()
        for name in range(count)
        for turn in range(random.integers(3, 9))
    ]
    features = random.standard_normal((len(utterances), RAW_DIM)).astype(np.float32)
    for row, utterance in enumerate(utterances):
        first = 3 * LABELS.index(utterance.label)
        features[row, first : first + 3] += 3
    usable = random.random(len(utterances)) >= unusable_share
    features[~usable] = 0
    return MadeRows(features=features, usable=usable, utterances=utterances)


def made_turn(split: Split, name: int, turn: int, *, speaker: str, emotion: int) -> Utterance:
    return Utterance(
        id=f"{split}/dia{name}_utt{2 * turn + 3}",
        split=split,
        dialogue=f"dia{name}",
        turn=2 * turn + 3,
        speaker=speaker,
        text="",
        label=LABELS.names[emotion],
    )
