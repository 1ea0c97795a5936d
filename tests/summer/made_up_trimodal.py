"""Made-up conversations of text, audio and video, each so that one knows what can be known from what.

Every utterance draws a `Case` by its probability: a code a modality, and the label that the case has. A
vector is twice the one-hot vector of its code, and noise of deviation 0.3: whoever reads a vector knows its
code, almost never wrongly. What a modality, or several, can say of the label at best is therefore a sum over
cases (`ceiling`), in accuracy, and no model may be above it but by luck of the sample (`luck`).

    revealed_by_two     label = text XOR audio. Text is 0 or 1 alike, audio 1 in 30 of 100; video says the
                        label, right 60 times of 100. Best by text 0.7, audio 0.5, video 0.6, text and
                        video 0.7; text and audio 1.
    with_noise          label = 2 text + audio, two codes each: both are needed. Video is nothing but noise.
    shifted_by_speaker  label = text XOR slot of the speaker. Who opens a dialogue has slot 0; each later turn
                        is either of two speakers'. Without speakers only the first turn can be known.
    with_holes          label = video code; text says it, right 80 times of 100; audio is noise. Half of the
                        video is missing in the test: best 0.5 + 0.5 * 0.8. Code 0 of the video is the vector
                        0: filled with zeros a hole says code 0, and who trusts it has 0.5 + 0.5 * 0.5.
    told_by_previous    label = text code of the utterance before; of the first, its own. An utterance that
                        stands alone does not even know whether it is the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from summer.conversations.reading import Conversations, ModalityFeatures
from summer.corpus import LabelSet, Modality, Split, Utterance

TURNS = 4
DIALOGUES: Mapping[Split, int] = MappingProxyType({Split.TRAIN: 160, Split.DEV: 60, Split.TEST: 150})
DIM = 4
STRENGTH = 2.0
NOISE_DEVIATION = 0.3
NOISE_CODE = -1  # a vector of noise as strong as a code

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an utterance may be: codes by modality, its label, how probable it is."""

    probability: float
    codes: Mapping[Modality, int]
    label: int


def ceiling(cases: Sequence[Case], modalities: Iterable[Modality]) -> float:
    """Accuracy of who knows all probabilities and sees the codes of some modalities: sum of max P."""
    seen_and_label: dict[tuple[tuple[int, ...], int], float] = {}
    read = tuple(modalities)
    for case in cases:
        key = (tuple(case.codes[m] for m in read), case.label)
        seen_and_label[key] = seen_and_label.get(key, 0.0) + case.probability
    best: dict[tuple[int, ...], float] = {}
    for (seen, _), probability in seen_and_label.items():
        best[seen] = max(best.get(seen, 0.0), probability)
    return sum(best.values())


def luck(accuracy: float, utterances: int) -> float:
    """Three standard deviations of an accuracy that is measured on so many utterances."""
    return 3 * math.sqrt(accuracy * (1 - accuracy) / utterances)


def cases_of_two() -> list[Case]:
    """Of `revealed_by_two`."""
    return [
        Case(
            probability=0.5 * (0.3 if audio else 0.7) * (0.6 if video == (text ^ audio) else 0.4),
            codes={Modality.TEXT: text, Modality.AUDIO: audio, Modality.VIDEO: video},
            label=text ^ audio,
        )
        for text, audio, video in product((0, 1), repeat=3)
    ]


def cases_of_noise() -> list[Case]:
    """Of `with_noise`."""
    return [
        Case(
            probability=0.25,
            codes={Modality.TEXT: text, Modality.AUDIO: audio, Modality.VIDEO: NOISE_CODE},
            label=2 * text + audio,
        )
        for text, audio in product((0, 1), repeat=2)
    ]


def cases_of_holes() -> list[Case]:
    """Of `with_holes`, where nothing is missing."""
    return [
        Case(
            probability=0.5 * (0.8 if text == video else 0.2),
            codes={Modality.TEXT: text, Modality.AUDIO: NOISE_CODE, Modality.VIDEO: video},
            label=video,
        )
        for text, video in product((0, 1), repeat=2)
    ]


def ceiling_with_holes() -> float:
    """Where there is video it is right, elsewhere text as often as it can be."""
    return (1 + ceiling(cases_of_holes(), [Modality.TEXT])) / 2


def score_of_trusted_zeros() -> float:
    """Where there is video it is right, elsewhere a zero is taken for code 0."""
    return (1 + ceiling(cases_of_holes(), [])) / 2


def revealed_by_two(seed: int) -> Conversations:
    """Labels that text and audio reveal together only."""
    return _drawn(cases_of_two(), seed)


