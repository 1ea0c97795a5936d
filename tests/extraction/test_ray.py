"""A Ray cluster of several nodes, as processes of this machine: the same bytes, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extraction.engines import EngineError, InProcess
from extraction.engines.ray import RayCluster
from extraction.extractor import Extractor
from extraction.plan import Job
from extraction.run import Report, extract
from summer.corpus import Status
from summer.store import FeatureStore
from tests.extraction.fake import FakeExtractor, corpus_of

pytest.importorskip("ray", reason="Ray is not installed (the extra ray)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves its log files to the interpreter
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXTS = [f"line {row}" + (" fail" if row % 7 == 3 else "") for row in range(60)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without cores, and two nodes with one core each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def run(folder: Path, engine: Any, texts: list[str] = TEXTS, extractor: Extractor | None = None) -> Report:
    job = Job(corpus=corpus_of(texts), extractor=extractor or FakeExtractor(), folder=folder)
    return extract(job, engine, reduction=None, on_progress=lambda _: None)


def local_bytes(folder: Path) -> bytes:
    run(folder, InProcess())
    return (folder / "audio.h5").read_bytes()


def actors_at_work() -> list[int]:
    """Processes that Ray has named after our actor."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::_Actor.extract"):
                found.append(int(entry.name))
    return found


def test_nodes_and_actors_killed_on_the_way_leave_the_bytes_of_the_local_engine(
    cluster: Any, tmp_path: Path
) -> None:
    expected = local_bytes(tmp_path / "local")
    lost: list[str] = []

    def break_things() -> None:
        while not actors_at_work():
            time.sleep(0.05)
        os.kill(actors_at_work()[0], signal.SIGKILL)
        lost.append("actor")
        time.sleep(2)
        cluster.remove_node(next(node for node in cluster.worker_nodes), allow_graceful=False)
        lost.append("node")

    killer = threading.Thread(target=break_things)
    killer.start()
    slow = FakeExtractor(seconds=0.3)
    report = run(tmp_path / "ray", RayCluster(address=cluster.address), extractor=slow)
    killer.join()
    assert lost == ["actor", "node"]
    assert report.missing_rows == 0
    assert not report.errors
    assert (tmp_path / "ray" / "audio.h5").read_bytes() == expected


def test_a_clip_that_kills_its_actor_costs_its_own_row_only(cluster: Any, tmp_path: Path) -> None:
    texts = ["one", "two", "die", "four", "five", "six"]
    report = run(tmp_path, RayCluster(address=cluster.address), texts)
    assert report.statuses == {Status.OK: 5, Status.CORRUPT: 1}
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.rows.statuses[2] is Status.CORRUPT
        assert "died on this clip" in store.rows.reasons[2]


def test_actors_that_die_whatever_the_clip_are_not_blamed_on_the_clips(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="actors die on every clip"):
        run(tmp_path, RayCluster(address=cluster.address), ["die"] * 8)


def test_a_bug_leaves_its_block_undone_and_says_so(cluster: Any, tmp_path: Path) -> None:
    report = run(tmp_path, RayCluster(address=cluster.address), [*TEXTS, "err"])
    (error,) = report.errors
    assert "RuntimeError: a bug met" in error
    assert report.missing_rows > 0


def test_a_node_that_joins_is_given_work(cluster: Any, tmp_path: Path) -> None:
    before = len(cluster.worker_nodes)

    def join_when_begun() -> None:
        while not actors_at_work():
            time.sleep(0.05)
        start = [str(Path(sys.executable).with_name("ray")), "start", "--address", cluster.address]
        subprocess.run([*start, "--num-cpus", "1"], check=True, capture_output=True)

    joiner = threading.Thread(target=join_when_begun)
    joiner.start()
    at_once: list[int] = []
    watching = threading.Event()

    def watch() -> None:
        while not watching.is_set():
            at_once.append(len(actors_at_work()))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run(tmp_path, RayCluster(address=cluster.address), extractor=FakeExtractor(seconds=0.5))
    watching.set()
    joiner.join()
    watcher.join()
    assert max(at_once) == before + 1


def test_without_a_cluster_or_without_ray_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match=r"no Ray cluster at 127\.0\.0\.1:1 .*correct --address"):
        run(tmp_path, RayCluster(address="127.0.0.1:1"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'summer-merc\[ray\]'"):
        run(tmp_path, RayCluster())


def test_a_cluster_of_this_machine_alone_is_made_for_the_run(tmp_path: Path) -> None:
    expected = local_bytes(tmp_path / "local")
    run(tmp_path / "ray", RayCluster())
    assert (tmp_path / "ray" / "audio.h5").read_bytes() == expected
