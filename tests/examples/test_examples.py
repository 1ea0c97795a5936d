"""Every program in examples/ runs on stores as summer-extract makes them, and prints what it promises."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from summer.corpus import Modality, Split
from summer.store import FeatureStore
from tests.places import REPOSITORY
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import LENGTHS, made_learnable

EXAMPLES = REPOSITORY / "examples"
LONGEST_EXAMPLE_LINES = 50


def example(name: str) -> ModuleType:
    """The program as a module, without running it."""
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    write_stores(folder, made_learnable(LENGTHS, modalities=tuple(Modality)))
    return folder


@pytest.fixture(scope="module")
def run(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the training example leaves behind."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    example("train_from_python").main(stores, folder)
    return folder


def test_a_store_is_read(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("read_a_store").main(stores / "audio.h5")
    printed = capsys.readouterr().out
    assert "audio of made-up: (39, 4), raw" in printed
    assert "test/dia0_utt0  speaker0:" in printed


def test_models_are_trained_from_python(run: Path) -> None:
    assert (run / "results.json").is_file()
    assert (run / "seed1" / "mlp.safetensors").is_file()


def test_a_run_is_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("score_a_run").main(run)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * 2 + 1  # models times seeds, and the test
    assert lines[-1].startswith("student less teacher: ")


def test_own_features_become_a_store_beside_the_others(stores: Path, tmp_path: Path) -> None:
    example("own_features").main(stores / "text.h5", tmp_path / "own.h5")
    with FeatureStore(tmp_path / "own.h5") as store:
        assert store.features().shape == (39, 4)
        assert store.rows.usable.all()


def test_a_trained_model_is_asked(run: Path, stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("predict").main(run, stores)
    printed = capsys.readouterr().out
    assert "student of made-up, reads text, audio, video" in printed
    assert printed.count("test/dia") == sum(LENGTHS[Split.TEST])


def test_examples_are_short_and_each_is_run_above() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"read_a_store", "train_from_python", "score_a_run", "own_features", "predict"}
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= LONGEST_EXAMPLE_LINES