def with_noise(seed: int) -> Conversations:
    """Text and audio are needed, video is noise."""
    return _drawn(cases_of_noise(), seed)


def with_holes(seed: int, *, filled: bool) -> Conversations:
    """Of the video a quarter of the training rows and half of the test rows is missing.

    Args:
        filled: whether the holes of the test are marked usable: zeros, taken for a face.
    """
    conversations = _drawn(cases_of_holes(), seed)
    video = conversations.features[Modality.VIDEO]
    video.vectors[:, 0] -= STRENGTH * (video.vectors[:, 0] > STRENGTH / 2)  # code 0 is the zero vector
    random = np.random.default_rng(seed + 1000)
    tested = np.array([u.split is Split.TEST for u in conversations.utterances])
    missing = random.random(len(tested)) < np.where(tested, 0.5, 0.25)
    video.vectors[missing] = 0
    usable = ~missing | (tested & filled)
    features = {**conversations.features, Modality.VIDEO: replace(video, usable=usable)}
    return replace(conversations, features=features)


def shifted_by_speaker(seed: int, *, merged: bool) -> Conversations:
    """The same words mean another label from another speaker.

    Args:
        merged: whether all utterances are given to one speaker; labels stay.
    """
    random = np.random.default_rng(seed)
    text, slots = random.integers(2, size=_shape()), random.integers(2, size=_shape())
    slots[:, 0] = 0
    speakers = np.zeros_like(slots) if merged else slots
    return assembled({Modality.TEXT: text}, text ^ slots, random, speakers=speakers)


def ceiling_without_speakers() -> float:
    """The first turn is known, of the others half is right."""
    return (1 + (TURNS - 1) / 2) / TURNS


def told_by_previous(seed: int, *, alone: bool) -> Conversations:
    """The label is what was said before.

    Args:
        alone: whether each utterance is a dialogue of its own; labels stay.
    """
    random = np.random.default_rng(seed)
    text = random.integers(2, size=_shape())
    labels = np.concatenate([text[:, :1], text[:, :-1]], axis=1)
    conversations = assembled({Modality.TEXT: text}, labels, random, speakers=_turn_by_turn())
    if not alone:
        return conversations
    apart = (replace(u, dialogue=f"{u.dialogue}-{u.turn}", turn=0) for u in conversations.utterances)
    return replace(conversations, utterances=tuple(apart))


def ceiling_without_context() -> float:
    """Guess the own code: right for the first turn, and for half of the others."""
    return (1 + (TURNS - 1) / 2) / TURNS


def _shape() -> tuple[int, int]:
    return sum(DIALOGUES.values()), TURNS


def _turn_by_turn() -> Codes:
    return np.broadcast_to(np.arange(TURNS) % 2, _shape())


def _drawn(cases: Sequence[Case], seed: int) -> Conversations:
    random = np.random.default_rng(seed)
    chosen = random.choice(len(cases), size=_shape(), p=[case.probability for case in cases])
    codes = {m: np.array([case.codes[m] for case in cases])[chosen] for m in Modality}
    labels = np.array([case.label for case in cases])[chosen]
    return assembled(codes, labels, random, speakers=_turn_by_turn())


def assembled(
    codes: Mapping[Modality, Codes],
    labels: Codes,
    random: np.random.Generator,
    *,
    speakers: Codes,
    dialogues: Mapping[Split, int] = DIALOGUES,
) -> Conversations:
    """Codes, labels and speakers, one row per dialogue, to conversations.

    Args:
        dialogues: how many each split has.
    """
    names = LabelSet(tuple(f"label{number}" for number in range(int(labels.max()) + 1)))
    splits = [split for split, count in dialogues.items() for _ in range(count)]
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
        for turn in range(labels.shape[1])
    )
    features = {
        modality: ModalityFeatures(
            vectors=_vectors(of_modality.ravel(), random),
            usable=np.ones(len(utterances), dtype=bool),
            fingerprint="f" * 64,
        )
        for modality, of_modality in codes.items()
    }
    return Conversations(
        corpus="made-up", protocol="none", labels=names, utterances=utterances, features=features
    )


def _vectors(codes: Codes, random: np.random.Generator) -> NDArray[np.float32]:
    noise = random.standard_normal((len(codes), DIM))
    prototypes = STRENGTH * np.eye(DIM)[np.maximum(codes, 0)]
    read = np.where(codes[:, None] == NOISE_CODE, noise, prototypes + NOISE_DEVIATION * noise)
    vectors: NDArray[np.float32] = read.astype(np.float32)
    return vectors
