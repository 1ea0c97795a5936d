"""Plan, extract, parts, store: one modality of one corpus, resumable at any moment.

Each finished block becomes a part file by one rename; the store is built from the parts by one rename; only
then the parts go. A kill at any point loses the blocks under way and nothing else.

Where annotations were corrected, the store is built anew: of its own rows, but with what the corpus says of
them now, and of those that had to be extracted again.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from extraction.corrections import Corrections, corrections_since
from extraction.engines import BlockResult, Engine
from extraction.extractor import ChoosesAgain, Extractor, Outcome, WithHead
from extraction.measured import Measured
from extraction.plan import (
    Job,
    Source,
    finished_sources,
    finished_statuses,
    pending_blocks,
    stored_rows,
    wanted_rows,
)
from summer.corpus import LabelSet, Modality, Status
from summer.durable import explained_disk_errors
from summer.store import Candidates, FeatureStore, Rows, StoreError, joined, new_store, write_part

MOST_ERRORS_WITHOUT_SUCCESS = 3
EMPTY_OF_KIND: Mapping[str, int | float | str] = {"int": 0, "float": 0.0, "text": ""}


class ExtractionError(ValueError):
    """The run cannot go on; finished rows are kept."""


class CannotReduceError(ValueError):
    """A reducer cannot be fitted on the rows that are there, or not as it was asked for; says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in rows of this job."""

    total: int
    finished: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended.

    Args:
        extracted: rows done by this run (0: nothing was left to do).
        statuses: rows of this job by status, earlier runs' included.
        failed: (id, status, reason) of the rows that failed.
        remarks: (id, reason) of rows that did not and carry a remark.
        errors: errors that are the program's, not a clip's; their rows are still to do.
        missing_rows: rows of this job that are still to do.
        built: whether the store was written.
        not_reduced: why the store holds raw vectors only though a reduction was asked for; "" if it was made.
        corrections: how the corpus differs from the annotations of the store that stood; None if in nothing.
    """

    extracted: int
    statuses: Mapping[Status, int]
    failed: Sequence[tuple[str, Status, str]]
    remarks: Sequence[tuple[str, str]]
    errors: Sequence[str]
    missing_rows: int
    built: bool
    not_reduced: str = ""
    corrections: Corrections | None = None


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


