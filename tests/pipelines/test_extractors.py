"""From recipes to extractors: every number of a recipe arrives where it is used."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from extraction.text import TuningOptions
from extraction.weights import WeightsUnavailable
from pipelines.extractors import judge_of
from pipelines.recipe import TuningRecipe, load_recipe
from pipelines.text_encoders import tuning_options

OTHER_NUMBERS = {
    "epochs": 7,
    "learning_rate": 1e-3,
    "batch_size": 5,
    "weight_decay": 0.3,
    "warmup_share": 0.25,
    "seed": 11,
    "bfloat16": True,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TuningOptions)])
def test_each_number_of_the_fine_tuning_can_be_given_in_a_recipe(name: str) -> None:
    override = f"text.tuning.{name}={str(OTHER_NUMBERS[name]).lower()}"
    options = tuning_options(load_recipe("manifest", [override]).text.tuning)
    assert options == dataclasses.replace(
        tuning_options(load_recipe("manifest").text.tuning), **{name: OTHER_NUMBERS[name]}
    )
    assert getattr(options, name) != getattr(TuningOptions(), name)


def test_a_recipe_that_says_nothing_of_the_fine_tuning_means_its_defaults() -> None:
    assert tuning_options(TuningRecipe()) == TuningOptions()


def test_weights_of_the_judge_of_talking_are_looked_at_before_any_clip(tmp_path: Path) -> None:
    (tmp_path / "odd.model").write_text("no weights", encoding="utf-8")
    for name, words in (("none.model", "are not a file"), ("odd.model", "cannot be read as weights")):
        recipe = load_recipe("demo", [f"video.speaking={tmp_path / name}"]).video
        with pytest.raises(WeightsUnavailable, match=words):
            judge_of(recipe)


def test_without_weights_motion_judges_and_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with caplog.at_level(logging.WARNING):
        assert judge_of(load_recipe("demo").video) is None
    assert "Who talks is judged by the motion of mouths and the loudness instead" in caplog.text
    caplog.clear()
    assert judge_of(load_recipe("demo", ["video.speaking=motion"]).video) is None
    assert not caplog.text
