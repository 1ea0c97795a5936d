"""`summer-train` in processes of its own: stopped, killed, or two at once, it ends in the same numbers."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summer.evaluation.predictions import read_predictions
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words

KILLS = 4
EPOCHS = ("-o", "teacher.most_epochs=12", "-o", "student.most_epochs=12", "-o", "teacher.patience_epochs=12")


def program(*more: str) -> list[str]:
    return [sys.executable, "-c", "from pipelines.train.command import main; main()", *more]


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def command_for(tmp_path: Path, name: str, *more: str) -> list[str]:
    features = tmp_path / "stores"
    if not features.exists():
        made_stores(features)
        made_recipe(tmp_path)
    return program(*words(tmp_path / "tiny.toml", features, tmp_path / name, *more))


def outcome(run: Path) -> dict[str, Any]:
    """All of a run that must not depend on interruptions."""
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    models = {path.name: path.read_bytes() for path in (run / "seed0").glob("*.safetensors")}
    histories = {path.name: path.read_bytes() for path in (run / "seed0").glob("*-history.json")}
    scores = {model: results[model] for model in ("teacher", "student")}
    return {"models": models, "csv": (run / "predictions.csv").read_bytes(), **histories, **scores}


@pytest.mark.slow
def test_control_c_ends_cleanly_says_how_to_go_on_and_resume_ends_the_same(tmp_path: Path) -> None:
    subprocess.run(command_for(tmp_path, "unbroken", *EPOCHS), check=True, capture_output=True)
    process = started(command_for(tmp_path, "stopped", *EPOCHS))
    wait_for(tmp_path / "stopped" / "seed0" / "teacher-progress" / "best.safetensors", process)
    process.send_signal(signal.SIGINT)
    shown, complaints = process.communicate()
    assert process.returncode == 130, complaints
    assert f"stopped; continue {tmp_path / 'stopped'} with --resume" in shown.replace("\n", " ")
    assert "Traceback" not in complaints
    resumed = command_for(tmp_path, "stopped", *EPOCHS, "--resume")
    subprocess.run(resumed, check=True, capture_output=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "unbroken")


@pytest.mark.slow
def test_kills_at_random_moments_end_in_an_unbroken_runs_bytes(tmp_path: Path) -> None:
    begun = time.monotonic()
    process = started(command_for(tmp_path, "unbroken", *EPOCHS))
    wait_for(tmp_path / "unbroken" / "run.json", process)
    seconds_to_begin = time.monotonic() - begun
    process.communicate()
    seconds_of_work = time.monotonic() - begun - seconds_to_begin
    dice = random.Random(3)
    for _ in range(KILLS):
        process = started(command_for(tmp_path, "killed", *EPOCHS, "--resume"))
        time.sleep(seconds_to_begin + dice.uniform(0.0, 0.6) * seconds_of_work)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = subprocess.run(
        command_for(tmp_path, "killed", *EPOCHS, "--resume"), capture_output=True, text=True, check=False
    )
    assert last.returncode == 0, last.stderr
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "unbroken")
    left = [path.name for path in (tmp_path / "killed" / "seed0").iterdir() if path.is_dir()]
    assert left == []


@pytest.mark.slow
def test_two_processes_train_one_model_and_write_its_files_once(tmp_path: Path) -> None:
    one = command_for(tmp_path, "two", "--seeds", "0")[3:]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", "0"]
    done = subprocess.run(
        [*launcher, "-m", "pipelines.train", *one],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "two"
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert 0 <= results["student"]["test"]["w_f1"][0] <= 1
    predictions, _ = read_predictions(run / "predictions.csv")
    assert all(np.isfinite(one.probabilities).all() for one in predictions)
    assert done.stdout.count("table.md, results.json") == 1
    assert not list(run.rglob("*.tmp"))
    assert not [path for path in (run / "seed0").iterdir() if path.is_dir()]
