"""A stopped training goes on to the numbers of an unbroken one; what a kill left behind does no harm."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from summer.corpus import Split
from summer.evaluation.predictions import Predictions
from summer.training.history import Stopped, TrainingError
from summer.training.models import TEACHER
from summer.training.seed import Settings, obtain_model
from tests.summer.made_up_training import (
    SETTINGS,
    Log,
    are_equal,
    made_material,
    made_place,
    predict,
    student_of,
    train_both,
    weights_of,
    with_model,
    with_training,
)

STEPS_PER_EPOCH = 2
EPOCHS = SETTINGS.teacher.most_epochs


class Outcome:
    """All that a seed's training ends in."""

    def __init__(self, folder: Path, settings: Settings = SETTINGS) -> None:
        material = made_material()
        models = train_both(material, settings, made_place(folder))
        self.weights = [weights_of(models[0].model), weights_of(student_of(models[1]))]
        self.origins = [model.origin for model in models]
        self.histories = [
            json.loads((folder / f"{name}-history.json").read_text()) for name in ("teacher", "student")
        ]
        self.predictions: list[Predictions] = [
            predict(material, model, split) for model in models for split in (Split.DEV, Split.TEST)
        ]

    def is_that_of(self, other: Outcome) -> bool:
        return (
            all(map(are_equal, self.weights, other.weights))
            and self.origins == other.origins
            and self.histories == other.histories
            and all(
                np.array_equal(ours.probabilities, theirs.probabilities)
                for ours, theirs in zip(self.predictions, other.predictions, strict=True)
            )
        )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize("steps", [0, 1, 2, 4, 5, 6, 8, 10, 11])
def test_a_run_stopped_anywhere_ends_like_an_unbroken_one(
    steps: int, unbroken: Outcome, tmp_path: Path
) -> None:
    """Teacher and student have 6 steps each, 2 per epoch: 2, 4, 8 and 10 are ends of epochs."""
    with pytest.raises(Stopped):
        train_both(made_material(), SETTINGS, made_place(tmp_path, watch=Log().stops_after(steps)))
    assert Outcome(tmp_path).is_that_of(unbroken)


def test_a_run_stopped_again_and_again_ends_like_an_unbroken_one(unbroken: Outcome, tmp_path: Path) -> None:
    stops = 0
    for _ in range(2 * EPOCHS - 1):
        try:
            watch = Log().stops_after(STEPS_PER_EPOCH)
            train_both(made_material(), SETTINGS, made_place(tmp_path, watch=watch))
        except Stopped:
            stops += 1
    assert stops == 2 * EPOCHS - 1
    assert Outcome(tmp_path).is_that_of(unbroken)


def stopped_after_an_epoch(folder: Path, *, epochs: int = 1) -> Path:
    place = made_place(folder, watch=Log().stops_after(epochs * STEPS_PER_EPOCH))
    with pytest.raises(Stopped):
        obtain_model(TEACHER, made_material(), SETTINGS, place)
    return folder / "teacher-progress"


def test_only_the_last_epoch_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    found = sorted(path.name for path in stopped_after_an_epoch(tmp_path, epochs=2).iterdir())
    assert found == ["best.safetensors", "epoch-2"]


def test_folders_that_a_kill_left_half_written_are_cleaned(unbroken: Outcome, tmp_path: Path) -> None:
    progress = stopped_after_an_epoch(tmp_path)
    half_written = progress / ".epoch-2.tmp"
    shutil.copytree(progress / "epoch-1", half_written)
    (half_written / "progress.json").unlink()
    (half_written / "model.safetensors").write_bytes(b"half")
    (progress / ".best.safetensors.tmp").write_bytes(b"half")
    half_deleted = progress / "epoch-0"
    half_deleted.mkdir()
    (half_deleted / "scheduler.bin").write_bytes(b"rest")
    assert Outcome(tmp_path).is_that_of(unbroken)
    assert not progress.exists()


def test_a_kill_between_the_best_weights_and_the_epochs_folder_does_no_harm(
    unbroken: Outcome, tmp_path: Path
) -> None:
    progress = stopped_after_an_epoch(tmp_path)
    shutil.rmtree(progress / "epoch-1")
    assert Outcome(tmp_path).is_that_of(unbroken)


