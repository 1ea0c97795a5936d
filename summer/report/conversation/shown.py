"""What a conversation view shows: one conversation, its utterances, and what models say of them.

Everything but ids, speakers and labels may be missing: a corpus has truths and no film to play, one's own
video has a film and no truths. Whoever fills these in needs no HTML, and whoever draws them no store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import urlsplit

from summer.corpus import Modality, Status

PICTURES = MappingProxyType(
    {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
)  # by their first bytes


class ConversationViewError(ValueError):
    """Something that cannot be shown; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class ModalityState:
    """How one modality of an utterance was read; a reason may also be a remark on one that is ok."""

    status: Status = Status.OK
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """How much a model looked at one modality of an utterance."""

    id: str
    modality: Modality
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAttention:
    """What a model attended to while it read an utterance, as shares of all its attention.

    Args:
        itself: of the utterance itself, over its modalities.
        others: of others, the greatest first.
        mean: of all that it could look at, itself among them: what each would get of even attention.

    Raises:
        ConversationViewError: a share that is none, or others out of order.
    """

    itself: float
    others: Sequence[Looked]
    mean: float

    def __post_init__(self) -> None:
        weights = [one.weight for one in self.others]
        bad = next((share for share in (self.itself, self.mean, *weights) if not 0 <= share <= 1), None)
        if bad is not None:
            raise ConversationViewError(f"a share of attention is {bad}; give shares from 0 to 1")
        if weights != sorted(weights, reverse=True):
            raise ConversationViewError(f"shares of attention are {weights}; give the greatest first")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownUtterance:
    """One utterance.

    Args:
        id: unique in its conversation.
        speaker: "" where unknown.
        speaker_guessed: the name is not known but guessed, from voice or face.
        start_seconds, end_seconds: half-open interval on the clock of the conversation's film; both or none.
        truth: one of the conversation's labels, None where unknown.
        probabilities: by model, then by label; a model names all labels of the conversation.
        modalities: how each was read; {} where that is not known.
        faces: a strip of the speaker's face as PNG or JPEG.
        peaks: the sound's outline, at most 1 each, evenly spread from start to end.
        attends: what it was read with in view, by model; models without attention are left out.

    Raises:
        ConversationViewError: times that are not finite or run backwards, or one alone; a picture that is
            neither PNG nor JPEG; a peak that is negative or not finite.
    """

    id: str
    speaker: str = ""
    speaker_guessed: bool = False
    words: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None
    truth: str | None = None
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    modalities: Mapping[Modality, ModalityState] = field(default_factory=dict)
    faces: bytes | None = None
    peaks: Sequence[float] = ()
    attends: Mapping[str, ShownAttention] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = (self.start_seconds, self.end_seconds)
        if times.count(None) == 1 or (None not in times and not _is_interval(*times)):  # type: ignore[arg-type]
            raise ConversationViewError(
                f"utterance {self.id!r} lasts from {times[0]} to {times[1]} s; give an end after its "
                "start, or None for both"
            )
        if self.faces is not None and picture_type(self.faces) is None:
            raise ConversationViewError(
                f"the faces of {self.id!r} are neither PNG nor JPEG; encode them as one"
            )
        bad = next((peak for peak in self.peaks if not (math.isfinite(peak) and peak >= 0)), None)
        if bad is not None:
            raise ConversationViewError(f"a peak of {self.id!r} is {bad}; give finite numbers from 0 on")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConversation:
    """One conversation, its utterances in order.

    Args:
        group: what it is listed under, such as a split; "" where there is one kind only.
        labels: the emotions, in the order in which they are shown.
        film: what the player plays, video or sound: a file name relative to the page; None for no player.

    Raises:
        ConversationViewError: an id twice, a truth or probability of another label, probabilities that are no
            shares, attention to an unknown utterance, a film that is not beside the page.
    """

    name: str
    labels: tuple[str, ...]
    utterances: tuple[ShownUtterance, ...]
    group: str = ""
    film: str | None = None

    def __post_init__(self) -> None:
        ids = [utterance.id for utterance in self.utterances]
        if len(set(ids)) < len(ids):
            twice = next(name for place, name in enumerate(ids) if name in ids[:place])
            raise ConversationViewError(
                f"{self.name}: utterance {twice!r} stands twice; give each its own id"
            )
        known = set(ids)
        for utterance in self.utterances:
            self._check_labels(utterance)
            others = (one.id for attention in utterance.attends.values() for one in attention.others)
            stranger = next((other for other in others if other not in known), None)
            if stranger is not None:
                raise ConversationViewError(
                    f"{self.name}: {utterance.id!r} attends to {stranger!r}, which is not in this "
                    "conversation; leave that weight out"
                )
        if self.film is not None and not _is_beside(self.film):
            raise ConversationViewError(
                f"{self.name}: the film {self.film!r} is no file name relative to the page; put the film "
                "beside the page and give its name"
            )

    def _check_labels(self, utterance: ShownUtterance) -> None:
        where = f"{self.name}: utterance {utterance.id!r}"
        if utterance.truth is not None and utterance.truth not in self.labels:
            raise ConversationViewError(
                f"{where} is {utterance.truth!r}, which is not one of {', '.join(self.labels)}; give "
                "the conversation all its labels"
            )
        for model, shares in utterance.probabilities.items():
            if set(shares) != set(self.labels):
                raise ConversationViewError(
                    f"{where}: {model} says something of {', '.join(shares)}; give it a probability "
                    f"of each of {', '.join(self.labels)}"
                )
            if not all(0 <= share <= 1 for share in shares.values()):
                raise ConversationViewError(
                    f"{where}: {model} has probabilities from {min(shares.values())} to "
                    f"{max(shares.values())}; give shares from 0 to 1"
                )


def picture_type(picture: bytes) -> str | None:
    """The media type of a PNG or JPEG by its first bytes, None of anything else."""
    return next((kind for start, kind in PICTURES.items() if picture.startswith(start)), None)


def _is_interval(start: float, end: float) -> bool:
    return math.isfinite(start) and math.isfinite(end) and start < end


def _is_beside(name: str) -> bool:
    """Whether a name leads to a file relative to the page: no scheme, no host, no root."""
    parts = urlsplit(name)
    return bool(parts.path) and not (parts.scheme or parts.netloc or PurePosixPath(name).is_absolute())
