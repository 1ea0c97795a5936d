"""The words that both halves of the project share: utterance, dialogue, label set, modality, status.

Paper: section 3.1. A conversation is n utterances by m speakers; each utterance has up to three modalities
and one emotion label. Nothing here knows of media files or of tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

UNKNOWN_LABEL = -1  # class index of an utterance without a truth, and of padding


class Modality(StrEnum):
    """What of an utterance is looked at."""

    TEXT = "text"
    AUDIO = "audio"
    VIDEO = "video"


class Split(StrEnum):
    """Which part of a corpus an utterance belongs to."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


class Status(StrEnum):
    """How the extraction of one modality of one utterance ended. Only `OK` rows hold a vector."""

    OK = "ok"
    NO_FACE = "no_face"
    NO_AUDIO = "no_audio"
    NO_VIDEO = "no_video"
    CORRUPT = "corrupt"
    MISSING = "missing"
    TOO_SHORT = "too_short"
    TRUNCATED = "truncated"
    SPEAKER_ABSENT = "speaker_absent"  # there are faces, and none of them is the speaker's

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong that might go right another time."""
        return self not in (Status.OK, Status.SPEAKER_ABSENT)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The emotion classes of a protocol, in their official order."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"label set {self.names} names a label twice; give each label once")

    def index(self, label: str) -> int:
        """Position of `label` in the official order.

        Raises:
            ValueError: the label is not of this set.
        """
        if label not in self.names:
            raise ValueError(f"label {label!r} is not one of {', '.join(self.names)}")
        return self.names.index(label)

    def index_or_unknown(self, label: str) -> int:
        """Position of `label`, UNKNOWN_LABEL for "".

        Raises:
            ValueError: the label is not of this set.
        """
        return self.index(label) if label else UNKNOWN_LABEL

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One turn of a conversation.

    Args:
        id: unique in its corpus, with the split where numbering restarts: `train/dia0_utt0`.
        turn: position in the dialogue as the corpus numbers it; not always contiguous.
        label: one of the corpus' label set, or "" where the truth is unknown: what was said is read with its
            dialogue, as context, and counts in no loss, no weight of a class and no score.
        start_seconds, end_seconds: half-open interval on the conversation's own clock, None if not known.
    """

    id: str
    split: Split
    dialogue: str
    turn: int
    speaker: str
    text: str
    label: str
    start_seconds: float | None = None
    end_seconds: float | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether its truth is known; else it is context."""
        return bool(self.label)


def context_of(utterances: Iterable[Utterance]) -> int:
    """How many utterances are context alone: without a label."""
    return sum(not utterance.is_labelled for utterance in utterances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """The utterances of one conversation, in order of turn."""

    split: Split
    name: str
    utterances: tuple[Utterance, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speakers in order of their first turn: a speaker's slot is the index here."""
        return tuple(dict.fromkeys(utterance.speaker for utterance in self.utterances))

    @property
    def speaker_slots(self) -> tuple[int, ...]:
        """The slot of each utterance's speaker."""
        slot_of = {speaker: slot for slot, speaker in enumerate(self.speakers)}
        return tuple(slot_of[utterance.speaker] for utterance in self.utterances)


def group_dialogues(utterances: Iterable[Utterance]) -> list[Dialogue]:
    """Group utterances, already in corpus order, into dialogues."""
    groups = groupby(utterances, key=lambda utterance: (utterance.split, utterance.dialogue))
    return [Dialogue(split=split, name=name, utterances=tuple(members)) for (split, name), members in groups]
