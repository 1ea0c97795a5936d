"""Runs: whole, resumed, sharded, limited, retried, refused; killed without a lost or altered row."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.engines import Engine, EngineError, InProcess, LocalProcesses
from extraction.plan import Job, Shard
from extraction.run import ExtractionError, Progress, Report, extract
from summer.corpus import LabelSet, Status
from summer.store import EncoderHead, FeatureStore, Rows, StoreError
from tests.extraction.fake import DIM, FakeExtractor, corpus_of

TEXTS = [f"line {row}" + (" fail" if row % 7 == 3 else "") for row in range(22)]


class HalfWidth:
    """A reduction without fitting: the first two numbers of each vector."""

    def made(self, description: Mapping[str, str]) -> bool:
        return description.get("method") == "first two"

    def __call__(
        self, raw: NDArray[np.float32], rows: Rows, labels: LabelSet, path: Path
    ) -> tuple[NDArray[np.float32], Mapping[str, str]]:
        assert len(rows) == len(raw)
        path.write_text(", ".join(labels.names), encoding="utf-8")
        return raw[:, :2], {"method": "first two", "fitted_on": "nothing"}


def run(folder: Path, engine: Engine | None = None, **options: object) -> Report:
    settings: dict = {"corpus": corpus_of(TEXTS), "extractor": FakeExtractor(), "folder": folder}
    return extract(
        Job(**(settings | options)), engine or InProcess(), reduction=HalfWidth(), on_progress=lambda _: None
    )


@dataclass(frozen=True, kw_only=True)
class TrainedExtractor(FakeExtractor):
    """A fake one whose encoder was trained with a head."""

    @property
    def head(self) -> EncoderHead:
        return EncoderHead(weight=np.ones((2, DIM), np.float32), bias=np.array([0, 1], np.float32))


def test_the_head_of_an_extractor_is_in_its_store_also_after_it_is_built_anew(tmp_path: Path) -> None:
    extractor = TrainedExtractor(healed=tmp_path / "healed")
    for retry in (False, True):
        run(tmp_path, extractor=extractor, retry_failed=retry)
        with FeatureStore(tmp_path / "audio.h5") as store:
            assert store.head is not None
            np.testing.assert_array_equal(store.head.weight, extractor.head.weight)
            np.testing.assert_array_equal(store.head.bias, extractor.head.bias)
            assert bool(store.rows.usable.all()) is retry
        (tmp_path / "healed").touch()


def test_an_extractor_whose_encoder_was_not_trained_leaves_no_head(tmp_path: Path) -> None:
    class Frozen(FakeExtractor):
        head = None

    run(tmp_path / "frozen", extractor=Frozen())
    run(tmp_path / "other")
    frozen, other = ((tmp_path / name / "audio.h5").read_bytes() for name in ("frozen", "other"))
    assert frozen == other
    with FeatureStore(tmp_path / "frozen" / "audio.h5") as store:
        assert store.head is None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return (folder / "audio.h5").read_bytes()


def test_a_run_writes_one_row_per_utterance_in_corpus_order(tmp_path: Path) -> None:
    report = run(tmp_path)
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert [u.id for u in store.rows.utterances] == [c.utterance.id for c in corpus_of(TEXTS).clips]
        assert store.header.complete
        assert store.header.reduction == {"method": "first two", "fitted_on": "nothing"}
        assert [u.text for u in store.rows.utterances] == TEXTS
        expected = FakeExtractor()(corpus_of(TEXTS).clips)
        for row, outcome in enumerate(expected):
            wanted = np.zeros(5) if outcome.vector is None else outcome.vector
            np.testing.assert_array_equal(store.features()[row], wanted)
            assert store.rows.statuses[row] is outcome.status
        assert store.rows.columns["words"][0] == 2
        assert store.rows.columns["voice"][3] == ""
        assert (store.features("reduced") == store.features("raw")[:, :2]).all()
    assert report.extracted == 22
    assert report.statuses == {Status.OK: 19, Status.CORRUPT: 3}
    assert report.failed[0] == ("train/dia0_utt3", Status.CORRUPT, "cannot read 'line 3 fail'")
    assert not (tmp_path / "audio.parts").exists()


def test_the_store_names_what_made_it_and_the_reducer_beside_it_once_there_is_one(tmp_path: Path) -> None:
    def assets() -> Mapping[str, str]:
        with FeatureStore(tmp_path / "audio.h5") as store:
            return store.header.assets

    run(tmp_path, limit=6)
    assert assets() == {"model": "a made-up one"}
    run(tmp_path)
    assert assets() == {"model": "a made-up one", "reducer": "audio.reducer.safetensors"}
    assert (tmp_path / assets()["reducer"]).is_file()
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    extract(job, InProcess(), reduction=None, on_progress=lambda _: None)
    assert assets() == {"model": "a made-up one"}


def test_a_store_is_taken_up_whatever_its_assets_are_called_now(tmp_path: Path) -> None:
    run(tmp_path, limit=6)
    moved = FakeExtractor(assets={"model": "/elsewhere"})
    assert run(tmp_path, extractor=moved).extracted == 16
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.header.assets["model"] == "/elsewhere"


def test_parts_of_an_older_version_get_their_words_from_the_corpus(
    tmp_path: Path, undisturbed: bytes
) -> None:
    run(tmp_path, shard=Shard(1, 2))
    for path in (tmp_path / "audio.parts").iterdir():
        with h5py.File(path, "a") as file:
            del file["words"]
            del file.attrs["assets"]
    run(tmp_path)
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed


def test_a_second_run_on_a_finished_store_does_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "audio.h5").stat().st_mtime_ns
    report = run(tmp_path)
    assert (report.extracted, report.built) == (0, False)
    assert report.statuses[Status.OK] == 19
    assert (tmp_path / "audio.h5").stat().st_mtime_ns == before


def test_worker_processes_give_the_same_bytes_as_this_process(tmp_path: Path, undisturbed: bytes) -> None:
    run(tmp_path, LocalProcesses(workers=2, threads=1))
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed


def test_shards_side_by_side_give_the_same_bytes_as_one_run(tmp_path: Path, undisturbed: bytes) -> None:
    for number in (2, 3, 1):
        report = run(tmp_path, shard=Shard(number, 3))
        assert not report.built
    assert not (tmp_path / "audio.h5").exists()
    report = run(tmp_path)
    assert (report.extracted, report.built) == (0, True)
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed


def test_a_limited_run_is_taken_up_by_the_whole_one(tmp_path: Path, undisturbed: bytes) -> None:
    report = run(tmp_path, limit=6)
    assert report.extracted == 6
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert not store.header.complete
        assert store.reduced_width is None
    assert run(tmp_path).extracted == 16
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed


def test_failed_rows_are_done_again_only_when_asked(tmp_path: Path) -> None:
    healed = tmp_path / "healed"
    extractor = FakeExtractor(healed=healed)
    run(tmp_path, extractor=extractor)
    healed.touch()
    assert run(tmp_path, extractor=extractor).extracted == 0
    report = run(tmp_path, extractor=extractor, retry_failed=True)
    assert report.extracted == 3
    assert report.statuses == {Status.OK: 22}
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.rows.usable.all()
        assert store.features().any(axis=1).all()


def test_progress_counts_earlier_rows_and_failures(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tmp_path, limit=8)
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    extract(job, InProcess(), reduction=None, on_progress=seen.append)
    assert seen[0] == Progress(total=22, finished=8, failed=1)
    assert seen[-1] == Progress(total=22, finished=22, failed=3)


def test_a_store_of_another_fingerprint_is_refused_naming_both_and_the_remedy(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(StoreError, match=r"version was '1', now '2'; .*--overwrite"):
        run(tmp_path, extractor=FakeExtractor(version="2"))
    report = run(tmp_path, extractor=FakeExtractor(version="2"), overwrite=True)
    assert report.extracted == 22


def test_a_new_reduction_leaves_raw_vectors_and_replaces_the_reduced(tmp_path: Path) -> None:
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    extract(job, InProcess(), reduction=None, on_progress=lambda _: None)
    report = run(tmp_path)
    assert (report.extracted, report.built) == (0, True)
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.reduced_width == 2


def test_a_clip_that_kills_its_worker_costs_its_own_row_only(tmp_path: Path) -> None:
    texts = [f"line {row}" for row in range(12)]
    texts[5] = "die here"
    report = run(tmp_path, LocalProcesses(workers=2, threads=1), corpus=corpus_of(texts))
    assert report.statuses == {Status.OK: 11, Status.CORRUPT: 1}
    assert "worker process died on this clip" in report.failed[0][2]


def test_workers_that_die_whatever_the_clip_are_not_blamed_on_the_clips(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="die on every clip"):
        run(tmp_path, LocalProcesses(workers=1, threads=1), corpus=corpus_of(["die"] * 8))
    assert not (tmp_path / "audio.parts").exists()


def test_a_bug_leaves_its_block_undone_and_says_so(tmp_path: Path) -> None:
    texts = [f"line {row}" for row in range(12)]
    texts[5] = "err here"
    engine = LocalProcesses(workers=1, threads=1)
    report = run(tmp_path, engine, corpus=corpus_of(texts))
    assert report.missing_rows == 4
    assert report.errors == ["train/dia0_utt4 and on: RuntimeError: a bug met 'err here'"]
    assert report.statuses == {Status.OK: 8}


def test_a_run_whose_every_block_fails_stops_early(tmp_path: Path) -> None:
    engine = LocalProcesses(workers=1, threads=1)
    with pytest.raises(ExtractionError, match="every block fails, the first with .*a bug met"):
        run(tmp_path, engine, corpus=corpus_of(["err"] * 40))


def test_a_second_run_on_the_same_store_is_turned_away_while_the_first_works(tmp_path: Path) -> None:
    class Second:
        def run(self, extractor: FakeExtractor, blocks: Iterator) -> Iterator:
            with pytest.raises(ExtractionError, match="another run is at work"):
                run(tmp_path)
            yield from InProcess().run(extractor, blocks)

    assert run(tmp_path, Second()).extracted == 22


def test_asked_to_stop_it_keeps_what_is_done_and_goes_on_later(tmp_path: Path, undisturbed: bytes) -> None:
    seen: list[Progress] = []
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    report = extract(
        job,
        InProcess(),
        reduction=HalfWidth(),
        on_progress=seen.append,
        should_stop=lambda: bool(seen) and seen[-1].finished >= 8,
    )
    assert (report.extracted, report.missing_rows, report.built) == (8, 14, False)
    assert run(tmp_path).extracted == 14
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed


@pytest.mark.parametrize("count", [(0, 3), (4, 3)])
def test_a_shard_that_does_not_exist_is_refused(count: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        Shard(*count)


KILLED_RUN = """
import sys
from pathlib import Path
from extraction.engines import InProcess, LocalProcesses
from tests.extraction.fake import FakeExtractor
from tests.extraction import test_run
if __name__ == "__main__":
    print("ready", flush=True)
    engine = LocalProcesses(workers=2, threads=1) if sys.argv[2] == "processes" else InProcess()
    test_run.run(Path(sys.argv[1]), engine, extractor=FakeExtractor(seconds=float(sys.argv[3])))
