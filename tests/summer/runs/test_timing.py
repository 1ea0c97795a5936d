"""Seconds of each epoch are kept beside the history, and survive a training that was stopped."""

from __future__ import annotations

import time
from pathlib import Path

from summer.runs.timing import median_epoch, read_times, timed
from summer.training.history import EpochRecord
from tests.summer.made_up_training import Log


def record(epoch: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch, losses={}, learning_rate=0.1, selected_on="dev", loss=0.0, w_f1=0.5, drawn={}
    )


def test_an_epoch_is_the_time_since_the_one_before_and_the_watch_is_told_all_the_same(tmp_path: Path) -> None:
    log, started = Log(), time.monotonic()
    watch = timed(log.watch(), tmp_path)
    for epoch in (1, 2):
        time.sleep(0.05)
        watch.on_epoch("mlp", record(epoch))
    took = read_times(tmp_path, "mlp")
    assert [one.epoch for one in took] == [1, 2]
    assert all(one.seconds >= 0.05 for one in took)
    assert sum(one.seconds for one in took) <= time.monotonic() - started
    assert [told.epoch for _, told in log.epochs] == [1, 2]
    assert read_times(tmp_path, "student") == []


def test_an_epoch_that_is_done_again_takes_the_place_of_its_first_time(tmp_path: Path) -> None:
    for epochs in ((1, 2, 3), (3, 4)):
        watch = timed(Log().watch(), tmp_path)
        for epoch in epochs:
            watch.on_epoch("mlp", record(epoch))
    assert [one.epoch for one in read_times(tmp_path, "mlp")] == [1, 2, 3, 4]


def test_the_median_is_over_seeds_and_without_the_look_before_the_first_step(tmp_path: Path) -> None:
    assert median_epoch([tmp_path], "mlp") is None
    for seed, epochs in enumerate(((0, 1, 2), (0, 1))):
        watch = timed(Log().watch(), tmp_path / f"seed{seed}")
        for epoch in epochs:
            watch.on_epoch("mlp", record(epoch))
    median = median_epoch([tmp_path / "seed0", tmp_path / "seed1"], "mlp")
    assert median is not None
    assert median.epochs == 3
