"""Extraction on a Ray cluster: the bytes of the local engine, whatever dies, joins or leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from extraction.corpora import open_corpus
from extraction.engines import EngineError, InProcess
from extraction.engines import ray as engine
from extraction.engines.cluster import check_node, marked, sizes_of, software
from extraction.engines.ray import RayCluster
from extraction.extractor import Extractor
from extraction.plan import Job
from extraction.run import Report, extract
from summer.corpus import Status
from summer.store import FeatureStore
from tests.extraction.fake import FakeExtractor, corpus_of
from tests.extraction.remote.server import serving
from tests.extraction.test_fetched import Weighing, listed
from tests.places import REPOSITORY
from tests.ray_cluster import (
    MARKS,
    autoscaling_cluster,
    cluster_of,
    guarded_cluster,
    nodes_of,
    processes_named,
    until,
)

pytest.importorskip("ray", reason="Ray is not installed (the extra ray)")
pytestmark = MARKS
TEXTS = [f"line {row}" + (" fail" if row % 7 == 3 else "") for row in range(60)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core; who takes one away adds another."""
    with cluster_of(2) as made:
        yield made


def run(folder: Path, cluster: Any, texts: list[str] = TEXTS, extractor: Extractor | None = None) -> Report:
    job = Job(corpus=corpus_of(texts), extractor=extractor or FakeExtractor(), folder=folder)
    engine = InProcess() if cluster is None else RayCluster(address=cluster.address)
    return extract(job, engine, reduction=None, on_progress=lambda _: None)


def local_bytes(folder: Path) -> bytes:
    run(folder, None)
    return (folder / "audio.h5").read_bytes()


def actors_at_work() -> list[int]:
    return processes_named("_Actor.extract")


def test_nodes_and_actors_that_are_killed_leave_or_join_leave_the_bytes_of_the_local_engine(
    cluster: Any, tmp_path: Path
) -> None:
    expected = local_bytes(tmp_path / "local")
    with ThreadPoolExecutor(max_workers=1) as pool:  # nodes are added by a process' first thread alone
        under_way = pool.submit(run, tmp_path / "ray", cluster, extractor=FakeExtractor(seconds=0.7))
        until(actors_at_work)
        os.kill(actors_at_work()[0], signal.SIGKILL)
        cluster.add_node(num_cpus=2)
        until(lambda: len(actors_at_work()) > 2)  # the node that joined is given work
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=True)
        assert not under_way.done()
        report = under_way.result()
    assert report.missing_rows == 0
    assert not report.errors
    assert (tmp_path / "ray" / "audio.h5").read_bytes() == expected


def test_an_autoscaler_starts_nodes_for_a_run_and_lets_them_go_after_it() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as short,  # sockets have short names
        autoscaling_cluster(Path(short), most_nodes=3) as address,
    ):
        out = Path(short) / "stores"
        expected = local_bytes(out / "local")
        job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(seconds=0.7), folder=out / "ray")
        assert nodes_of(Path(short)) == 1
        with ThreadPoolExecutor(max_workers=1) as pool:
            under_way = pool.submit(
                extract,
                job,
                RayCluster(address=address, actors=3),
                reduction=None,
                on_progress=lambda _: None,
            )
            until(lambda: nodes_of(Path(short)) == 4 or under_way.done())
            nodes = nodes_of(Path(short))
            under_way.result()
        assert nodes == 4
        assert job.store.read_bytes() == expected
        until(lambda: nodes_of(Path(short)) == 1)


def test_a_cluster_that_asks_for_a_token_is_not_said_to_be_missing(tmp_path: Path) -> None:
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as short,
        guarded_cluster(Path(short)) as address,
        pytest.raises(EngineError, match=r"asks for a token; set RAY_AUTH_MODE=token"),
    ):
        extract(job, RayCluster(address=address), reduction=None, on_progress=lambda _: None)


def test_a_clip_that_kills_its_actor_costs_its_own_row_only(cluster: Any, tmp_path: Path) -> None:
    texts = ["one", "two", "die", "four", "five", "six"]
    report = run(tmp_path, cluster, texts)
    assert report.statuses == {Status.OK: 5, Status.CORRUPT: 1}
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.rows.statuses[2] is Status.CORRUPT
        assert "died on this clip" in store.rows.reasons[2]


def test_actors_that_die_whatever_the_clip_are_not_blamed_on_the_clips(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="actors die on every clip"):
        run(tmp_path, cluster, ["die"] * 8)


def test_a_bug_leaves_its_block_undone_and_says_so(cluster: Any, tmp_path: Path) -> None:
    report = run(tmp_path, cluster, [*TEXTS, "err"])
    (error,) = report.errors
    assert "RuntimeError: a bug met" in error
    assert report.missing_rows > 0