def extract(
    job: Job,
    engine: Engine,
    *,
    reduction: Reduction | None,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Bring the job's store up to date.

    Args:
        reduction: applied once all rows of the corpus are there; None keeps raw vectors only.
        on_progress: called after each block.
        should_stop: asked before each block; once true, blocks under way are finished and kept.

    Raises:
        StoreError: a store of other settings stands in the way.
        DiskError: the disk is full or refuses.
        CannotReduceError: all that was asked for is another reduction of a store that is reduced already.
        ExtractionError: another run is at work on the same store, or every block fails for the same reason.
    """
    with _locked(job):
        if not job.shard:
            _clear_way(job)
        store = stored_rows(job)
        corrections = corrections_since(job, store)
        if job.retry_failed and not job.shard and job.parts.is_dir():
            store = _take_up_parts(job)
        finished = finished_statuses(finished_sources(job))
        extracted, errors = _extract_pending(job, engine, finished, on_progress, should_stop)
        sources = finished_sources(job)
        built = not (job.shard or should_stop()) and _needs_building(job, store, reduction)
        not_reduced = ""
        if built:
            try:
                _build(job, sources, reduction=reduction)
            except CannotReduceError as error:
                built, not_reduced = _build_unreduced(job, sources, store, error), str(error)
        if built and isinstance(job.extractor, ChoosesAgain):
            sources = finished_sources(job)  # what the second look made of them
        report = _report(job, sources, extracted=extracted, errors=errors, built=built)
        return replace(report, corrections=corrections, not_reduced=not_reduced)


def _clear_way(job: Job) -> None:
    """Remove what a killed run left aside; with `overwrite` all."""
    with explained_disk_errors(job.store):
        for aside in job.folder.glob(f".{job.store.name}.*.tmp"):
            aside.unlink()
        if job.overwrite:
            job.store.unlink(missing_ok=True)
            shutil.rmtree(job.parts, ignore_errors=True)


def _take_up_parts(job: Job) -> Source | None:
    """Before a retry: which of two failures of a row is the later one, parts do not tell."""
    _build(job, finished_sources(job), reduction=None)
    return stored_rows(job)


def _extract_pending(
    job: Job,
    engine: Engine,
    finished: Mapping[int, Status],
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> tuple[int, list[str]]:
    blocks = list(pending_blocks(job, finished))
    pending = sum(len(block.rows) for block in blocks)
    redone = {row for block in blocks for row in block.rows}
    kept = set(wanted_rows(job)) - redone
    failed = sum(status.is_failure for row, status in finished.items() if row in kept)
    total, done = len(wanted_rows(job)), 0
    errors: list[str] = []
    on_progress(Progress(total, total - pending, failed))
    for result in engine.run(_measuring(job), takewhile(lambda _: not should_stop(), blocks)):
        if result.error:
            errors.append(f"{result.block.clips[0].utterance.id} and on: {result.error}")
            if not done and len(errors) >= MOST_ERRORS_WITHOUT_SUCCESS:
                raise ExtractionError(f"every block fails, the first with {errors[0]}")
            continue
        _write_block(job, result)
        done += len(result.block.rows)
        failed += sum(outcome.status.is_failure for outcome in result.outcomes)
        on_progress(Progress(total, total - pending + done, failed))
    return done, errors


def _measuring(job: Job) -> Extractor:
    """The job's extractor, which is told of clips that are not as long as annotated; text needs no clips."""
    if job.extractor.modality is Modality.TEXT:
        return job.extractor
    return Measured(job.extractor, job.corpus.quirks.media)


def _write_block(job: Job, result: BlockResult) -> None:
    first, last = result.block.rows[0], result.block.rows[-1]
    rows = Rows(
        utterances=[clip.utterance for clip in result.block.clips],
        statuses=[outcome.status for outcome in result.outcomes],
        reasons=[outcome.reason for outcome in result.outcomes],
        columns=_columns(job, result.outcomes),
        inputs=[job.inputs[row] for row in result.block.rows],
    )
    vectors = np.zeros((len(rows), job.extractor.dim), dtype=np.float32)
    for row, outcome in enumerate(result.outcomes):
        if outcome.vector is not None:
            vectors[row] = outcome.vector
    candidates: Candidates | None = None
    if isinstance(job.extractor, ChoosesAgain):
        candidates = _candidates_of(result.outcomes, job.extractor.no_candidates)
    # Rows have other numbers once some were added before them: no part may take another one's place.
    made_from = hashlib.sha256("".join(rows.inputs or ()).encode()).hexdigest()[:8]
    name = f"{first:07d}-{last:07d}-{len(rows)}-{made_from}.h5"
    write_part(job.parts / name, job.header, rows, vectors, candidates)


def _candidates_of(outcomes: Sequence[Outcome], none: Candidates) -> Candidates:
    return joined([none if outcome.candidates is None else outcome.candidates for outcome in outcomes])


def _columns(job: Job, outcomes: Sequence[Outcome]) -> dict[str, list[int | float | str]]:
    return {
        name: [outcome.columns.get(name, EMPTY_OF_KIND[kind]) for outcome in outcomes]
        for name, kind in job.extractor.columns.items()
    }


def _build(job: Job, sources: Sequence[Source], *, reduction: Reduction | None) -> None:
    """Build the store from what is finished, put it in place, then let the parts go."""
    holder = _holders(sources)
    order = sorted(holder)
    complete = len(order) == len(job.corpus.clips)
    reduction = reduction if complete else None
    reducer = job.folder / f"{job.extractor.modality}.reducer.safetensors"
    assets = {**job.header.assets, **({"reducer": reducer.name} if reduction else {})}
    rows, header = _gather_rows(job, holder, order), replace(job.header, complete=complete, assets=assets)
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


def _build_unreduced(
    job: Job, sources: Sequence[Source], store: Source | None, error: CannotReduceError
) -> bool:
    """Keep the raw vectors, hours of work, where there is no reducer; tell whether the store was written.

    Raises:
        CannotReduceError: nothing is to be kept, and the store is reduced as was asked for before.
    """
    if job.parts.is_dir() or _says_otherwise(job, store):
        _build(job, sources, reduction=None)
        return True
    if store is not None and store.header.reduction:
        raise error
    return False


def _holders(sources: Sequence[Source]) -> dict[int, tuple[Source, int]]:
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


def _gather_rows(job: Job, holder: Mapping[int, tuple[Source, int]], order: Sequence[int]) -> Rows:
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


def _needs_building(job: Job, store: Source | None, reduction: Reduction | None) -> bool:
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


def _report(job: Job, sources: Sequence[Source], *, extracted: int, errors: list[str], built: bool) -> Report:
    holder = _holders(sources)
    rows = [row for row in wanted_rows(job) if row in holder]
    content = _gather_rows(job, holder, rows)
    named = [
        (utterance.id, status, reason)
        for utterance, status, reason in zip(
            content.utterances, content.statuses, content.reasons, strict=True
        )
    ]
    return Report(
        extracted=extracted,
        statuses=Counter(content.statuses),
        failed=[row for row in named if row[1].is_failure],
        remarks=[(name, reason) for name, status, reason in named if reason and not status.is_failure],
        errors=errors,
        missing_rows=len(wanted_rows(job)) - len(rows),
        built=built,
    )


@contextmanager
def _locked(job: Job) -> Iterator[None]:
    """Keep two whole runs from working on one store; shards may work side by side."""
    with explained_disk_errors(job.folder):
        job.folder.mkdir(parents=True, exist_ok=True)
        lock = (job.folder / f".{job.extractor.modality}.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if job.shard else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExtractionError(
                f"another run is at work on {job.store}; wait for it, stop it, or choose another --out"
            ) from error
        yield
