"""From recipes to extractors: every number of a recipe arrives where it is used."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from extraction import weights
from extraction.corpora import Corpus
from extraction.text import TuningOptions
from extraction.video.folds import FoldsError, VideoFolds
from extraction.video.network.tuned import METADATA
from extraction.weights import WeightsUnavailable
from pipelines.extractors import Setting, build_extractor, judge_of
from pipelines.recipe import TuningRecipe, load_recipe
from pipelines.text_encoders import tuning_options
from summer.corpus import Modality
from tests.extraction.fake import corpus_of

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


def folds_file(path: Path, folds: VideoFolds | None) -> Path:
    """The header of tuned weights; numbers have none of them."""
    record = {"layer": "block8", "over_time": "mean"} | ({} if folds is None else {"folds": folds.record})
    save_file({}, path, metadata={METADATA: json.dumps(record)})
    return path


CORPUS = corpus_of(["word"] * 60)


@pytest.mark.parametrize(
    ("held", "asked", "words"),
    [
        (
            None,
            "video.folds=5",
            r"video\.folds = 5 with .*'whole'.*tuned\.safetensors hold one network; give",
        ),
        ((3, "whole"), "video.folds=5", r"hold 3 folds and read new rows by 'whole'; tune with the former"),
        ((5, "whole"), "video.new_rows=mean", r"video\.new_rows 'mean', .* read new rows by 'whole'"),
        ((5, "mean"), "video.new_rows=mean", "is damaged: its numbers have sha256"),
    ],
)
def test_weights_that_do_not_hold_the_folds_of_a_recipe_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Any, asked: str, words: str
) -> None:
    real = weights.vggface2
    monkeypatch.setattr(weights, "vggface2", lambda given=None: real(given or path))
    path = folds_file(tmp_path / "tuned.safetensors", held and VideoFolds.dealt(CORPUS, *held))
    with pytest.raises(ValueError, match=words):
        build_extractor(Modality.VIDEO, video_setting(path, "video.folds=5", asked))


def test_a_corpus_that_was_not_dealt_so_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = weights.vggface2
    monkeypatch.setattr(weights, "vggface2", lambda given=None: real(given or path))
    path = folds_file(tmp_path / "tuned.safetensors", VideoFolds.dealt(CORPUS, 3, "whole"))
    with pytest.raises(FoldsError, match="'other' has 30 training rows"):
        build_extractor(Modality.VIDEO, video_setting(path, corpus=dataclasses.replace(CORPUS, name="other")))


def video_setting(path: Path, *overrides: str, corpus: Corpus = CORPUS) -> Setting:
    return Setting(
        recipe=load_recipe("demo", [f"video.weights={path}", "video.face_choice=largest", *overrides]),
        corpus=corpus,
        folder=path.parent,
        device="cpu",
        batch_size=None,
        keep_crops=False,
        on_tuning=lambda *_: None,
    )
