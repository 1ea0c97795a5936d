"""`summer-reproduce` as a user types it: what a mistake says, and that a kill changes nothing of the page."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from pipelines.reproduce import run
from pipelines.reproduce.command import app
from pipelines.reproduce.jobs import Ended, Ending, Job
from summer.corpus import Modality
from tests.pipelines.train.test_train import refusal
from tests.summer.battery import TRAINED_RIVALS
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import made_learnable

SECONDS = 1200  # of a whole reproduction, far more than any takes
LEFT_OUT = ("dialogue-gcn", "mmgcn", "corect", "multi-emo", "sdt", "chfusion")  # a job is a job
SHORT = [
    word
    for name in ("teacher", "student", *TRAINED_RIVALS)
    for word in ("-o", f"{name}.most_epochs=2", "-o", f"{name}.batch_dialogues=3")
]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    write_stores(folder, made_learnable())
    return folder


def typed(features: Path, out: Path, *more: str) -> Result:
    words = ["--recipe", "demo", "--features", str(features), "--out", str(out), *more]
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--recipe", "dmeo"], "there is no recipe 'dmeo', did you mean 'demo'?"),
        (["--seeds", "many"], "seeds 'many': write them as 0-4 or 0,3"),
        (["-o", "sdt.lerning_rate=1"], "unknown key 'sdt.lerning_rate', did you mean 'learning_rate'?"),
        (["-o", "model.longest_dialogue=3"], "the model reads 3; set model.longest_dialogue"),
        (["--device", "tpu"], "device 'tpu' is not here"),
    ],
)
def test_every_wrong_word_is_one_line_and_begins_nothing(
    more: list[str], says: str, features: Path, tmp_path: Path
) -> None:
    assert says in refusal(typed(features, tmp_path / "out", *more))
    assert not (tmp_path / "out" / "runs").exists()


def test_without_stores_it_says_how_to_make_some(tmp_path: Path) -> None:
    message = refusal(typed(tmp_path / "none", tmp_path / "out"))
    assert "there is no feature store in" in message
    assert "summer-extract" in message


def test_a_corpus_of_one_class_is_refused_before_any_system_is_trained(tmp_path: Path) -> None:
    made = made_learnable()
    for utterance in made.utterances:
        object.__setattr__(utterance, "label", "joy")
    write_stores(tmp_path / "stores", made)
    assert "one class alone cannot" in refusal(typed(tmp_path / "stores", tmp_path / "out"))


def test_a_dry_run_shows_commands_to_be_typed_and_writes_nothing(features: Path, tmp_path: Path) -> None:
    shown = typed(features, tmp_path / "out", "--dry-run")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert all(line.startswith("summer-train --recipe demo ") for line in lines)
    assert sum("--model sdt --test-curve" in line for line in lines) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_recipe_or_of_other_things_is_refused(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "do_jobs", lambda *_, **__: pytest.fail("a job was begun"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    assert "is not empty and holds no reproduction (diary.txt)" in refusal(typed(features, tmp_path / "full"))
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "reproduction.json").write_text('{"recipe": {"model": {}}}')
    message = refusal(typed(features, begun))
    assert "was begun with another recipe" in message
    assert "--overwrite" in message
    (begun / "reproduction.json").write_text("{")
    assert "is damaged" in refusal(typed(features, begun))


def test_overwrite_takes_a_finished_folder_with_all_its_figures(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves alone what is not its own."""

    def stopped(jobs: list[Job], *_: object, **__: object) -> list[Ended]:
        return [Ended(job=job, ending=Ending.STOPPED) for job in jobs]

    monkeypatch.setattr(run, "do_jobs", stopped)
    finished = tmp_path / "finished"
    finished.mkdir()
    for name in (*run.OWN, "my notes.txt"):
        (finished / name).write_text('{"recipe": "another"}')
    assert "--overwrite" in refusal(typed(features, finished))
    assert (finished / "figure4.png").exists()
    assert typed(features, finished, "--overwrite").exit_code == 1
    assert not (finished / "figure4.png").exists()
    assert "another" not in (finished / "reproduction.json").read_text()
    assert (finished / "my notes.txt").exists()


