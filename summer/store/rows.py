"""What a store says of itself and of its rows, without the file: header, rows, and the error of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Modality, Status, Utterance

Kind = Literal["raw", "reduced"]


class StoreError(ValueError):
    """A feature store that cannot be read, written or used; the message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a store says of itself.

    Args:
        fingerprint: sha256 over model, weights, versions and options of the extractor.
        corpus_digest: sha256 over the annotations that the rows were taken from.
        complete: whether every utterance of the corpus has its row.
        settings: what the fingerprint was taken of, to be read by people.
        reduction: method, width and fingerprint of the reducer; empty before reduction.
        assets: what else is needed to make such vectors again, by role: `encoder`, `backbone`, `reducer`.
            What lies beside the store is a path relative to the store's folder, so look there first; all else
            is the name or path that was asked for. Empty where nothing is needed, and in stores made by an
            older version. No part of the fingerprint: weights are known there by their sha256.
    """

    corpus: str
    protocol: str
    modality: Modality
    labels: tuple[str, ...]
    dim: int
    fingerprint: str
    corpus_digest: str
    complete: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    reduction: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All of a store but its features: one entry per row in each field.

    Args:
        inputs: digest of what each row's vector was made from; None where it is not known, as in stores of an
            older version and in imported ones.

    Raises:
        StoreError: an id stands twice, or the fields differ in length.
    """

    utterances: Sequence[Utterance]
    statuses: Sequence[Status]
    reasons: Sequence[str]
    columns: Mapping[str, Sequence[int | float | str]] = field(default_factory=dict)
    inputs: Sequence[str] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.utterances), len(self.statuses), len(self.reasons)}
        lengths |= {len(values) for values in self.columns.values()}
        lengths |= {len(self.inputs)} if self.inputs is not None else set()
        if len(lengths) > 1:
            raise StoreError(f"the fields of the rows differ in length: {sorted(lengths)}")
        ids = [utterance.id for utterance in self.utterances]
        if len(set(ids)) < len(ids):
            twice = next(name for name, count in Counter(ids).items() if count > 1)
            raise StoreError(f"row {twice!r} stands twice; each utterance has one row")

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(rows,) True where the status is ok."""
        return np.array([status is Status.OK for status in self.statuses], dtype=bool)

    @property
    def has_words(self) -> bool:
        """Whether any utterance has text: stores of older versions, and some imported ones, have none."""
        return any(utterance.text for utterance in self.utterances)
