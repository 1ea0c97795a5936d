"""The features of a recording: each modality that the run's models read, where there is something to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extraction.corpora import Corpus
from extraction.plan import Job
from extraction.run import Progress, extract
from extraction.transcripts import Media
from pipelines.extract.run import engine_for
from pipelines.predict.extractors import NotMadeHere, extractor_of
from pipelines.predict.watching import Watcher
from summer.corpus import Modality, Status
from summer.runs.features import FeatureOrigin
from summer.store import FeatureStore

FEW_UTTERANCES = 16  # worker processes take longer to start than so many take to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Raw features of some modalities, and how the reading of each row ended.

    Args:
        vectors: (rows, dim) by modality; zeros where the status is not ok.
        statuses: status and reason of each row, by modality.
        notes: which modality could not be read, and why.
        errors: faults of the program itself; such rows are left undone.
        stopped: the user asked to stop.
    """

    vectors: dict[Modality, NDArray[np.float32]] = field(default_factory=dict)
    statuses: dict[Modality, list[tuple[Status, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stopped: bool = False

    def with_more(self, other: Read) -> Read:
        """Both, in the order of modalities."""
        vectors, statuses = self.vectors | other.vectors, self.statuses | other.statuses
        return Read(
            vectors={m: vectors[m] for m in Modality if m in vectors},
            statuses={m: statuses[m] for m in Modality if m in statuses},
            notes=[*self.notes, *other.notes],
            errors=[*self.errors, *other.errors],
            stopped=self.stopped or other.stopped,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read by what.

    Args:
        origins: how the run's features were made, by modality.
        folder: of the features.
        workers: processes; None: as many as suit the work.
    """

    corpus: Corpus
    media: Media | None
    origins: Mapping[Modality, FeatureOrigin]
    run: Path
    folder: Path
    device: str
    workers: int | None
    overwrite: bool


def read_features_of(reading: Reading, modalities: tuple[Modality, ...], watcher: Watcher) -> Read:
    """Extract what is not extracted yet; a stop or a kill loses the block under way.

    Raises:
        ValueError: anything that the user can mend: weights that are gone, another run's features in the way.
    """
    read = Read()
    for modality in modalities:
        absent = _absent(modality, reading)
        if absent:
            read.notes.append(f"{modality} is not read: {absent}")
            continue
        try:
            job = _job(modality, reading)
        except NotMadeHere as reason:
            read.notes.append(f"{modality} is not read: {reason}")
            continue
        if not _extracted(job, reading, watcher, read):
            return Read(stopped=True)
        read.vectors[modality], read.statuses[modality] = _rows(job)
    return read


def _rows(job: Job) -> tuple[NDArray[np.float32], list[tuple[Status, str]]]:
    """Vectors and statuses of all utterances; one that a fault of the program left undone is missing."""
    clips = job.corpus.clips
    vectors = np.zeros((len(clips), job.extractor.dim), dtype=np.float32)
    statuses = [(Status.MISSING, "not extracted")] * len(clips)
    if not job.store.is_file():
        return vectors, statuses
    row_of = {clip.utterance.id: row for row, clip in enumerate(clips)}
    with FeatureStore(job.store) as store:
        held, content = store.features("raw"), store.rows
    for k, utterance in enumerate(content.utterances):
        row = row_of[utterance.id]
        vectors[row], statuses[row] = held[k], (content.statuses[k], content.reasons[k])
    return vectors, statuses


def _absent(modality: Modality, reading: Reading) -> str:
    if modality not in reading.origins:
        return "the run does not say how its features were made"
    if modality is Modality.TEXT:
        return ""
    if reading.media is None:
        return "there is no recording"
    if modality is Modality.AUDIO:
        return "" if reading.media.has_sound else "the recording has no sound"
    return "" if reading.media.has_picture else "the recording has no picture"


def _job(modality: Modality, reading: Reading) -> Job:
    folder = reading.folder / reading.corpus.name
    extractor = extractor_of(
        modality,
        reading.origins[modality],
        run=reading.run,
        corpus=reading.corpus,
        folder=folder,
        device=reading.device,
    )
    return Job(corpus=reading.corpus, extractor=extractor, folder=folder, overwrite=reading.overwrite)


def _extracted(job: Job, reading: Reading, watcher: Watcher, read: Read) -> bool:
    """Bring the store up to date; False where the user asked to stop."""
    workers = reading.workers
    if workers is None and len(reading.corpus.clips) <= FEW_UTTERANCES:
        workers = 0
    engine, _ = engine_for(workers, reading.device)
    modality = job.extractor.modality
    with watcher.reading(modality) as watch:

        def show(progress: Progress) -> None:
            watch.show(progress.finished, progress.total, progress.failed)

        report = extract(job, engine, reduction=None, on_progress=show, should_stop=watch.should_stop)
        stopped = watch.should_stop()
    watcher.was_read(modality, report)
    read.errors.extend(report.errors)
    return not stopped
