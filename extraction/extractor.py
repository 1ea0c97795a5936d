"""The Protocol that every modality meets, and the two things that pass through it: clips in, outcomes out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Dialogue, Modality, Status, Utterance
from summer.store import Candidates, EncoderHead, Rows

ROUNDING = 1e-6  # of a pixel: a share such as 0.29 of 100 pixels is 29 of them


@dataclass(frozen=True, slots=True)
class Region:
    """The part of the picture in which the speaker is, as shares of the picture as it is displayed.

    Args:
        left, top, right, bottom: 0 to 1, from the upper left corner; half-open.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(
                f"region {self}: its left must be less than its right, its top less than its bottom, and all "
                "between 0 and 1"
            )

    def __str__(self) -> str:
        return f"{self.left:g} {self.top:g} {self.right:g} {self.bottom:g}"

    def of(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of a picture of this size; at least one of each."""
        return _pixels(self.top, self.bottom, height), _pixels(self.left, self.right, width)


LEFT_HALF, RIGHT_HALF = Region(0.0, 0.0, 0.5, 1.0), Region(0.5, 0.0, 1.0, 1.0)  # two who sit side by side


def _pixels(start: float, end: float, size: int) -> slice:
    """The pixels of a share; neighbouring shares have none in common and leave none out."""
    first, last = (math.floor(share * size + ROUNDING) for share in (start, end))
    first = min(first, size - 1)
    return slice(first, max(last, first + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpan:
    """A file, or the half-open interval [start, end) of one, in seconds of the file's own clock.

    What is said may go on elsewhere, in the same file or in another: then others follow, and readers of media
    take all of them one after the other, as if they were one file.

    Args:
        path: the file; of one that lies at an address, its name alone.
        address: where the file is to be fetched from before it can be read; "" where it is here.
        region: of the picture; None: all of it.
        slack_seconds: by how much its end may lie past the file's: where times were measured on another copy.
        then: the pieces that follow this one; each but the last of all has an end, and none has such itself.
    """

    path: Path
    start_seconds: float | None = None
    end_seconds: float | None = None
    region: Region | None = None
    slack_seconds: float = 0.0
    address: str = ""
    then: tuple[MediaSpan, ...] = ()

    @property
    def pieces(self) -> tuple[MediaSpan, ...]:
        """The spans that it is made of, each without others; mostly one."""
        return (replace(self, then=()), *self.then) if self.then else (self,)

    def __post_init__(self) -> None:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if self.then and (end is None or any(piece.end_seconds is None for piece in self.then[:-1])):
            raise ValueError(f"{self.path}: a piece that others follow needs its end; give end_seconds")
        if any(piece.then for piece in self.then):
            raise ValueError(f"{self.path}: a piece of a span has pieces of its own; give all in one row")
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

    def addresses(self, modality: Modality) -> list[str]:
        """Where files lie that are to be fetched for a modality; who talks in a picture, its sound tells."""
        spans = {Modality.TEXT: (), Modality.AUDIO: (self.audio,)}.get(modality, (self.video, self.audio))
        pieces = [piece for span in spans if span is not None for piece in span.pieces]
        return list(dict.fromkeys(piece.address for piece in pieces if piece.address))

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
        candidates: what the vector was chosen among, where it may be chosen again (`ChoosesAgain`).
    """

    status: Status
    reason: str = ""
    vector: NDArray[np.float32] | None = None
    columns: Mapping[str, int | float | str] = field(default_factory=dict)
    candidates: Candidates | None = None

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


class Around:
    """An extractor around another, whose vectors it gives: all that it declares is the other's.

    Args:
        extractor: what makes the vectors.
    """

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.modality = extractor.modality
        self.dim = extractor.dim
        self.fingerprint = extractor.fingerprint
        self.settings = extractor.settings
        self.assets = extractor.assets
        self.columns = extractor.columns
        self.block_rows = extractor.block_rows


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
class ChoosesAgain(Protocol):
    """What an extractor has besides, if all rows together tell which of its candidates is a row's vector.

    Every outcome of it that is ok has candidates.

    Attributes:
        no_candidates: those of one row that has none.
        second_look_settings: names of the settings that matter to the choice alone: rows that were made with
            other ones are chosen among again, and not extracted anew.
    """

    no_candidates: Candidates
    second_look_settings: Collection[str]

    def choose_again(self, rows: Rows, candidates: Candidates) -> tuple[Rows, NDArray[np.float32]]:
        """The rows as they are to stand in the store, and (rows, dim) raw vectors, zeros where not ok.

        Depends on the rows, whatever was chosen before, and on their candidates: over the same rows it always
        says the same.
        """
        ...


@runtime_checkable
class Closes(Protocol):
    """What an extractor has besides, if it keeps files on a disk while it works."""

    def close(self) -> None:
        """Remove them; a process that ends by itself does so anyway."""
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
