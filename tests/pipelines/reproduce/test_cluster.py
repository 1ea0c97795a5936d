"""Systems of a reproduction on the nodes of a cluster: one that dies costs its jobs' time, and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from extraction.engines import EngineError
from extraction.engines.cluster import connected, imported_ray
from pipelines.reproduce.cluster import RayYard
from pipelines.reproduce.jobs import Ended, Ending, Job, do_jobs, log_of
from summer.corpus import Modality
from tests.pipelines.reproduce.test_jobs import PROGRAM
from tests.pipelines.reproduce.test_reproduce import SECONDS, command, page_without_costs, typed
from tests.pipelines.train.test_train import refusal
from tests.ray_cluster import MARKS, cluster_of, processes_named, until
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import made_learnable

pytest.importorskip("ray", reason="Ray is not installed (the extra ray)")
pytestmark = MARKS
FEW = ("majority", "mlp", "bi-gru")  # one that is found, two that are trained


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core; who takes one away adds another."""
    with cluster_of(2) as made:
        yield made


class Place:
    """A yard on the cluster with a program of its own, and the diary that its jobs keep."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.diary = folder, folder / "diary"
        (folder / "program.py").write_text(PROGRAM)
        program = (sys.executable, str(folder / "program.py"))
        self.yard = RayYard(ray=imported_ray(), folder=folder / "jobs", expected={}, program=program)

    def job(self, name: str, *does: str) -> Job:
        product = self.folder / f"{name}.product"
        return Job(name=name, words=(str(self.diary), name, *does, f"make:{product}"), product=product)

    def do(self, *jobs: Job, should_stop: Callable[[], bool] = lambda: False) -> dict[str, Ended]:
        ended = do_jobs(jobs, self.yard, on_end=lambda _: None, should_stop=should_stop)
        return {one.job.name: one for one in ended}

    @property
    def begun(self) -> list[str]:
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return [line.split()[0] for line in lines if line.split()[1] == "begins"]


def test_a_node_that_dies_costs_its_jobs_time_and_one_that_kills_its_actors_is_given_up(
    cluster: Any, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    with connected(place.yard.ray, cluster.address), ThreadPoolExecutor(max_workers=1) as pool:
        under_way = pool.submit(
            place.do, place.job("one", "say:hello", "sleep:8"), place.job("two", "sleep:8")
        )
        until(lambda: len(place.begun) >= 2)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        cluster.add_node(num_cpus=1)
        ended = under_way.result()
        assert {one.ending for one in ended.values()} == {Ending.DONE}
        assert sorted(place.begun) in (["one", "one", "two"], ["one", "two", "two"])
        assert "hello" in log_of(ended["one"].job, place.yard.folder).read_text()
        again = place.do(ended["one"].job, place.job("bad", "fail:there is no such thing"))
        assert again["one"].was_done
        assert again["bad"].reason == "there is no such thing"

        under_way = pool.submit(place.do, place.job("prey", "sleep:60"))
        for times in (1, 2):
            until(lambda: place.begun.count("prey") == times)  # noqa: B023 - it is called in this turn
            for actor in processes_named("_Workman.do"):
                os.kill(actor, signal.SIGKILL)
        prey = under_way.result()["prey"]
        assert prey.ending is Ending.FAILED
        assert "SIGKILL" in prey.reason


def test_asked_to_stop_it_stops_what_is_under_way(cluster: Any, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with connected(place.yard.ray, cluster.address):
        ended = place.do(place.job("long", "sleep:600"), should_stop=lambda: bool(place.begun))
        assert ended["long"].ending is Ending.STOPPED
        until(lambda: not any("program.py" in " ".join(words(one)) for one in psutil.process_iter()))
        place.yard = replace(place.yard, expected={str(tmp_path / "unseen"): 7})
        with pytest.raises(EngineError, match=r"node \w+ does not see .*unseen.*all nodes share"):
            place.do(place.job("never"))
    assert place.begun == ["long"]


def words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--engine", "spark"], "engine 'spark' is not one of local, ray"),
        (["--address", "head:6379"], "--address head:6379 is of a cluster; give --engine ray as well"),
        (["--engine", "ray", "--device", "cuda:1"], "--device cuda:1: which GPU is for Ray to say"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], "there is no Ray cluster at 127.0.0.1:1"),
    ],
)
def test_every_wrong_word_is_one_line(more: list[str], says: str, tmp_path: Path) -> None:
    write_stores(tmp_path / "stores", made_learnable(modalities=(Modality.TEXT,)))
    assert says in refusal(typed(tmp_path / "stores", tmp_path / "out", *more))


def test_a_reproduction_on_a_cluster_that_loses_a_node_ends_in_the_page_of_one_machine(
    cluster: Any, tmp_path: Path
) -> None:
    write_stores(tmp_path / "stores", made_learnable(modalities=(Modality.TEXT,)))
    shown = typed(tmp_path / "stores", tmp_path / "none", "--dry-run", "--without-test-selection").stdout
    names = {Path(line.partition(" --out ")[2].split()[0]).name for line in shown.splitlines()}
    typed_names = command(tmp_path / "stores", tmp_path / "local")
    left_out = [word for name in sorted(names - {*FEW, *typed_names}) for word in ("--without", name)]

    def typed_words(out: str) -> list[str]:
        return [*command(tmp_path / "stores", tmp_path / out), *left_out]

    with subprocess.Popen([*typed_words("ray"), "--engine", "ray", "--address", cluster.address]) as on_ray:
        try:
            until(lambda: list((tmp_path / "ray" / "runs").glob("*/seed0")))
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(num_cpus=1)
            assert on_ray.wait(timeout=SECONDS) == 0
        finally:
            on_ray.kill()
    subprocess.run(typed_words("local"), check=True, timeout=SECONDS)
    page = page_without_costs(tmp_path / "local")
    assert page_without_costs(tmp_path / "ray") == page
    assert "| MLP, modalities side by side |" in page
    assert (tmp_path / "ray" / "systems.png").read_bytes() == (
        tmp_path / "local" / "systems.png"
    ).read_bytes()
    assert not list((tmp_path / "ray").glob(".seen-*"))