"""
MARK = "KILLED_RUN"  # environment variable by which workers are found: their command lines name no folder


@contextmanager
def killed_in_the_end(folder: Path, engine: str, *, clip_seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, which is killed without warning when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_RUN, str(folder), engine, str(clip_seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {MARK: str(folder)},
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_run_killed_at_random_moments_ends_in_the_same_bytes(tmp_path: Path, undisturbed: bytes) -> None:
    dice = random.Random(7)
    for _ in range(20):
        with killed_in_the_end(tmp_path, "in process", clip_seconds=0.01):
            time.sleep(dice.uniform(0.0, 0.3))
    run(tmp_path, extractor=FakeExtractor(seconds=0.01))
    assert (tmp_path / "audio.h5").read_bytes() == undisturbed
    assert {path.name for path in tmp_path.iterdir()} <= {
        "audio.h5",
        ".audio.lock",
        "audio.reducer.safetensors",
    }


def test_workers_end_with_a_killed_main_process(tmp_path: Path) -> None:
    with killed_in_the_end(tmp_path, "processes", clip_seconds=0.25) as process:
        assert comes_true(lambda: any((tmp_path / "audio.parts").glob("*.h5")), within_seconds=60)
        assert len(marked_processes(tmp_path)) > 1
    assert process.returncode == -signal.SIGKILL
    try:
        assert comes_true(lambda: not marked_processes(tmp_path), within_seconds=10)
    finally:
        for number in marked_processes(tmp_path):
            os.kill(number, signal.SIGKILL)


def comes_true(condition: Callable[[], bool], *, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def marked_processes(folder: Path) -> list[int]:
    """Numbers of the processes that were started for a folder, by whatever process in between."""
    mark = f"{MARK}={folder}".encode()
    return [
        int(entry.parent.name)
        for entry in Path("/proc").glob("[0-9]*/environ")
        if mark in _bytes_of(entry).split(b"\0")
    ]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process ended meanwhile, or belongs to somebody else
        return b""