def test_progress_that_a_kill_left_beside_a_finished_model_goes(tmp_path: Path) -> None:
    progress = stopped_after_an_epoch(tmp_path / "stopped")
    obtain_model(TEACHER, made_material(), SETTINGS, made_place(tmp_path / "done"))
    left = tmp_path / "done" / "teacher-progress"
    shutil.copytree(progress, left)
    obtain_model(TEACHER, made_material(), SETTINGS, made_place(tmp_path / "done"))
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in ("model.safetensors", "optimizer.bin", "custom_checkpoint_0.pkl")
        for damage in ("empty", "half", "absent")
    ]
    + [("progress.json", "empty"), ("progress.json", "half")],
)
def test_damaged_progress_is_named_with_its_remedy(name: str, damage: str, tmp_path: Path) -> None:
    path = stopped_after_an_epoch(tmp_path) / "epoch-1" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    if damage == "absent":
        path.unlink()
    message = (
        r"epoch-1 is damaged or of another version, so that training cannot resume from it \(.*; "
        "delete .*teacher-progress and train the teacher again"
    )
    with pytest.raises(TrainingError, match=message):
        obtain_model(TEACHER, made_material(), SETTINGS, made_place(tmp_path))


def test_the_kept_random_states_do_not_matter(unbroken: Outcome, tmp_path: Path) -> None:
    """Each epoch is seeded anew, so that the number of processes or devices that were there does no harm."""
    (stopped_after_an_epoch(tmp_path) / "epoch-1" / "random_states_0.pkl").unlink()
    assert Outcome(tmp_path).is_that_of(unbroken)


def test_the_progress_of_another_model_is_refused(tmp_path: Path) -> None:
    stopped_after_an_epoch(tmp_path)
    with pytest.raises(TrainingError, match="of another version, .* cannot resume from it .*; delete"):
        obtain_model(TEACHER, made_material(), with_model(SETTINGS, width=16), made_place(tmp_path))


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_the_progress_of_the_version_before_is_refused_with_its_remedy(name: str, tmp_path: Path) -> None:
    """Its records had other names; a student's weights stood beside its teacher's, not with them."""
    steps = STEPS_PER_EPOCH * (1 if name == "teacher" else EPOCHS + 1)
    with pytest.raises(Stopped):
        train_both(made_material(), SETTINGS, made_place(tmp_path, watch=Log().stops_after(steps)))
    as_before_0_2(tmp_path / f"{name}-progress" / "epoch-1")
    message = (
        f"{name}-progress/epoch-1 is damaged or of another version, .*; "
        f"delete .*{name}-progress and train the {name} again"
    )
    with pytest.raises(TrainingError, match=message):
        train_both(made_material(), SETTINGS, made_place(tmp_path))
    shutil.rmtree(tmp_path / f"{name}-progress")
    train_both(made_material(), SETTINGS, made_place(tmp_path))  # the remedy is one


def as_before_0_2(epoch: Path) -> None:
    """Write an epoch's folder anew as the version before left it."""
    (record,) = json.loads((epoch / "progress.json").read_text())["history"]
    old = {name: record[name] for name in ("epoch", "losses", "learning_rate")}
    old |= {"dev_loss": record["loss"], "dev_w_f1": record["w_f1"]}
    old |= {panel: record["drawn"].get(panel, {}) for panel in ("kept_experts", "modality_weights")}
    course = {"history": [old], "best_epoch": 1, "best_w_f1": record["w_f1"]}
    (epoch / "progress.json").write_text(json.dumps(course))
    weights = load_file(epoch / "model.safetensors")
    moved = {
        name.replace("model.student.", "model.", 1).replace("model.teacher.", "teacher.", 1): value
        for name, value in weights.items()
    }
    save_file(moved, epoch / "model.safetensors", metadata={"format": "pt"})


def test_a_stopped_run_that_had_lost_its_patience_stays_ended(tmp_path: Path) -> None:
    settings = with_training(SETTINGS, most_epochs=9, patience_epochs=1, learning_rate=1e-9)
    log = Log()
    material = made_material()
    place = made_place(tmp_path, watch=log.watch())
    obtain_model(TEACHER, material, settings, place)
    assert [record.epoch for _, record in log.epochs] == [1, 2]  # nothing moves: the second is no better


class Program:
    """Pickled as a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["custom_checkpoint_0.pkl", "optimizer.bin"])
def test_progress_is_never_run_as_a_program(name: str, tmp_path: Path) -> None:
    path = stopped_after_an_epoch(tmp_path) / "epoch-1" / name
    path.write_bytes(pickle.dumps(Program(tmp_path / "mark"), protocol=2))
    with pytest.raises(TrainingError, match="epoch-1 is damaged or of another version"):
        obtain_model(TEACHER, made_material(), SETTINGS, made_place(tmp_path))
    assert not (tmp_path / "mark").exists()


def test_a_second_run_on_the_same_training_is_told_by_what_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(_: object, folder: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        raise RuntimeError(f"Parent directory {folder} does not exist.")

    monkeypatch.setattr(Accelerator, "save_state", removed)
    with pytest.raises(TrainingError, match="another run is at work on this training"):
        obtain_model(TEACHER, made_material(), SETTINGS, made_place(tmp_path))
