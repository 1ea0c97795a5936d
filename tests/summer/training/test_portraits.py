"""Features of some epochs are kept, and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from summer.corpus import Split
from summer.training.portraits import is_portrayed, keep_portrait, read_portraits
from summer.training.prediction import SplitOutlook
from summer.training.seed import look_at_split, obtain_model, portraits_folder
from tests.summer.battery import CPU
from tests.summer.made_up_training import SETTINGS, TRAINING, made_material, made_place


def made_outlook(features: np.ndarray) -> SplitOutlook:  # type: ignore[type-arg]
    rows = len(features)
    return SplitOutlook(
        rows=np.arange(10, 10 + rows),
        truths=np.zeros(rows, np.int64),
        probabilities=np.ones((rows, 1), np.float32),
        features=features.astype(np.float32),
        loss=0.0,
        drawn={},
    )


def test_epochs_1_2_4_and_8_are_portrayed_and_none_between() -> None:
    assert [epoch for epoch in range(17) if is_portrayed(epoch)] == [1, 2, 4, 8, 16]


def test_what_is_kept_is_read_back_by_epoch_also_what_float16_cannot_hold(tmp_path: Path) -> None:
    assert read_portraits(tmp_path / "none") == []
    for epoch in (16, 2):
        keep_portrait(tmp_path, epoch, made_outlook(np.array([[0.5, -1e9], [epoch, 2.0]])))
    first, second = read_portraits(tmp_path)
    assert (first.epoch, second.epoch) == (2, 16)
    assert first.rows.tolist() == [10, 11]
    assert first.features.tolist() == [[0.5, -65504.0], [2.0, 2.0]]


def test_a_training_keeps_the_features_that_its_model_had_then(tmp_path: Path) -> None:
    """The last epoch is the best one here, so its portrait is what the finished model says."""
    material, training = made_material(), replace(TRAINING, most_epochs=2, patience_epochs=2)
    settings = replace(SETTINGS, teacher=training)
    place = replace(made_place(tmp_path), portraits=True)
    trained = obtain_model("teacher", material, settings, place)
    portraits = {p.epoch: p for p in read_portraits(portraits_folder(tmp_path, "teacher"))}
    assert sorted(portraits) == [1, 2]
    outlook = look_at_split(trained, material.dealer, Split.DEV, device=CPU)
    assert outlook is not None
    kept = portraits[trained.origin.epoch]
    assert np.array_equal(kept.rows, outlook.rows)
    np.testing.assert_allclose(kept.features, outlook.features, rtol=2e-3, atol=2e-3)
    other = portraits[3 - trained.origin.epoch]
    assert not np.allclose(other.features, outlook.features, rtol=2e-3, atol=2e-3)


def test_without_being_asked_for_nothing_is_kept(tmp_path: Path) -> None:
    obtain_model("teacher", made_material(), SETTINGS, made_place(tmp_path))
    assert not portraits_folder(tmp_path, "teacher").exists()
