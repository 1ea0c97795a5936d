"""Vectors keyed by utterance id, laid beside a store of the same corpus.

The other store (`like`) says which utterances there are: ids, order, splits, dialogues, speakers, words,
labels, protocol and digest are taken from it. A row of it that the file lacks, or has only in part, is
missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Modality, Status
from summer.durable import file_sha256
from summer.store.hdf5 import FeatureStore
from summer.store.imports.imported import ImportedStore, fingerprint_of, named
from summer.store.imports.unpickle import ImportFileError
from summer.store.rows import Header, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedFile:
    """What a file says of each id.

    Args:
        columns: names of the vector's entries, (dim,).
        row_of: row of `vectors` for each id, in file order.
        vectors: (rows, dim) float32, not finite where the file has no value.
        failed: status and reason of the ids that the file itself declares not ok.
        options: how the file was read; part of the fingerprint.
        notes: what of the file was left out.
    """

    path: Path
    columns: tuple[str, ...]
    row_of: Mapping[str, int]
    vectors: NDArray[np.float32]
    failed: Mapping[str, tuple[Status, str]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def store_beside(
    like: FeatureStore, file: KeyedFile, *, modality: Modality, ignore_unknown: bool = False
) -> ImportedStore:
    """The file's vectors as a store with the rows of `like`.

    Raises:
        ImportFileError: no id in common, ids that `like` has not (unless ignored), no usable row.
    """
    ids = [utterance.id for utterance in like.rows.utterances]
    unknown = _unknown_ids(like, file, ids, ignore_unknown=ignore_unknown)
    outcomes = [_outcome(file, name) for name in ids]
    rows = Rows(
        utterances=like.rows.utterances,
        statuses=[status for status, _ in outcomes],
        reasons=[reason for _, reason in outcomes],
    )
    if not rows.usable.any():
        raise ImportFileError(
            f"no row of {file.path} is whole, the first lacks: {next(r for _, r in outcomes if r)}; leave "
            "out such columns by --columns"
        )
    vectors = np.zeros((len(ids), len(file.columns)), dtype=np.float32)
    vectors[rows.usable] = file.vectors[[file.row_of[ids[row]] for row in np.flatnonzero(rows.usable)]]
    notes = [*file.notes, *([f"{unknown} ids that {like.path} has not are left out"] if unknown else [])]
    return ImportedStore(
        header=_header(like.header, file, modality), rows=rows, vectors=vectors, notes=tuple(notes)
    )


def _unknown_ids(like: FeatureStore, file: KeyedFile, ids: list[str], *, ignore_unknown: bool) -> int:
    known = set(ids)
    unknown = [name for name in file.row_of if name not in known]
    if len(unknown) == len(file.row_of):
        raise ImportFileError(
            f"{file.path} and {like.path} have no id in common: {next(iter(file.row_of), 'none')!r} there, "
            f"{next(iter(ids), 'none')!r} here; build the ids from columns by --id-template, or give the "
            "right --like"
        )
    if unknown and not ignore_unknown:
        raise ImportFileError(
            f"{file.path} has {len(unknown)} ids that {like.path} has not, the first {unknown[0]!r}; correct "
            "them, or leave them out by --ignore-unknown"
        )
    return len(unknown)


def _outcome(file: KeyedFile, name: str) -> tuple[Status, str]:
    if name not in file.row_of:
        return Status.MISSING, f"not in {file.path.name}"
    if name in file.failed:
        return file.failed[name]
    absent = np.flatnonzero(~np.isfinite(file.vectors[file.row_of[name]]))
    if absent.size:
        columns = named([file.columns[column] for column in absent])
        return Status.MISSING, f"no value of {columns} in {file.path.name}"
    return Status.OK, ""


def _header(like: Header, file: KeyedFile, modality: Modality) -> Header:
    settings = {"source": file.path.name, "source_sha256": file_sha256(file.path), **file.options}
    return Header(
        corpus=like.corpus,
        protocol=like.protocol,
        modality=modality,
        labels=like.labels,
        dim=len(file.columns),
        fingerprint=fingerprint_of({**settings, "modality": modality.value}),
        corpus_digest=like.corpus_digest,
        complete=like.complete,
        settings=settings,
    )
