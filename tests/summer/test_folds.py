"""Folds: stretches of training dialogues of about equal size; the rotation between two networks' axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from summer.corpus import Dialogue, Split, group_dialogues
from summer.folds import Alignment, folds_of, procrustes
from tests.summer.made_up import made_utterances


def rows(count: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def dialogues(training: Sequence[int], *, dev: Sequence[int] = ()) -> list[Dialogue]:
    """Dialogues of the given lengths; those of dev have the names of the first of training."""
    return group_dialogues(made_utterances({Split.TRAIN: training, Split.DEV: dev}))


def test_folds_share_the_training_dialogues_in_stretches_of_about_as_many_utterances() -> None:
    made = dialogues([5, 1, 1, 1, 2, 4, 4, 2], dev=[9])
    fold_of = folds_of(made, 3, option="some.folds")
    assert list(fold_of.values()) == sorted(fold_of.values())
    training = [dialogue for dialogue in made if dialogue.split is Split.TRAIN]
    sizes = [sum(len(d.utterances) for d in training if fold_of[d.name] == fold) for fold in range(3)]
    assert min(sizes) >= 5
    assert len(fold_of) == len(training)
    assert folds_of([dialogue for dialogue in made for _ in dialogue.utterances], 3, option="") == fold_of


@pytest.mark.parametrize("folds", [1, 13])
def test_too_few_or_too_many_folds_are_refused(folds: int) -> None:
    with pytest.raises(
        ValueError, match=rf"{folds} folds of 12 training dialogues: give some\.folds between 2"
    ):
        folds_of(dialogues([2] * 12), folds, option="some.folds")


def test_an_orthogonal_turn_and_a_shift_are_found_again() -> None:
    turn, _ = np.linalg.qr(rows(6, 6, seed=1))
    fold = rows(40, 6)
    alignment = procrustes(fold, fold @ turn + 3)
    assert np.allclose(alignment(rows(5, 6, seed=2)), rows(5, 6, seed=2) @ turn + 3, atol=1e-4)
    assert np.allclose(alignment.rotation @ alignment.rotation.T, np.eye(6), atol=1e-5)


@pytest.mark.parametrize("dim", [5, 16, 17, 60])
def test_what_the_rows_say_nothing_of_is_turned_as_little_as_can_be(dim: int) -> None:
    """Eight rows in a slanting plane that is turned within itself; all that stands on the plane stays."""
    axes, _ = np.linalg.qr(rows(dim, dim, seed=3))
    angle = 0.7
    turn = np.eye(dim, dtype=np.float32)
    turn[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    turn = axes.T @ turn @ axes
    plane = rows(8, 2) @ axes[:2]
    assert np.allclose(procrustes(plane, plane @ turn).rotation, turn, atol=1e-5)


def test_a_plane_that_tips_takes_along_no_more_than_it_must() -> None:
    """Rows along one direction that become rows along another: what is at right angles to both stays."""
    axes, _ = np.linalg.qr(rows(3, 3, seed=4))
    along = np.array([[1], [-1], [2], [-2]], dtype=np.float32)
    line, tipped = along @ axes[:1], along @ axes[1:2]
    rotation = procrustes(line, tipped).rotation
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.allclose(line @ rotation, tipped, atol=1e-6)
    assert np.allclose(axes[2] @ rotation, axes[2], atol=1e-6)


def test_few_rows_turn_what_they_turn_where_all_else_is_told_to_stay_by_the_least_of_weights() -> None:
    fold, whole = rows(3, 10), rows(3, 10, seed=1)
    few = procrustes(fold, whole).rotation
    assert np.allclose(few @ few.T, np.eye(10), atol=1e-6)
    centred = [(each - each.mean(axis=0)).astype(np.float64) for each in (fold, whole)]
    left, _, right = np.linalg.svd(centred[0].T @ centred[1] + 1e-9 * np.eye(10))
    assert np.allclose(few, left @ right, atol=1e-4)


def test_one_row_turns_nothing() -> None:
    alignment = procrustes(rows(1, 4), rows(1, 4, seed=1))
    assert np.allclose(alignment.rotation, np.eye(4), atol=1e-6)
    assert np.allclose(alignment(rows(1, 4)), rows(1, 4, seed=1), atol=1e-6)


def test_an_alignment_is_read_as_it_was_written(tmp_path: Path) -> None:
    alignment = procrustes(rows(9, 4), rows(9, 4, seed=1))
    (tmp_path / "a.safetensors").write_bytes(alignment.to_bytes())
    assert Alignment.load(tmp_path / "a.safetensors").sha256 == alignment.sha256
