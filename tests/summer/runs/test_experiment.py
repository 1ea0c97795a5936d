"""Experiments from Python: one after the other in one process, refused before anything is written."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from summer.corpus import Modality
from summer.runs.alone import alone_in
from summer.runs.experiment import Audience, Experiment, run_experiment, train
from summer.runs.features import RECORD
from summer.runs.folder import RunError
from summer.training.history import TrainingError, Watch
from summer.training.models import UnknownModelError
from tests.summer.battery import settings_for
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import made_learnable


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("stores")
    return write_stores(folder, made_learnable(modalities=(Modality.TEXT, Modality.AUDIO)))


def test_one_process_may_train_with_one_precision_and_then_with_another(
    stores: list[Path], tmp_path: Path
) -> None:
    settings = settings_for("mlp", most_epochs=1)
    for precision in ("no", "bf16", "no"):
        options = {"models": ["mlp"], "device": "cpu", "precision": precision, "overwrite": True}
        run = train(tmp_path / "run", stores, settings=settings, **options)  # type: ignore[arg-type]
        assert run.results["precision"] == precision


def test_modalities_that_no_store_has_are_refused_before_a_run_is_begun(
    stores: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="the teacher reads text, of which no store is given"):
        train(tmp_path / "run", stores[1:], settings=settings_for("teacher"), device="cpu")
    assert not (tmp_path / "run").exists()


def test_an_unknown_model_or_precision_is_refused_before_a_run_is_begun(
    stores: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'student'"):
        train(tmp_path / "run", stores, models=["studnet"])
    with pytest.raises(RunError, match="precision 'half' is not one of no, bf16, fp16"):
        train(tmp_path / "run", stores, precision="half")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_training_in_the_folder_is_refused_and_touches_nothing(
    flags: dict[str, bool], stores: list[Path], tmp_path: Path
) -> None:
    out, options = tmp_path / "run", {"settings": settings_for("mlp", most_epochs=1), "models": ["mlp"]}
    train(out, stores, device="cpu", **options)  # type: ignore[arg-type]
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with (
        alone_in(out),
        pytest.raises(RunError, match=f"another run is at work in {out} .process {os.getpid()} "),
    ):
        train(out, stores, device="cpu", **options, **flags)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_while_it_trains_its_folder_is_its_own(stores: list[Path], tmp_path: Path) -> None:
    refused: list[str] = []

    def at_a_step(*_: object) -> None:
        with pytest.raises(RunError, match="another run is at work") as error, alone_in(tmp_path / "run"):
            pass
        refused.append(str(error.value))

    watch = Watch(on_step=at_a_step, on_epoch=lambda *_: None, should_stop=lambda: False)
    audience = Audience(on_material=lambda _: None, of_seed=lambda _: nullcontext(watch))
    experiment = Experiment(
        stores=stores,
        out=tmp_path / "run",
        settings=settings_for("mlp", most_epochs=1),
        models=["mlp"],
        device="cpu",
    )
    run_experiment(experiment, audience)
    assert refused
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_kill_left_of_the_features_is_replaced(stores: list[Path], tmp_path: Path) -> None:
    options = {"settings": settings_for("mlp", most_epochs=1), "models": ["mlp"], "device": "cpu"}
    train(tmp_path / "run", stores, **options)  # type: ignore[arg-type]
    features = tmp_path / "run" / "features"
    (features / RECORD).unlink()
    (features / ".half.tmp").write_bytes(b"half")
    train(tmp_path / "run", stores, resume=True, **options)  # type: ignore[arg-type]
    assert [path.name for path in features.iterdir()] == [RECORD]
