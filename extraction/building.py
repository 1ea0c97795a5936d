"""The store of a job, built from finished rows by one rename; only then the parts go.

Where annotations were corrected it is built anew: of its own rows, but with what the corpus says of them now,
and of those that had to be extracted again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from extraction.extractor import ChoosesAgain, WithHead
from extraction.plan import Job, Source
from summer.corpus import LabelSet
from summer.store import Candidates, FeatureStore, Rows, StoreError, joined, new_store


class CannotReduceError(ValueError):
    """A reducer cannot be fitted on the rows that are there, or not as it was asked for; says why."""


@runtime_checkable
class Reduction(Protocol):
    """Fits a reducer on the training split and reduces all rows; saves at `path` the one for new rows."""

    def made(self, description: Mapping[str, str]) -> bool:
        """Whether a store that describes its reduction so has what is asked for; else it is reduced anew."""
        ...

    def __call__(
        self, raw: NDArray[np.float32], rows: Rows, labels: LabelSet, path: Path
    ) -> tuple[NDArray[np.float32], Mapping[str, str]]:
        """(rows, width) reduced vectors, and what the store shall say of them: enough for `made`.

        Raises:
            CannotReduceError: it cannot be fitted on these rows.
        """
        ...


def build(job: Job, sources: Sequence[Source], *, reduction: Reduction | None) -> None:
    """Build the store from what is finished, put it in place, then let the parts go."""
    holder = holders(sources)
    order = sorted(holder)
    complete = len(order) == len(job.corpus.clips)
    reduction = reduction if complete else None
    reducer = reducer_of(job)
    assets = {**job.header.assets, **({"reducer": reducer.name} if reduction else {})}
    rows, header = gather_rows(job, holder, order), replace(job.header, complete=complete, assets=assets)
    position_of_row = {row: position for position, row in enumerate(order)}
    chosen: NDArray[np.float32] | None = None
    if isinstance(job.extractor, ChoosesAgain) and order:
        candidates = _gather_candidates(sources, holder)
        rows, chosen = job.extractor.choose_again(rows, candidates)
    with new_store(job.store, header, rows) as writer:
        if chosen is not None:
            writer.write_raw(0, chosen)
            writer.write_candidates(candidates)
        for source in sources if chosen is None else ():
            with FeatureStore(source.path) as store:
                for row, start, stop in _runs(source, holder):
                    writer.write_raw(position_of_row[row], store.features("raw", slice(start, stop)))
        if isinstance(job.extractor, WithHead) and (head := job.extractor.head) is not None:
            writer.write_head(head)
        if reduction is not None:
            made = _reduced_before(job, sources, rows, reduction) if _all_held_by_store(job, holder) else None
            reduced, description = made or reduction(writer.read_raw(), rows, job.corpus.labels, reducer)
            writer.write_reduced(reduced, description)
    if job.parts.is_dir():
        shutil.rmtree(job.parts)


def reducer_of(job: Job) -> Path:
    """Where the reducer of a job's store is saved."""
    return job.folder / f"{job.extractor.modality}.reducer.safetensors"


def build_unreduced(
    job: Job, sources: Sequence[Source], store: Source | None, error: CannotReduceError
) -> bool:
    """Keep the raw vectors, hours of work, where there is no reducer; tell whether the store was written.

    Raises:
        CannotReduceError: nothing is to be kept, and the store is reduced as was asked for before.
    """
    if job.parts.is_dir() or _says_otherwise(job, store):
        build(job, sources, reduction=None)
        return True
    if store is not None and store.header.reduction:
        raise error
    return False


def holders(sources: Sequence[Source]) -> dict[int, tuple[Source, int]]:
    """For each finished corpus row the source that holds it, and where in it; a later source counts."""
    return {row: (source, k) for source in sources for k, row in enumerate(source.rows) if row is not None}


def _runs(source: Source, holder: Mapping[int, tuple[Source, int]]) -> Iterator[tuple[int, int, int]]:
    """Rows of the source's own that follow each other in the corpus: the first one there, a range here."""
    own = [
        (k, row)
        for k, row in enumerate(source.rows)
        if row is not None and holder[row][0] is source and holder[row][1] == k
    ]
    for _, run in groupby(enumerate(own), key=lambda one: (one[1][0] - one[0], one[1][1] - one[0])):
        places = [place for _, place in run]
        yield places[0][1], places[0][0], places[-1][0] + 1


def _all_held_by_store(job: Job, holder: Mapping[int, tuple[Source, int]]) -> bool:
    return all(source.path == job.store for source, _ in holder.values())


def _reduced_before(
    job: Job, sources: Sequence[Source], rows: Rows, reduction: Reduction
) -> tuple[NDArray[np.float32], Mapping[str, str]] | None:
    """The store's own reduced rows, where nothing has changed that a reducer may read; else None."""
    stored = next(source for source in sources if source.path == job.store)
    same_labels = stored.header.labels == job.corpus.labels.names
    if not (same_labels and _reducers_see(stored.content) == _reducers_see(rows)):
        return None
    if not (stored.header.reduction and reduction.made(stored.header.reduction)):
        return None
    with FeatureStore(stored.path) as store:
        return store.features("reduced"), stored.header.reduction


def _reducers_see(rows: Rows) -> list[tuple[object, ...]]:
    return [
        (u.id, u.split, u.dialogue, u.turn, u.speaker, u.label, status)
        for u, status in zip(rows.utterances, rows.statuses, strict=True)
    ]


def gather_rows(job: Job, holder: Mapping[int, tuple[Source, int]], order: Sequence[int]) -> Rows:
    """Corpus rows `order` as the corpus says they are, with what was found of them."""
    held = [(source.content, k) for source, k in (holder[row] for row in order)]
    return Rows(
        utterances=[job.corpus.clips[row].utterance for row in order],
        statuses=[content.statuses[k] for content, k in held],
        reasons=[content.reasons[k] for content, k in held],
        columns={name: [content.columns[name][k] for content, k in held] for name in job.extractor.columns},
        inputs=[job.inputs[row] for row in order],
    )


def _gather_candidates(sources: Sequence[Source], holder: Mapping[int, tuple[Source, int]]) -> Candidates:
    """Those of all finished rows, in the order of the corpus."""
    runs: list[tuple[int, Candidates]] = []
    for source in sources:
        with FeatureStore(source.path) as store:
            held = store.candidates
        if held is None:
            raise StoreError(f"{source.path} has no candidates to choose among; start anew with --overwrite")
        runs.extend((row, held.rows(slice(start, stop))) for row, start, stop in _runs(source, holder))
    return joined([part for _, part in sorted(runs, key=lambda run: run[0])])


def needs_building(job: Job, store: Source | None, reduction: Reduction | None) -> bool:
    """Whether there are parts, or the store says of its rows or of their reduction what is no longer so."""
    return job.parts.is_dir() or _says_otherwise(job, store) or _needs_reduction(job, reduction)


def _says_otherwise(job: Job, store: Source | None) -> bool:
    """Whether the store that stands says of its rows what is no longer so."""
    return store is not None and (
        store.content.inputs is None
        or store.header.corpus_digest != job.corpus.digest
        or store.header.labels != job.corpus.labels.names
        or store.header.fingerprint != job.extractor.fingerprint
    )


def _needs_reduction(job: Job, reduction: Reduction | None) -> bool:
    if not job.store.is_file():
        return False
    with FeatureStore(job.store) as store:
        if reduction is None:
            return store.header.complete and bool(store.header.reduction)
        return store.header.complete and not reduction.made(store.header.reduction)
