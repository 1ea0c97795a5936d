"""Plan, extract, parts, store: one modality of one corpus, resumable at any moment.

Each finished block becomes a part file by one rename; the store is built from the parts (building.py). A kill
at any point loses the blocks under way and nothing else.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from extraction.building import (
    CannotReduceError,
    Reduction,
    build,
    build_unreduced,
    gather_rows,
    holders,
    needs_building,
    reducer_of,
)
from extraction.corrections import Corrections, corrections_since
from extraction.engines import Block, BlockResult, Engine
from extraction.extractor import ChoosesAgain, Extractor, Outcome
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
from summer.corpus import Modality, Status
from summer.durable import clear_asides, explained_disk_errors, holder_of, opened_lock, taken
from summer.store import Candidates, Rows, joined, write_part

MOST_ERRORS_WITHOUT_SUCCESS = 3
EMPTY_OF_KIND: Mapping[str, int | float | str] = {"int": 0, "float": 0.0, "text": ""}


class ExtractionError(ValueError):
    """The run cannot go on; finished rows are kept."""


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
        RemoteError: media lie at addresses, and none of them answers.
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
        built = not (job.shard or should_stop()) and needs_building(job, store, reduction)
        not_reduced = ""
        if built:
            try:
                build(job, sources, reduction=reduction)
            except CannotReduceError as error:
                built, not_reduced = build_unreduced(job, sources, store, error), str(error)
        if built and isinstance(job.extractor, ChoosesAgain):
            sources = finished_sources(job)  # what the second look made of them
        report = _report(job, sources, extracted=extracted, errors=errors, built=built)
        return replace(report, corrections=corrections, not_reduced=not_reduced)


def _clear_way(job: Job) -> None:
    """Remove what a killed run left aside; with `overwrite` all."""
    with explained_disk_errors(job.store):
        for file in (job.store, reducer_of(job)):
            clear_asides(file)
        if job.overwrite:
            job.store.unlink(missing_ok=True)
            shutil.rmtree(job.parts, ignore_errors=True)


def _take_up_parts(job: Job) -> Source | None:
    """Before a retry: which of two failures of a row is the later one, parts do not tell."""
    build(job, finished_sources(job), reduction=None)
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
    if not blocks:
        return 0, errors  # no engine is started, and no worker loads a model, for nothing
    with _of_files_anywhere(job, blocks) as extractor:
        for result in engine.run(extractor, takewhile(lambda _: not should_stop(), blocks)):
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


@contextmanager
def _of_files_anywhere(job: Job, blocks: Sequence[Block]) -> Iterator[Extractor]:
    """The job's extractor, which fetches what is not here first, and removes it at the end.

    Raises:
        RemoteError: none of the places answers that the media lie at.
    """
    modality = job.extractor.modality
    addresses = [address for block in blocks for clip in block.clips for address in clip.addresses(modality)]
    if not addresses:
        yield _measuring(job)
        return
    from extraction.fetched import BYTES_PER_GIB, Fetching  # fsspec is for those who need it
    from extraction.remote.reached import landmark

    limit_bytes = int(job.fetched_gib * BYTES_PER_GIB)
    with closing(
        Fetching(_measuring(job), landmark=landmark(addresses), limit_bytes=limit_bytes)
    ) as fetching:
        yield fetching


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


def _report(job: Job, sources: Sequence[Source], *, extracted: int, errors: list[str], built: bool) -> Report:
    holder = holders(sources)
    rows = [row for row in wanted_rows(job) if row in holder]
    content = gather_rows(job, holder, rows)
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
        lock = opened_lock(job.folder / f".{job.extractor.modality}.lock")
    with lock:
        if not taken(lock, shared=job.shard is not None):
            raise ExtractionError(
                f"another run is at work on {job.store} ({holder_of(lock)}); wait for it, stop it, or choose "
                "another --out"
            )
        yield
