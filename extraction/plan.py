"""What is done and what is left: rows in the store, rows in parts, blocks still to do.

A block is a fixed range of corpus rows, so that a run gives the same bytes whatever its interruptions: block
b holds rows [b * block_rows, (b + 1) * block_rows) less those that are finished. A shard i/n takes every n-th
block.

A row is finished where a file holds it under the digest of what it would be made from now: corrected
annotations cost the rows whose input changed, and what a row says of itself is the corpus' own, always.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from extraction.corpora import Corpus
from extraction.engines import Block
from extraction.extractor import ChoosesAgain, Clip, Extractor, TrainedOnCorpus, WithReads
from extraction.remote import FETCHED_GIB
from summer.corpus import Modality, Split, Status
from summer.store import FeatureStore, Header, Rows, StoreError

INPUT_LETTERS = 32  # of a row's digest: 128 bits
REMEDY = "run with the same settings, choose another --out, or start anew with --overwrite"


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of one of several processes or machines: every `count`-th block from the `number`-th on."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"shard {self.number}/{self.count} does not exist; give i/n with 1 <= i <= n")


@dataclass(frozen=True, kw_only=True)  # without slots: the digests of the rows are computed once and kept
class Job:
    """One modality of one corpus, extracted into one folder.

    Args:
        folder: where the store, its parts and its reducer stand: `OUT/<corpus>`.
        limit: only the first `limit` utterances of the corpus; None for all.
        retry_failed: do the rows again whose status is not ok.
        overwrite: forget what stands in the store and in parts.
        fetched_gib: what copies of media that lie at addresses may take on the disk, in each process.
    """

    corpus: Corpus
    extractor: Extractor
    folder: Path
    shard: Shard | None = None
    limit: int | None = None
    retry_failed: bool = False
    overwrite: bool = False
    fetched_gib: float = FETCHED_GIB

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit {self.limit}: give at least 1 utterance")
        if self.shard and self.overwrite:
            raise ValueError("overwrite would remove what other shards have done; give a new --out instead")

    @property
    def store(self) -> Path:
        """Where the finished store stands."""
        return self.folder / f"{self.extractor.modality}.h5"

    @property
    def parts(self) -> Path:
        """Folder of the finished blocks that are not in the store yet."""
        return self.folder / f"{self.extractor.modality}.parts"

    @cached_property
    def inputs(self) -> Sequence[str]:
        """The digest of what each corpus row is made from: what the extractor reads, and the media's name.

        Where media lie, and whether they do, is not in it: a failed row is done again when that is asked for.
        """
        named = self.corpus.media_names if self.extractor.modality is not Modality.TEXT else ()
        media = named or [""] * len(self.corpus.clips)
        reads = self.extractor.reads if isinstance(self.extractor, WithReads) else reads_everything
        return [_digest(name, reads(clip)) for name, clip in zip(media, self.corpus.clips, strict=True)]

    @property
    def header(self) -> Header:
        """What the store will say of itself, before it is complete and reduced."""
        return Header(
            corpus=self.corpus.name,
            protocol=self.corpus.protocol,
            modality=self.extractor.modality,
            labels=self.corpus.labels.names,
            dim=self.extractor.dim,
            fingerprint=self.extractor.fingerprint,
            corpus_digest=self.corpus.digest,
            settings=self.extractor.settings,
            assets=self.extractor.assets,
        )


def reads_everything(clip: Clip) -> Sequence[object]:
    """What an extractor reads that does not say what: the utterance, and its whole dialogue."""
    return [clip.utterance.id, *(asdict(utterance) for utterance in clip.dialogue.utterances)]


def _digest(media_name: str, read: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([media_name, read]).encode()).hexdigest()[:INPUT_LETTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with finished rows.

    Args:
        rows: its k-th row is row `rows[k]` of the corpus; None where the corpus has it no more, or where it
            was made from something else than it would be made from now.
        content: all but the vectors.
    """

    path: Path
    header: Header
    rows: tuple[int | None, ...]
    content: Rows


def finished_sources(job: Job) -> list[Source]:
    """The store and the parts that hold finished rows; a later one counts where two hold the same row.

    Raises:
        StoreError: a file was made by other settings, or lacks what is needed to tell which of its rows the
            corrected annotations touch; or the corpus has lost a whole split. The message names the remedy.
    """
    row_of_id = {clip.utterance.id: row for row, clip in enumerate(job.corpus.clips)}
    store = [stored] if (stored := stored_rows(job)) else []
    return store + [_read_source(path, job, row_of_id) for path in sorted(job.parts.glob("*.h5"))]


def stored_rows(job: Job) -> Source | None:
    """The store as it stands; None where there is none yet.

    Raises:
        StoreError: as `finished_sources`.
    """
    if not job.store.is_file():
        return None
    row_of_id = {clip.utterance.id: row for row, clip in enumerate(job.corpus.clips)}
    source = _read_source(job.store, job, row_of_id)
    _refuse_a_lost_split(source, job)
    return source


def finished_statuses(sources: Sequence[Source]) -> dict[int, Status]:
    """Status of each finished corpus row."""
    return {
        row: status
        for source in sources
        for row, status in zip(source.rows, source.content.statuses, strict=True)
        if row is not None
    }