def test_two_at_once_in_one_folder_are_refused(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SECONDS_FOR_THE_LOCK", 0.0)
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another summer-reproduce" in refusal(typed(features, out))


def test_as_many_jobs_as_are_asked_for_or_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.reproduce.command import ReproductionOrder

    order = ReproductionOrder(recipe="demo", out=Path("out"), device="cpu", jobs=3)
    assert run._devices(order) == ["cpu"] * 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16))
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": (33 << 30) // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert run._jobs_by_memory() == 4  # 33 GiB
    sizes["SC_PHYS_PAGES"] = (2 << 30) // 4096
    assert run._jobs_by_memory() == 1
    sizes["SC_PHYS_PAGES"] = (999 << 30) // 4096
    assert run._jobs_by_memory() == 16


def test_with_gpus_there_is_a_job_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.reproduce.command import ReproductionOrder

    monkeypatch.setattr(run.torch.cuda, "device_count", lambda: 2)
    assert run._devices(ReproductionOrder(recipe="demo", out=Path("out"))) == ["cuda:0", "cuda:1"]
    crowded = ReproductionOrder(recipe="demo", out=Path("out"), jobs=3)
    assert run._devices(crowded) == ["cuda:0", "cuda:1", "cuda:0"]


@pytest.fixture(scope="module")
def words_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text and nothing else: half as many systems."""
    folder = tmp_path_factory.mktemp("stores")
    write_stores(folder, made_learnable(modalities=(Modality.TEXT,)))
    return folder


def command(features: Path, out: Path) -> list[str]:
    program = [sys.executable, "-c", "from pipelines.reproduce.command import main; main()"]
    fewer = [word for name in LEFT_OUT for word in ("--without", name)]
    more = ["--seeds", "0", "--without-test-selection", "--device", "cpu", "--jobs", "2", *fewer, *SHORT]
    return [*program, "--recipe", "demo", "--features", str(features), "--out", str(out), *more]


def page_without_costs(out: Path) -> str:
    page = (out / "page.md").read_text(encoding="utf-8").replace(str(out), "OUT")
    before, _, rest = page.partition("## What it costs")
    return before + rest.partition("\n## ")[2]


@pytest.mark.slow
def test_killed_anywhere_and_typed_again_it_ends_in_the_same_page(words_alone: Path, tmp_path: Path) -> None:
    whole = subprocess.run(
        command(words_alone, tmp_path / "whole"), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert whole.returncode == 0, whole.stdout + whole.stderr
    moments = random.Random(4)
    for _ in range(4):
        process = subprocess.Popen(
            command(words_alone, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(6, 20))
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.wait()
        for child in psutil.wait_procs(children, timeout=60)[1]:
            pytest.fail(f"{child} works on though the command that began it is gone")
    again = subprocess.run(
        command(words_alone, tmp_path / "killed"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    page = page_without_costs(tmp_path / "whole")
    assert page_without_costs(tmp_path / "killed") == page
    assert "* SDT: left out by --without sdt." in page
    for name in ("systems.png", "figure4.png", "figure6.png", "figure7.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_a_system_that_fails_is_on_the_page_and_stops_no_other(words_alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "runs").mkdir(parents=True)
    (out / "runs" / "mlp").write_text("no folder: nothing can be written in it")
    (out / "runs" / "summer").write_text("nor here")
    failed = subprocess.run(
        command(words_alone, out), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert failed.returncode == 1, failed.stdout + failed.stderr
    page = (out / "page.md").read_text(encoding="utf-8")
    assert "* mlp: failed: " in page
    assert "* without-ikd: lacking: summer is not done" in page
    assert "SUMMER could not be run" in page
    assert "| majority class |" in page
