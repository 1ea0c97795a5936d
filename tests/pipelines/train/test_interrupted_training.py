"""`summer-train` in processes of its own: stopped, killed, or two at once, it ends in the same numbers."""

from __future__ import annotations

import json
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from summer.evaluation.predictions import read_predictions
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words

KILLS = 4
SECONDS = 240  # of a launched command, far more than any takes
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
    [said] = [line for line in shown.splitlines() if line.startswith("stopped; ")]
    again = shlex.split(said.partition(" with: ")[2])
    assert again == ["summer-train", *command_for(tmp_path, "stopped", *EPOCHS, "--resume")[len(program()) :]]
    assert "Traceback" not in complaints
    subprocess.run(program(*again[1:]), check=True, capture_output=True)
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


LAUNCHERS = {
    "accelerate": (
        *("accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
    ),
    "torchrun": ("torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
}


def launched_for(launcher: str, tmp_path: Path, name: str, *more: str) -> list[str]:
    """The same command in two processes."""
    typed = command_for(tmp_path, name, *more)[len(program()) :]
    return [sys.executable, "-m", *LAUNCHERS[launcher], "-m", "pipelines.train", *typed]


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a launcher shows until its end; one that hangs is killed with all that it started."""
    try:
        return process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            one.kill()
        raise


def carried_out(command: list[str]) -> tuple[str, str]:
    process = started(command)
    shown, complaints = ended(process)
    assert process.returncode == 0, complaints[-3000:]
    return shown, complaints


def second_of(launcher: subprocess.Popen[str]) -> psutil.Process:
    """The second of the processes that a launcher started."""
    started_by_it = psutil.Process(launcher.pid).children()
    (found,) = (one for one in started_by_it if one.environ().get("RANK") == "1")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_carry_out_one_command_and_again_do_nothing(launcher: str, tmp_path: Path) -> None:
    models = ("--model", "student", "--model", "mlp")
    shown, complaints = carried_out(launched_for(launcher, tmp_path, "two", *models))
    run = tmp_path / "two"
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert 0 <= results["student"]["test"]["w_f1"][0] <= 1
    predictions, _ = read_predictions(run / "predictions.csv")
    assert {one.model for one in predictions} == {"teacher", "student", "mlp"}
    assert all(np.isfinite(one.probabilities).all() for one in predictions)
    assert shown.count("table.md, results.json") == 1
    assert shown.count("seed 0 student, epoch 1:") == 1
    assert "find_unused_parameters" not in complaints
    assert not list(run.rglob("*.tmp"))
    assert not [path for path in (run / "seed0").iterdir() if path.is_dir()]
    before = outcome(run)
    shown_again, _ = carried_out(launched_for(launcher, tmp_path, "two", *models, "--resume"))
    assert ", epoch" not in shown_again
    assert outcome(run) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_one_of_two_processes_ends_both_and_resume_ends_the_same(
    number: signal.Signals, tmp_path: Path
) -> None:
    carried_out(launched_for("torchrun", tmp_path, "unbroken", *EPOCHS))
    process = started(launched_for("torchrun", tmp_path, "ended", *EPOCHS))
    wait_for(tmp_path / "ended" / "seed0" / "teacher-progress" / "best.safetensors", process)
    second_of(process).send_signal(number)
    shown, complaints = ended(process)
    assert process.returncode != 0
    assert not (tmp_path / "ended" / "results.json").exists()
    if number is not signal.SIGKILL:
        assert shown.count("stopped; the same command with --resume goes on") == 1, complaints
    carried_out(launched_for("torchrun", tmp_path, "ended", *EPOCHS, "--resume"))
    assert outcome(tmp_path / "ended") == outcome(tmp_path / "unbroken")


@pytest.mark.slow
def test_what_the_user_can_mend_is_said_once_by_two_processes(tmp_path: Path) -> None:
    for more, words_said in (
        (("-o", "model.heads=3"), "error: recipe "),
        (("--device", "cuda:0"), "error: device "),
        (("--teacher", str(tmp_path / "nowhere")), "error: there is no finished teacher"),
    ):
        process = started(launched_for("torchrun", tmp_path, "refused", *more))
        _, complaints = ended(process)
        assert process.returncode != 0
        assert complaints.count(words_said) == 1, complaints
    assert not (tmp_path / "refused").exists()
