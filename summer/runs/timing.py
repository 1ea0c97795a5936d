"""How long each epoch of a model took, on how many threads: `seed<N>/<model>-seconds.json`, by its history.

It is no part of the history, which is the same to the byte however often a training is stopped and resumed.
An epoch is all that lies between the ends of two: its steps, the look at the split that chooses, and what is
saved; the first one of a process also building the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from summer.durable import json_of, write_aside
from summer.threads import in_use
from summer.training.history import EpochRecord, TrainingError, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTime:
    """One epoch.

    Args:
        seconds: by the clock on the wall.
        processor_seconds: of all threads of the process.
        threads: that it computed with; None where it was not noted.
    """

    epoch: int
    seconds: float
    processor_seconds: float
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianEpoch:
    """The median of several epochs, each number by itself; fields are those of `EpochTime`."""

    epochs: int
    seconds: float
    processor_seconds: float


def timed(watch: Watch, folder: Path) -> Watch:
    """The same watch, which also keeps the times of each model's epochs in the folder of a seed."""
    last = {"wall": time.monotonic(), "processor": time.process_time()}

    def on_epoch(model: str, record: EpochRecord) -> None:
        now = {"wall": time.monotonic(), "processor": time.process_time()}
        took = EpochTime(
            epoch=record.epoch,
            seconds=now["wall"] - last["wall"],
            processor_seconds=now["processor"] - last["processor"],
            threads=in_use(),
        )
        _keep(folder / f"{model}-seconds.json", took)
        last.update(now)
        watch.on_epoch(model, record)

    return replace(watch, on_epoch=on_epoch)


def read_times(folder: Path, model: str) -> list[EpochTime]:
    """The epochs of a model of one seed, in order; none where they are not known.

    Raises:
        TrainingError: the file is damaged.
    """
    path = folder / f"{model}-seconds.json"
    if not path.is_file():
        return []
    try:
        return [EpochTime(**entry) for entry in json_of(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path} holds no times of epochs ({error}); delete it") from error


def median_epoch(folders: Sequence[Path], model: str) -> MedianEpoch | None:
    """The median epoch over seeds, without epoch 0, which is a look and no training; None without any."""
    times = [took for folder in folders for took in read_times(folder, model) if took.epoch > 0]
    if not times:
        return None
    return MedianEpoch(
        epochs=len(times),
        seconds=median(took.seconds for took in times),
        processor_seconds=median(took.processor_seconds for took in times),
    )


def _keep(path: Path, took: EpochTime) -> None:
    """Add an epoch; one that was done before, and lost by a kill, takes the place of its first time."""
    earlier = read_times(path.parent, path.name.removesuffix("-seconds.json"))
    times = [*(one for one in earlier if one.epoch < took.epoch), took]
    write_aside(path, json.dumps([asdict(one) for one in times], indent=1).encode())
