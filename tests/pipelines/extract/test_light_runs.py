"""A run imports what its modality needs, its workers too; one that has nothing to do imports no library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extraction.weights import Weights
from pipelines.extract.command import app
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.extraction.video.conftest import flat_network, random_weights
from tests.places import DEMO, REPOSITORY

__all__ = ["flat_network", "random_weights"]  # fixtures
PROGRAM = "from pipelines.extract.command import main; main()"


def run_without(libraries: Sequence[str], folder: Path, *words: str | Path) -> str:
    """What a run says in which nobody, no worker either, can import some libraries."""
    absent = folder / "absent"
    absent.mkdir(exist_ok=True)
    for name in libraries:
        (absent / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--dataset", "demo", "--root", DEMO, *words],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(absent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sound_is_extracted_without_torch(tmp_path: Path) -> None:
    out = ("--modality", "audio", "--out", tmp_path / "stores", "--limit", "1", "--workers", "1")
    said = run_without(("torch", "transformers", "torchvision", "sklearn", "cv2"), tmp_path, *out)
    assert "wrote" in said


def test_faces_are_extracted_without_transformers_and_without_torchs_compiler(
    tmp_path: Path, random_weights: Weights
) -> None:
    out = ("--modality", "video", "--out", tmp_path / "stores", "--limit", "1", "--workers", "1")
    weights = ("-o", f"video.weights={random_weights.path}", "-o", "video.speaking=motion")
    heavy = ("transformers", "accelerate", "sklearn", "scipy", "sympy")  # torchvision imports the last
    assert "wrote" in run_without(heavy, tmp_path, *out, *weights)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, so that nothing is known from elsewhere."""
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("cache")
def test_a_run_with_nothing_to_do_imports_neither_torch_nor_transformers_and_notices_what_changed(
    tmp_path: Path, random_weights: Weights
) -> None:
    roberta_folder(tmp_path / "encoder")
    words = [
        *("--modality", "all", "--out", str(tmp_path / "stores"), "--limit", "1"),
        *("-o", f"text.model={tmp_path / 'encoder'}", "-o", "text.tuning.epochs=1"),
        *("-o", f"video.weights={random_weights.path}", "-o", "video.speaking=motion"),
    ]
    begun = ["--dataset", "demo", "--root", str(DEMO), *words, "--workers", "0"]
    first = CliRunner().invoke(app, begun)
    assert first.exit_code == 0, first.output
    said = run_without(("torch", "transformers", "tokenizers", "opensmile", "cv2"), tmp_path, *words)
    assert said.count("nothing to do") == 3
    for changed in ("text.past_tokens=9", "text.tuning.epochs=2", "video.keyframe_every=3"):
        refused = CliRunner().invoke(app, [*begun, "-o", changed])
        assert refused.exit_code == 2, changed
        assert "has fingerprint" in refused.output
