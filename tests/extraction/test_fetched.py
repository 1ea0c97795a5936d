"""A corpus at an address: the bytes of the same corpus on a disk, and a true word for what cannot be had."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import pytest

from extraction.corpora import CorpusError, open_corpus
from extraction.engines import Block, BlockResult, Engine, InProcess, LocalProcesses
from extraction.extractor import Clip, Extractor, Outcome
from extraction.plan import Job
from extraction.remote import cache as caches
from extraction.remote.cache import RemoteError
from extraction.run import Report, extract
from summer.corpus import Status
from summer.store import FeatureStore
from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.extraction.fake import DIM, FakeExtractor
from tests.extraction.remote.server import Behaviour, nobody, serving
from tests.pipelines.extract.small_corpus import SmallCorpus, said

ROWS = 11


@dataclass(frozen=True, kw_only=True)
class Weighing(FakeExtractor):
    """Vectors from the bytes of the file that a clip lies in."""

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        return [self._weighed(clip) for clip in clips]

    def _weighed(self, clip: Clip) -> Outcome:
        if clip.audio is None:
            return Outcome(status=Status.MISSING, reason=clip.remark)
        content = np.frombuffer(clip.audio.path.read_bytes()[:DIM], np.uint8)
        return Outcome(status=Status.OK, reason=clip.audio.path.name, vector=content.astype(np.float32) + 1)


@dataclass(frozen=True)
class LikeWorkers:
    """This process, but an error costs its block, as in worker processes, which cannot be hurried."""

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]:
        for block in blocks:
            try:
                yield BlockResult(block=block, outcomes=extractor(block.clips))
            except ValueError as error:
                yield BlockResult(block=block, error=str(error))


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(caches, "SECONDS_BEFORE_TRIES", (0.0, 0.01, 0.01))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # of worker processes


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for row in range(ROWS):
        (folder / f"clip {row}.mp4").write_bytes(bytes([row]) * 1000)
    return folder


@pytest.fixture
def server(films: Path) -> Iterator[Behaviour]:
    with serving(films) as behaviour:
        yield behaviour


def listed(folder: Path, media: Sequence[str]) -> Path:
    rows = [manifest_row(f"row{row}", label="joy", media=name) for row, name in enumerate(media)]
    return write_csv(folder / "lists" / "own.csv", rows)


def names(rows: int = ROWS) -> list[str]:
    return [f"clip {row}.mp4" for row in range(rows)]


def run(
    manifest: Path, root: Path | str | None, out: Path, engine: Engine | None = None, **options: object
) -> Report:
    corpus = open_corpus(str(manifest), root, {})
    job = Job(corpus=corpus, extractor=Weighing(), folder=out, **options)  # type: ignore[arg-type]
    return extract(job, engine or InProcess(), reduction=None, on_progress=lambda _: None)


def store_bytes(out: Path) -> bytes:
    return (out / "audio.h5").read_bytes()


@pytest.mark.parametrize("engine", [InProcess(), LocalProcesses(workers=2, threads=1)])
def test_a_corpus_at_an_address_has_the_bytes_of_the_same_on_a_disk(
    engine: Engine, films: Path, server: Behaviour, tmp_path: Path
) -> None:
    manifest = listed(tmp_path, names())
    run(manifest, films, tmp_path / "here")
    report = run(manifest, server.address, tmp_path / "there", engine)
    assert report.statuses == {Status.OK: ROWS}
    assert store_bytes(tmp_path / "there") == store_bytes(tmp_path / "here")
    assert all(count == 1 for name, count in server.whole.items() if name != "clip 0.mp4")
    assert run(manifest, server.address, tmp_path / "there").extracted == 0
    assert not list(tmp_path.glob("summer-media-*"))


def test_sound_of_an_address_is_heard_like_sound_of_a_disk(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path, train=2, dev=1, test=1)
    said(corpus.extract(tmp_path / "here"))
    with serving(corpus.folder) as server:
        said(corpus.extract(tmp_path / "there", "--root", server.address))
        server.asked.clear()
        said(corpus.extract(tmp_path / "there", "--root", server.address, "--dry-run"))
        assert not server.asked
    assert (tmp_path / "there/clips/audio.h5").read_bytes() == (tmp_path / "here/clips/audio.h5").read_bytes()


def test_each_row_may_have_an_address_of_its_own_in_any_file_system(
    films: Path, server: Behaviour, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(films / "clip 1.mp4"), "/clip 1.mp4")
    media = [f"{server.address}/clip%200.mp4", "memory://clip 1.mp4", "clip 2.mp4", ""]
    report = run(listed(tmp_path, media), films, tmp_path / "out")
    with FeatureStore(tmp_path / "out" / "audio.h5") as store:
        assert store.features("raw")[:3, 0].tolist() == [1, 2, 3]
        assert store.rows.reasons == ["clip 0.mp4", "clip 1.mp4", "clip 2.mp4", "the manifest names no media"]
    assert report.statuses == {Status.OK: 3, Status.MISSING: 1}
    memory.rm("/clip 1.mp4")


def test_a_file_that_cannot_be_had_costs_its_row_and_is_retried_when_that_is_asked(
    films: Path, server: Behaviour, tmp_path: Path
) -> None:
    (films / "clip 3.mp4").rename(films / "aside")
    server.drops["clip 5.mp4"] = 99
    manifest = listed(tmp_path, names())
    report = run(manifest, server.address, tmp_path / "there")
    assert report.statuses == {Status.OK: ROWS - 2, Status.MISSING: 2}
    (gone, cut) = report.failed
    assert gone == ("row3", Status.MISSING, f"there is no file at {server.address}/clip%203.mp4")
    assert cut[2].startswith(f"{server.address}/clip%205.mp4 cannot be fetched: ")
    (films / "aside").rename(films / "clip 3.mp4")
    server.drops.clear()
    server.asked.clear()
    assert run(manifest, server.address, tmp_path / "there", retry_failed=True).extracted == 2
    assert set(server.asked) == {"clip 3.mp4", "clip 5.mp4"}
    run(manifest, films, tmp_path / "here")
    assert store_bytes(tmp_path / "there") == store_bytes(tmp_path / "here")


def test_copies_are_gone_when_their_clips_are_done_and_never_exceed_the_limit(
    films: Path, server: Behaviour, tmp_path: Path
) -> None:
    (films / "clip 6.mp4").write_bytes(b"6" * 3000)
    manifest = listed(tmp_path, names())
    run(manifest, films, tmp_path / "here")
    room_of_two = 2100 / 2**30
    report = run(manifest, server.address, tmp_path / "there", fetched_gib=room_of_two)
    (large,) = report.failed
    assert large[0] == "row6"
    assert "clip%206.mp4 is larger than" in large[2]
    assert "--fetched-gib" in large[2]
    run(manifest, server.address, tmp_path / "there", fetched_gib=1.0, retry_failed=True)
    assert store_bytes(tmp_path / "there") == store_bytes(tmp_path / "here")


def test_a_film_of_many_utterances_is_fetched_once(server: Behaviour, tmp_path: Path) -> None:
    manifest = listed(tmp_path, ["clip 4.mp4"] * ROWS)
    run(manifest, server.address, tmp_path / "out")
    assert server.whole["clip 4.mp4"] <= 2  # once as the place that is asked whether it answers


def test_offline_is_told_and_marks_no_row(tmp_path: Path) -> None:
    manifest = listed(tmp_path, names())
    with pytest.raises(RemoteError, match=r"no media can be had: .*Is this machine offline\?"):
        run(manifest, nobody(), tmp_path / "out")
    assert not (tmp_path / "out" / "audio.h5").exists()


def test_an_outage_on_the_way_marks_no_row_and_the_same_command_goes_on(films: Path, tmp_path: Path) -> None:
    manifest = listed(tmp_path, names())
    with serving(films) as server:
        server.lives = 7
        report = run(manifest, server.address, tmp_path / "there", LikeWorkers())
        assert report.statuses == {Status.OK: 4}
        assert report.missing_rows == ROWS - 4
        assert all("the network is down" in error for error in report.errors)
        server.lives = 10**9
        run(manifest, server.address, tmp_path / "there")
    run(manifest, films, tmp_path / "here")
    assert store_bytes(tmp_path / "there") == store_bytes(tmp_path / "here")


def test_mistaken_addresses_are_told_with_their_lines_before_anything_is_fetched(tmp_path: Path) -> None:
    manifest = listed(tmp_path, ["htps://host/a.mp4", "zip://a::https://host/b.zip", "ok.mp4"])
    with pytest.raises(CorpusError, match=r"line 2: media is 'htps:.*\n.*line 3: media is 'zip:.*unpack"):
        open_corpus(str(manifest), tmp_path, {})
    leaving = listed(tmp_path, ["../a.mp4"])
    with pytest.raises(CorpusError, match=r"the path leaves https://host/films; correct it"):
        open_corpus(str(leaving), "https://host/films", {})
    with pytest.raises(CorpusError, match=r"root htps://host: nothing fetches htps"):
        open_corpus(str(leaving), "htps://host", {})
    with pytest.raises(CorpusError, match=r"root s3://bucket is an address, and meld .*mount it"):
        open_corpus("meld", "s3://bucket", {})


def test_the_check_looks_into_files_at_addresses_and_keeps_none(tmp_path: Path) -> None:
    from extraction.corpora import check_corpus

    small = SmallCorpus(tmp_path, train=1, dev=1, test=1)
    small.extract(tmp_path / "out", "--dry-run")
    (small.folder / "train0_0.wav").unlink()
    (small.folder / "train0_1.wav").write_bytes(b"no sound at all")
    with serving(small.folder) as server:
        corpus = open_corpus(str(small.folder / "manifest.csv"), server.address, {})
        found = check_corpus(corpus, None, workers=2, on_progress=lambda *_: None)
    told = {
        (problem.kind, problem.where): problem for problem in found if problem.kind in ("missing", "corrupt")
    }
    assert set(told) == {("missing", "train0_0"), ("corrupt", "train0_1")}
    missing = told["missing", "train0_0"].what
    assert missing.endswith(f"there is no file at {server.address}/train0_0.wav")
    assert not list(tmp_path.glob("summer-media-*"))
