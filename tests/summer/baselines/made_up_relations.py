"""Made-up conversations whose labels depend on relations between utterances: who spoke, when, how it sounded.

A vector is twice the one-hot vector of a code, and noise of deviation 0.3: whoever reads it knows its code.

    mood_of_all     each dialogue has a mood, 0 or 1, which is the label of all its utterances; the code that
                    the sound of an utterance shows is the mood, right 70 times of 100. There is nothing else.
                    Alone an utterance is known to 0.7, all together to `ceiling_of_mood`.
    said_once       three people introduce themselves in turn, each by a code of their own, which is the label
                    of all that they say; after that any of them speaks, and the words show nothing. Without
                    speakers, or without context, 1 in 3 of what comes after the introductions.
    told_by_sound   label = words XOR the sound of the utterance before; of the first one, its words. Half of
                    what is not first is right without the one or the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from summer.conversations.reading import Conversations, ModalityFeatures
from summer.corpus import LabelSet, Modality, Split, Utterance

TURNS, SPEAKERS = 8, 3
DIALOGUES: Mapping[Split, int] = MappingProxyType({Split.TRAIN: 120, Split.DEV: 40, Split.TEST: 100})
DIM = 4
STRENGTH, NOISE_DEVIATION = 2.0, 0.3
NOTHING = 3  # the code of words that show nothing
SHOWN = 0.7  # how often a sound shows the mood
Codes = NDArray[np.int64]
SHAPE = (sum(DIALOGUES.values()), TURNS)


def mood_of_all(seed: int) -> Conversations:
    """Sound that shows the mood of the dialogue more often than not."""
    random = np.random.default_rng(seed)
    moods = np.broadcast_to(random.integers(2, size=(SHAPE[0], 1)), SHAPE)
    sound = np.where(random.random(SHAPE) < SHOWN, moods, 1 - moods)
    return _assembled({Modality.AUDIO: sound}, moods, np.arange(SHAPE[0] * TURNS).reshape(SHAPE) % 2, random)


def ceiling_of_mood() -> float:
    """Right where most sounds of the dialogue are, and half of the time where as many are as are not."""
    chances = [math.comb(TURNS, n) * SHOWN**n * (1 - SHOWN) ** (TURNS - n) for n in range(TURNS + 1)]
    return sum(chance for n, chance in enumerate(chances) if 2 * n > TURNS) + chances[TURNS // 2] / 2


def said_once(seed: int, *, merged: bool = False) -> Conversations:
    """What each says is what it introduced itself by.

    Args:
        merged: whether all utterances are given to one speaker; labels stay.
    """
    random = np.random.default_rng(seed)
    names = np.argsort(random.random((SHAPE[0], SPEAKERS)), axis=1)
    speakers = random.integers(SPEAKERS, size=SHAPE)
    speakers[:, :SPEAKERS] = np.arange(SPEAKERS)
    labels = np.take_along_axis(names, speakers, axis=1)
    words = np.where(np.arange(TURNS) < SPEAKERS, labels, NOTHING)
    return _assembled({Modality.TEXT: words}, labels, np.zeros_like(speakers) if merged else speakers, random)


def ceiling_of_words() -> float:
    """Of `said_once` without speakers, or without context."""
    return (SPEAKERS + (TURNS - SPEAKERS) / SPEAKERS) / TURNS


def told_by_sound(seed: int) -> Conversations:
    """Words and the sound before them."""
    random = np.random.default_rng(seed)
    words, sound = random.integers(2, size=SHAPE), random.integers(2, size=SHAPE)
    before = np.concatenate([np.zeros_like(sound[:, :1]), sound[:, :-1]], axis=1)
    codes = {Modality.TEXT: words, Modality.AUDIO: sound}
    return _assembled(codes, words ^ before, np.broadcast_to(np.arange(TURNS) % 2, SHAPE), random)


def ceiling_without_the_other() -> float:
    """Of `told_by_sound` without words, sound or context."""
    return (1 + (TURNS - 1) / 2) / TURNS


def _assembled(
    codes: Mapping[Modality, Codes], labels: Codes, speakers: Codes, random: np.random.Generator
) -> Conversations:
    """Codes, labels and speakers, a row per dialogue, to conversations."""
    names = LabelSet(tuple(f"label{number}" for number in range(int(labels.max()) + 1)))
    splits = [split for split, count in DIALOGUES.items() for _ in range(count)]
    utterances = tuple(
        Utterance(
            id=f"{split}/dia{number}_utt{turn}",
            split=split,
            dialogue=f"dia{number}",
            turn=turn,
            speaker=f"speaker{speakers[number, turn]}",
            text="",
            label=names.names[labels[number, turn]],
        )
        for number, split in enumerate(splits)
        for turn in range(TURNS)
    )
    features = {m: _features(of_modality.ravel(), random) for m, of_modality in codes.items()}
    return Conversations(
        corpus="made-up", protocol="none", labels=names, utterances=utterances, features=features
    )


def _features(codes: Codes, random: np.random.Generator) -> ModalityFeatures:
    vectors = STRENGTH * np.eye(DIM)[codes] + NOISE_DEVIATION * random.standard_normal((len(codes), DIM))
    return ModalityFeatures(
        vectors=vectors.astype(np.float32), usable=np.ones(len(codes), dtype=bool), fingerprint="f" * 64
    )