def wanted_rows(job: Job) -> list[int]:
    """The corpus rows that this job is about: all, those up to its limit, those of its shard."""
    return [row for block in _blocks(job) for row in block]


def _blocks(job: Job) -> list[range]:
    rows = range(min(len(job.corpus.clips), job.limit or len(job.corpus.clips)))
    step = job.extractor.block_rows
    blocks = [rows[start : start + step] for start in range(0, len(rows), step)]
    return blocks[job.shard.number - 1 :: job.shard.count] if job.shard else blocks


def pending_blocks(job: Job, finished: Mapping[int, Status]) -> Iterator[Block]:
    """The blocks of this job's shard that have rows to do."""
    for block in _blocks(job):
        rows = tuple(row for row in block if _is_pending(finished.get(row), job.retry_failed))
        if rows:
            yield Block(rows=rows, clips=tuple(job.corpus.clips[row] for row in rows))


def _is_pending(status: Status | None, retry_failed: bool) -> bool:
    return status is None or (retry_failed and status.is_failure)


def _read_source(path: Path, job: Job, row_of_id: Mapping[str, int]) -> Source:
    with FeatureStore(path) as store:
        header, content = store.header, store.rows
    names = [utterance.id for utterance in content.utterances]
    rows: list[int | None] = [None] * len(names)
    if not _is_of_an_encoder_trained_before(header, job):
        if not _differs_in_the_second_look(header, job):
            refuse_another_origin(path, header, job.header)
        made_from = content.inputs
        if made_from is None:  # an older version: the corpus as a whole must be what it was
            _refuse_other_annotations(path, header, job.header)
            made_from = [job.inputs[row_of_id[name]] for name in names]
        for k, (name, digest) in enumerate(zip(names, made_from, strict=True)):
            row = row_of_id.get(name)
            rows[k] = row if row is not None and job.inputs[row] == digest else None
    return Source(path=path, header=header, rows=tuple(rows), content=content)


def _refuse_a_lost_split(source: Source, job: Job) -> None:
    """A file that was moved away, or another corpus of the same name, must not cost hours of work."""
    names = {clip.utterance.id for clip in job.corpus.clips}
    for split in Split:
        stored = [u.id for u in source.content.utterances if u.split is split]
        if stored and names.isdisjoint(stored):
            raise StoreError(
                f"{source.path} has {len(stored)} {split} rows, and the corpus none of them: put the "
                "annotations back, or choose another --out, or start anew with --overwrite"
            )


def _is_of_an_encoder_trained_before(found: Header, job: Job) -> bool:
    """Whether the same training made its encoder, of annotations that have been corrected since."""
    extractor, wanted = job.extractor, job.header
    if not isinstance(extractor, TrainedOnCorpus) or found.corpus_digest == wanted.corpus_digest:
        return False
    same = all(getattr(found, name) == getattr(wanted, name) for name in ("corpus", "protocol", "modality"))
    differing = _differing_settings(found, wanted)
    return same and bool(differing) and set(differing) <= set(extractor.learned_settings)


def _differs_in_the_second_look(found: Header, job: Job) -> bool:
    """Whether only settings differ by which the extractor chooses among what the store keeps."""
    if not isinstance(job.extractor, ChoosesAgain):
        return False
    same = all(
        getattr(found, name) == getattr(job.header, name) for name in ("corpus", "protocol", "modality")
    )
    return same and set(_differing_settings(found, job.header)) <= set(job.extractor.second_look_settings)


def refuse_another_origin(path: Path, found: Header, wanted: Header) -> None:
    """Refuse a store that other settings made.

    Raises:
        StoreError: names what differs, both values, and how to start anew.
    """
    for name in ("corpus", "protocol", "modality"):
        old, new = getattr(found, name), getattr(wanted, name)
        if old != new:
            raise StoreError(f"{path} holds {name} {old!r}, this run makes {new!r}; {REMEDY}")
    if found.fingerprint != wanted.fingerprint:
        differing = [
            f"{name} was {found.settings.get(name)!r}, now {wanted.settings.get(name)!r}"
            for name in _differing_settings(found, wanted)
        ]
        raise StoreError(
            f"{path} has fingerprint {found.fingerprint[:12]}, this run {wanted.fingerprint[:12]}: "
            f"{'; '.join(differing)}; {REMEDY}"
        )


def _differing_settings(found: Header, wanted: Header) -> list[str]:
    names = sorted(found.settings.keys() | wanted.settings.keys())
    return [name for name in names if found.settings.get(name) != wanted.settings.get(name)]


def _refuse_other_annotations(path: Path, found: Header, wanted: Header) -> None:
    if found.corpus_digest != wanted.corpus_digest:
        raise StoreError(
            f"{path} was made by an older version, which did not keep what each row was made from, and from "
            f"other annotations (digest {found.corpus_digest[:12]}, now {wanted.corpus_digest[:12]}): run "
            "once with the annotations of then, which brings it up to date, and again with these; or choose "
            "another --out, or start anew with --overwrite"
        )
