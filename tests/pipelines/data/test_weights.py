"""`summer-data weights`: all that a recipe reads is fetched before it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from extraction import weights
from extraction.weights import Weights, WeightsUnavailable
from pipelines.data import fetching
from pipelines.data.command import app


def stood_in(name: str, source: str = "cache") -> Weights:
    return Weights(path=Path("/cache") / name, sha256="0" * 64, source=source)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that sources are asked for; each has all."""
    names: list[str] = []

    def give(name: str) -> Weights:
        names.append(name)
        return stood_in(name)

    monkeypatch.setattr(weights, "text_model", give)
    monkeypatch.setattr(fetching, "speech_model", give)
    for network in ("vggface2", "kinetics_r3d18", "active_speaker"):
        monkeypatch.setattr(weights, network, lambda given=None, network=network: give(str(given or network)))
    return names


def test_what_a_recipe_reads_is_asked_for_and_shown(asked: list[str]) -> None:
    done = CliRunner().invoke(app, ["weights", "--recipe", "meld"])
    assert done.exit_code == 0
    assert asked == ["roberta-base", "vggface2", "active_speaker"]
    assert "text encoder: /cache/roberta-base (from: cache)\n" in done.output
    assert "face network: /cache/vggface2 (from: cache)\n" in done.output


def test_hubs_are_asked_though_they_refused_within_the_day(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path))
    (tmp_path / "refused").mkdir()
    assert CliRunner().invoke(app, ["weights", "--recipe", "meld"]).exit_code == 0
    assert "active_speaker" in asked
    assert not (tmp_path / "refused").exists()


def test_what_it_does_not_read_is_not(asked: list[str]) -> None:
    keys = ("video.backbone=r3d_18", "video.face_choice=largest", "text.model=roberta-large")
    done = CliRunner().invoke(
        app, ["weights", "--recipe", "meld", *(word for key in keys for word in ("-o", key))]
    )
    assert done.exit_code == 0, done.output
    assert asked == ["roberta-large", "kinetics_r3d18"]


def test_a_whisper_is_fetched_where_one_is_named(asked: list[str]) -> None:
    done = CliRunner().invoke(app, ["weights", "--recipe", "demo", "--asr-model", "tiny.en"])
    assert done.exit_code == 0
    assert asked[-1] == "tiny.en"
    assert "Whisper: /cache/tiny.en (from: cache)\n" in done.output


def test_weights_that_no_source_has_are_a_mistake(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Weights:
        raise WeightsUnavailable(f"no source has {name}")

    monkeypatch.setattr(weights, "text_model", refuse)
    done = CliRunner().invoke(app, ["weights", "--recipe", "demo"])
    assert done.exit_code == 2
    assert "error: no source has ibm-granite" in done.stderr
    assert asked == []
