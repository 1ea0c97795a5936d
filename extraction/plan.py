"""What is done and what is left: rows in the store, rows in parts, blocks still to do.

A block is a fixed range of corpus rows, so that a run gives the same bytes whatever its interruptions: block
b holds rows [b * block_rows, (b + 1) * block_rows) less those that are finished. A shard i/n takes every n-th
block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from extraction.corpora import Corpus
from extraction.engines import Block
from extraction.extractor import Extractor
from summer.corpus import Status
from summer.store import FeatureStore, Header, Rows, StoreError


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of one of several processes or machines: every `count`-th block from the `number`-th on."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"shard {self.number}/{self.count} does not exist; give i/n with 1 <= i <= n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One modality of one corpus, extracted into one folder.

    Args:
        folder: where the store, its parts and its reducer stand: `OUT/<corpus>`.
        limit: only the first `limit` utterances of the corpus; None for all.
        retry_failed: do the rows again whose status is not ok.
        overwrite: forget what stands in the store and in parts.
    """

    corpus: Corpus
    extractor: Extractor
    folder: Path
    shard: Shard | None = None
    limit: int | None = None
    retry_failed: bool = False
    overwrite: bool = False

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with finished rows: its k-th is row `rows[k]` of the corpus; `content`: all but the vectors."""

    path: Path
    rows: tuple[int, ...]
    content: Rows


def finished_sources(job: Job) -> list[Source]:
    """The store and the parts that hold finished rows; a later one counts where two hold the same row.

    Raises:
        StoreError: a file was made by other settings or from other annotations; the message names both.
    """
    paths = [job.store] if job.store.is_file() else []
    paths += sorted(job.parts.glob("*.h5"))
    row_of_id = {clip.utterance.id: row for row, clip in enumerate(job.corpus.clips)}
    return [_read_source(path, job, row_of_id) for path in paths]


def finished_statuses(sources: list[Source]) -> dict[int, Status]:
    """Status of each finished corpus row."""
    return {
        row: status
        for source in sources
        for row, status in zip(source.rows, source.content.statuses, strict=True)
    }


def wanted_rows(job: Job) -> range:
    """The corpus rows that this job is about."""
    return range(min(len(job.corpus.clips), job.limit or len(job.corpus.clips)))


def pending_blocks(job: Job, finished: Mapping[int, Status]) -> Iterator[Block]:
    """The blocks of this job's shard that have rows to do."""
    wanted = wanted_rows(job)
    starts = range(0, len(wanted), job.extractor.block_rows)
    for start in starts[job.shard.number - 1 :: job.shard.count] if job.shard else starts:
        block = wanted[start : start + job.extractor.block_rows]
        rows = tuple(row for row in block if _is_pending(finished.get(row), job.retry_failed))
        if rows:
            yield Block(rows=rows, clips=tuple(job.corpus.clips[row] for row in rows))


def _is_pending(status: Status | None, retry_failed: bool) -> bool:
    return status is None or (retry_failed and status is not Status.OK)


def _read_source(path: Path, job: Job, row_of_id: Mapping[str, int]) -> Source:
    with FeatureStore(path) as store:
        refuse_another_origin(path, store.header, job.header)
        unknown = [u.id for u in store.rows.utterances if u.id not in row_of_id]
        if unknown:
            raise StoreError(f"{path} has row {unknown[0]!r} that the corpus has not; use another --out")
        return Source(
            path=path,
            rows=tuple(row_of_id[utterance.id] for utterance in store.rows.utterances),
            content=store.rows,
        )


def refuse_another_origin(path: Path, found: Header, wanted: Header) -> None:
    """Refuse a store that other settings or other annotations made.

    Raises:
        StoreError: names what differs, both values, and how to start anew.
    """
    remedy = "run with the same settings, choose another --out, or start anew with --overwrite"
    for name in ("corpus", "protocol", "modality"):
        old, new = getattr(found, name), getattr(wanted, name)
        if old != new:
            raise StoreError(f"{path} holds {name} {old!r}, this run makes {new!r}; {remedy}")
    if found.corpus_digest != wanted.corpus_digest:
        raise StoreError(
            f"{path} was made from other annotations (digest {found.corpus_digest[:12]}, now "
            f"{wanted.corpus_digest[:12]}): texts, labels, speakers or times have changed; {remedy}"
        )
    if found.fingerprint != wanted.fingerprint:
        names = sorted(found.settings.keys() | wanted.settings.keys())
        differing = [
            f"{name} was {found.settings.get(name)!r}, now {wanted.settings.get(name)!r}"
            for name in names
            if found.settings.get(name) != wanted.settings.get(name)
        ]
        raise StoreError(
            f"{path} has fingerprint {found.fingerprint[:12]}, this run {wanted.fingerprint[:12]}: "
            f"{'; '.join(differing)}; {remedy}"
        )