def test_media_at_addresses_are_fetched_by_the_nodes_which_clean_up_behind_them(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for row in range(9):
        (films / f"clip {row}.mp4").write_bytes(bytes([row]) * 1000)
    manifest = listed(tmp_path, [f"clip {row}.mp4" for row in range(10)])
    before = set(Path(tempfile.gettempdir()).glob("summer-media-*"))

    def stored(root: Path | str, out: Path, on: Any) -> bytes:
        job = Job(corpus=open_corpus(str(manifest), root, {}), extractor=Weighing(), folder=out)
        extract(job, on, reduction=None, on_progress=lambda _: None)
        return job.store.read_bytes()

    on_ray = RayCluster(address=cluster.address)
    with serving(films) as server:
        at_addresses = stored(server.address, tmp_path / "fetched", on_ray)
        assert at_addresses == stored(server.address, tmp_path / "local", InProcess())
    assert set(Path(tempfile.gettempdir()).glob("summer-media-*")) <= before
    assert stored(films, tmp_path / "shared", on_ray) == stored(films, tmp_path / "here", InProcess())
    monkeypatch.setattr(engine, "sizes_of", lambda paths: {str(path): 7 for path in paths})
    with pytest.raises(EngineError, match=r"node \w+ sees another file at .*clip 0.mp4.*all nodes share"):
        stored(films, tmp_path / "elsewhere", on_ray)


def test_a_node_must_have_the_same_software_and_see_the_same_files(tmp_path: Path) -> None:
    here = software()
    with marked([tmp_path / "shared"]) as marks:
        check_node("n1", here, sizes_of(map(Path, marks)), marks)
        with pytest.raises(EngineError, match=r"node n1 does not see .*\.seen-.*all nodes share"):
            check_node("n1", here, {}, marks)
        with pytest.raises(EngineError, match=r"node n1 has torch 1\.0 instead of .*the same versions"):
            check_node("n1", {**here, "torch": "1.0"}, marks, marks)
    assert not list((tmp_path / "shared").iterdir())


def test_without_a_cluster_or_without_ray_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path)
    nowhere = RayCluster(address="127.0.0.1:1")
    with pytest.raises(EngineError, match=r"no Ray cluster at 127\.0\.0\.1:1 .*correct --address"):
        extract(job, nowhere, reduction=None, on_progress=lambda _: None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'summer-merc\[ray\]'"):
        extract(job, RayCluster(), reduction=None, on_progress=lambda _: None)


HEADLESS = """
import sys
from pathlib import Path
from extraction.engines import EngineError
from extraction.engines.ray import RayCluster
from extraction.plan import Job
from extraction.run import extract
from tests.extraction.fake import FakeExtractor, corpus_of
from tests.extraction.test_ray import TEXTS

address, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(seconds=seconds), folder=folder)
try:
    extract(job, RayCluster(address=address), reduction=None, on_progress=print)
except EngineError as error:
    sys.exit(f"error: {error}")
"""


def test_a_head_that_dies_is_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    expected = local_bytes(tmp_path / "local")

    def command(address: str, seconds: float) -> subprocess.Popen[str]:
        words = [sys.executable, "-u", "-c", HEADLESS, address, str(tmp_path / "ray"), str(seconds)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, cwd=REPOSITORY, **pipes)  # type: ignore[call-overload,no-any-return]

    with cluster_of(1) as first:
        told = command(first.address, 0.5)
        until(lambda: list((tmp_path / "ray" / "audio.parts").glob("*.h5")))
        first.remove_node(first.head_node, allow_graceful=False)
        _, said = told.communicate(timeout=100)
    assert told.returncode == 1, said
    assert "is lost" in said
    assert "the same command goes on" in said
    kept = len(list((tmp_path / "ray" / "audio.parts").glob("*.h5")))
    assert 0 < kept < len(TEXTS) / FakeExtractor().block_rows
    with cluster_of(1) as second:
        said, _ = command(second.address, 0.0).communicate(timeout=100)
    assert f"finished={kept * FakeExtractor().block_rows}" in said.splitlines()[0]
    assert (tmp_path / "ray" / "audio.h5").read_bytes() == expected


def test_a_cluster_of_this_machine_alone_is_made_for_the_run(tmp_path: Path) -> None:
    expected = local_bytes(tmp_path / "local")
    job = Job(corpus=corpus_of(TEXTS), extractor=FakeExtractor(), folder=tmp_path / "ray")
    extract(job, RayCluster(), reduction=None, on_progress=lambda _: None)
    assert job.store.read_bytes() == expected
