"""The best epoch, patience, and histories of this version and of the one before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summer.training.history import Course, EpochRecord, TrainingError, read_history

KEPT = {"text": 0.75, "audio": 0.5}
WEIGHTS = {"text": 0.6, "audio": 0.4}


def record(epoch: int, w_f1: float) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        losses={"smooth": 1.5, "total": 2.0},
        learning_rate=0.01,
        selected_on="dev",
        loss=0.25 * epoch,
        w_f1=w_f1,
        drawn={"kept_experts": KEPT},
        inside={"tau": {"text": 0.9}},
    )


def course_of(*scores: float) -> Course:
    return Course(history=[record(number, score) for number, score in enumerate(scores, start=1)])


def old_entry(**changes: Any) -> dict[str, Any]:
    """An epoch as versions before 0.2.0 kept it."""
    return {
        "epoch": 1,
        "losses": {"total": 2.0},
        "learning_rate": 0.01,
        "dev_loss": 1.25,
        "dev_w_f1": 0.5,
        "kept_experts": KEPT,
        "modality_weights": WEIGHTS,
        **changes,
    }


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [([0.5], 1), ([0.0, 0.0], 1), ([0.2, 0.6, 0.6, 0.4], 2), ([0.1, 0.2, 0.3], 3), ([0.9, 0.2, 0.9], 1)],
)
def test_the_best_epoch_has_the_highest_score_of_equals_the_first(scores: list[float], epoch: int) -> None:
    course = course_of(*scores)
    assert course.best is course.history[epoch - 1]
    assert (course.best.epoch, course.best.w_f1) == (epoch, max(scores))


def test_a_course_without_an_epoch_has_no_best_one() -> None:
    with pytest.raises(ValueError, match="empty"):
        _ = Course().best


def test_an_offer_tells_whether_it_is_the_best_so_far() -> None:
    course = Course()
    scores = [0.0, 0.3, 0.3, 0.1, 0.4]
    offers = [course.offer(record(number, score)) for number, score in enumerate(scores, start=1)]
    assert offers == [True, True, False, False, True]
    assert [one.epoch for one in course.history] == [1, 2, 3, 4, 5]


def test_patience_counts_the_epochs_since_the_best_one() -> None:
    assert not Course().is_patience_spent(1)
    assert not course_of(0.5).is_patience_spent(1)
    assert course_of(0.5, 0.5).is_patience_spent(1)  # an equal score is no better one
    assert not course_of(0.5, 0.6).is_patience_spent(1)
    assert not course_of(0.2, 0.6, 0.1, 0.5).is_patience_spent(3)
    assert course_of(0.2, 0.6, 0.1, 0.5, 0.6).is_patience_spent(3)


def test_a_history_that_was_written_is_read_back(tmp_path: Path) -> None:
    course = course_of(0.2, 0.6)
    path = tmp_path / "history.json"
    path.write_text(json.dumps(course.to_json()))
    assert read_history(path, selected_on="test") == course  # the file says itself which split it was


def test_a_history_that_was_never_looked_into_is_read(tmp_path: Path) -> None:
    """Version 0.2.0 wrote no `inside`."""
    entries = course_of(0.2, 0.6).to_json()
    for entry in entries:
        del entry["inside"]
    path = tmp_path / "history.json"
    path.write_text(json.dumps(entries))
    read = read_history(path, selected_on="dev")
    assert [one.inside for one in read.history] == [{}, {}]
    assert read.best.epoch == 2


@pytest.mark.parametrize("selected_on", ["dev", "test"])
def test_a_history_of_the_version_before_is_read(selected_on: str, tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    teachers = old_entry(epoch=2, dev_w_f1=0.4, modality_weights={})
    path.write_text(json.dumps([old_entry(), teachers]))
    course = read_history(path, selected_on=selected_on)
    assert course.history[0] == EpochRecord(
        epoch=1,
        losses={"total": 2.0},
        learning_rate=0.01,
        selected_on=selected_on,
        loss=1.25,
        w_f1=0.5,
        drawn={"kept_experts": KEPT, "modality_weights": WEIGHTS},
    )
    assert course.history[1].drawn == {"kept_experts": KEPT}
    assert course.best.epoch == 1


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[",
        "{}",
        "[]",
        "7",
        "[7]",
        "[{}]",
        json.dumps([{"dev_w_f1": 0.5}]),
        json.dumps([{"epoch": 1, "w_f1": 0.5}]),
    ],
)
def test_what_is_no_history_is_refused_with_its_remedy(content: str, tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(content)
    with pytest.raises(
        TrainingError, match=rf"(?s){path} cannot be read as the history .*; train that model again"
    ):
        read_history(path, selected_on="dev")


def test_a_history_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="absent.json cannot be read .*train that model again"):
        read_history(tmp_path / "absent.json", selected_on="dev")
