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

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from tests.summer.made_up_trimodal import assembled

TURNS, SPEAKERS = 8, 3
DIALOGUES: Mapping[Split, int] = MappingProxyType({Split.TRAIN: 120, Split.DEV: 40, Split.TEST: 100})
NOTHING = 3  # the code of words that show nothing
SHOWN = 0.7  # how often a sound shows the mood
SHAPE = (sum(DIALOGUES.values()), TURNS)


def mood_of_all(seed: int) -> Conversations:
    """Sound that shows the mood of the dialogue more often than not."""
    random = np.random.default_rng(seed)
    moods = np.broadcast_to(random.integers(2, size=(SHAPE[0], 1)), SHAPE)
    sound = np.where(random.random(SHAPE) < SHOWN, moods, 1 - moods)
    speakers = np.arange(SHAPE[0] * TURNS).reshape(SHAPE) % 2
    return assembled({Modality.AUDIO: sound}, moods, random, speakers=speakers, dialogues=DIALOGUES)


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
    speakers = np.zeros_like(speakers) if merged else speakers
    return assembled({Modality.TEXT: words}, labels, random, speakers=speakers, dialogues=DIALOGUES)


def ceiling_of_words() -> float:
    """Of `said_once` without speakers, or without context."""
    return (SPEAKERS + (TURNS - SPEAKERS) / SPEAKERS) / TURNS


def told_by_sound(seed: int) -> Conversations:
    """Words and the sound before them."""
    random = np.random.default_rng(seed)
    words, sound = random.integers(2, size=SHAPE), random.integers(2, size=SHAPE)
    before = np.concatenate([np.zeros_like(sound[:, :1]), sound[:, :-1]], axis=1)
    codes = {Modality.TEXT: words, Modality.AUDIO: sound}
    speakers = np.broadcast_to(np.arange(TURNS) % 2, SHAPE)
    return assembled(codes, words ^ before, random, speakers=speakers, dialogues=DIALOGUES)


def ceiling_without_the_other() -> float:
    """Of `told_by_sound` without words, sound or context."""
    return (1 + (TURNS - 1) / 2) / TURNS
