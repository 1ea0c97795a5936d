"""The Protocol that every modality meets, and the two things that pass through it: clips in, outcomes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Dialogue, Modality, Status, Utterance
from summer.store import EncoderHead


class Half(StrEnum):
    """The half of the picture in which the speaker sits (IEMOCAP films both speakers side by side)."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpan:
    """A file, or the half-open interval [start, end) of one, in seconds of the file's own clock."""

    path: Path
    start_seconds: float | None = None
    end_seconds: float | None = None
    half: Half | None = None

    def __post_init__(self) -> None:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if start < 0 or (end is not None and end <= start):
            raise ValueError(
                f"{self.path}: span [{start}, {end}) s is empty or starts before 0; correct the times"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """An utterance with all that an extractor may need of it.

    Args:
        audio, video: where its sound and its picture are (often the same file); None if the corpus has none.
        remark: what the corpus' own list of problems says of this clip's media; kept with the row's reason,
            but for text, which needs no media.
    """

    utterance: Utterance
    dialogue: Dialogue
    audio: MediaSpan | None = None
    video: MediaSpan | None = None
    remark: str = ""

    def with_remark(self, reason: str) -> str:
        """A reason, then the remark; either may be ""."""
        return ". ".join(part.rstrip(".") for part in (reason, self.remark) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one clip: a vector, or a status that says why there is none.

    Args:
        reason: why a row is not ok, or a remark on a row that is (text cut to the window, ...); may be "".
        vector: (dim,) float32, finite; None unless the status is ok.
        columns: the modality's own facts, one value a declared column; columns left out are 0 or "".
    """

    status: Status
    reason: str = ""
    vector: NDArray[np.float32] | None = None
    columns: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.vector is not None):
            raise ValueError(f"status {self.status} with vector {self.vector}: only an ok row has a vector")
        if self.vector is not None and not np.isfinite(self.vector).all():
            raise ValueError("the vector holds NaN or infinity; give the clip a status instead")
        if self.vector is not None and not self.vector.any():
            raise ValueError("the vector is all zeros; give the clip a status instead")


@runtime_checkable
class Extractor(Protocol):
    """One modality, configured. Picklable; loads its model on first use, in the process that uses it.

    Attributes:
        dim: width of the raw vector.
        fingerprint: sha256 over model, weights, library versions and options: changes whenever vectors would.
        settings: what the fingerprint was taken of, to be read by people.
        assets: where the models are that it needs, by role (`encoder`, `backbone`): a name beside the store
            for what is made with the stores, else the name or path that was asked for. Never a place that
            this machine chose, such as a cache.
        columns: names of the modality's own columns and their kind ("int", "float" or "text").
        block_rows: clips handed over in one call, the unit of work that a kill can lose.
    """

    modality: Modality
    dim: int
    fingerprint: str
    settings: Mapping[str, str]
    assets: Mapping[str, str]
    columns: Mapping[str, str]
    block_rows: int

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order. A bad clip is an outcome with a status, never an exception."""
        ...


@runtime_checkable
class WithHead(Protocol):
    """What an extractor has besides, if its encoder was trained with a head over the very vector it gives.

    Attributes:
        head: goes into the store; None where the encoder was not trained here.
    """

    @property
    def head(self) -> EncoderHead | None: ...


@runtime_checkable
class WithReads(Protocol):
    """What an extractor has besides, if its vectors depend on a part of the annotations only.

    A row of a store is extracted anew when what it reads has changed. An extractor that does not say is taken
    to read all of an utterance's dialogue, labels included. The media that the annotations name are added.
    """

    def reads(self, clip: Clip) -> Sequence[object]:
        """All that the clip's vector depends on beside its media and the settings, as JSON has it."""
        ...


@runtime_checkable
class TrainedOnCorpus(Protocol):
    """What an extractor has besides, if its encoder was trained on the annotations of this corpus.

    Attributes:
        learned_settings: names of the settings that this training decided: with corrected annotations they
            are others, and every row is extracted anew.
    """

    @property
    def learned_settings(self) -> Collection[str]: ...


def fingerprint_of(settings: Mapping[str, str]) -> str:
    """The sha256 of an extractor's settings, in hexadecimal."""
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()
