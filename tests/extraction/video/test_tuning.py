"""A tuning as a file: named by all that it depends on, found again, the same bytes after a stop."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from extraction.video.network.training import TuningError, TuningOptions, TuningStopped
from extraction.video.network.tuned import tuning_of
from extraction.video.tuning import Tuning, keep_others_out, tune_video
from extraction.weights import Weights
from summer.runs.experiment import accelerators
from tests.extraction.video.made_clips import colours

QUICK = TuningOptions(epochs=2, learning_rate=1e-3, batch_clips=4, trained_blocks=1)


@pytest.fixture(name="tuning")
def _tuning(random_weights: Weights, tmp_path: Path) -> Tuning:
    return Tuning(start=random_weights, clips=colours(tmp_path / "clips"), source="colours", options=QUICK)


def tuned(tuning: Tuning, folder: Path, **more: Any) -> Weights:
    return tune_video(
        tuning, folder=folder, name="video.test", accelerator=accelerators("cpu", "no")(), **more
    )


def never(progress: object) -> None:
    raise AssertionError(f"trained again: {progress}")


def test_it_is_made_once_and_says_how(tuning: Tuning, tmp_path: Path) -> None:
    made = tuned(tuning, tmp_path)
    record = tuning_of(made)
    assert record is not None
    assert made.path.name == f"video.test-{record['digest'][:12]}.safetensors"
    assert record["start"] == tuning.start.sha256
    assert record["tuned_on"] == "colours"
    assert record["options"]["epochs"] == len(record["dev_scores"]) == 2
    assert record["classes"] == ["one", "other"]
    assert tuned(tuning, tmp_path, on_progress=never) == made
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {made.path.name, f".{made.path.stem}.lock"}


def test_stopped_and_started_again_it_ends_in_the_same_bytes(tuning: Tuning, tmp_path: Path) -> None:
    whole = tuned(tuning, tmp_path / "whole")
    steps = iter([False, True])
    with pytest.raises(TuningStopped):
        tuned(tuning, tmp_path / "stopped", should_stop=lambda: next(steps))
    assert not list((tmp_path / "stopped").glob("*.safetensors"))
    assert tuned(tuning, tmp_path / "stopped").path.read_bytes() == whole.path.read_bytes()


CHANGES: dict[str, Callable[[Tuning], Tuning]] = {
    "start": lambda tuning: replace(tuning, start=replace(tuning.start, sha256="1" * 64)),
    "options": lambda tuning: replace(tuning, options=replace(QUICK, seed=1)),
    "layer": lambda tuning: replace(tuning, layer="repeat_2"),
    "over time": lambda tuning: replace(tuning, over_time="mean-and-deviation"),
    "classes": lambda tuning: replace(tuning, clips=replace(tuning.clips, classes=("a", "b"))),  # type: ignore[type-var]
    "clips": lambda tuning: replace(tuning, clips=replace(tuning.clips, dev=tuning.clips.dev[:1])),  # type: ignore[type-var]
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_the_weights_changes_the_name(tuning: Tuning, what: str) -> None:
    assert CHANGES[what](tuning).digest != tuning.digest


def test_a_second_run_at_the_same_is_refused(tuning: Tuning, tmp_path: Path) -> None:
    with (tmp_path / f".video.test-{tuning.digest[:12]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TuningError, match="another run is tuning .*; wait for it"):
            tuned(tuning, tmp_path)


def test_what_a_killed_run_left_aside_goes(tmp_path: Path) -> None:
    left = tmp_path / ".a.safetensors.17.tmp"
    left.touch()
    with ExitStack() as held:
        keep_others_out(tmp_path / "a.safetensors", held)
    assert not left.exists()
