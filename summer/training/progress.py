"""Where a training stands, on the disk: one folder per epoch, written aside and renamed; the last one is
kept.

accelerate writes weights, optimiser, schedule and random states; `progress.json` says how the training went
and is the last file of a whole folder. The weights of the best epoch lie beside it. Of several processes the
main one writes: random states are seeded each epoch, and all the rest is the same in each.
"""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from summer.durable import check_free_space, explained_disk_errors, first_line, json_of
from summer.processes import processes_of
from summer.training.history import Course, EpochRecord, TrainingError
from summer.training.stages import Stage

LOGGER = logging.getLogger(__name__)
DAMAGE = (
    *(OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, MemoryError),
    *(SafetensorError, pickle.UnpicklingError),
)
STATES_OF_A_PARAMETER = 4  # itself, the best so far, and two moments of Adam; float32 each
EPOCH, PROGRESS, BEST = "epoch", "progress.json", "best.safetensors"


def save_progress(
    accelerator: Accelerator, folder: Path, stage: Stage, course: Course, *, is_best: bool
) -> None:
    """Write where the training stands; a kill leaves the epoch before or this one.

    Raises:
        DiskError: the disk is full or refuses.
    """
    processes_of(accelerator).by_main(partial(_write, accelerator, folder, stage, course, is_best=is_best))


def _write(accelerator: Accelerator, folder: Path, stage: Stage, course: Course, *, is_best: bool) -> None:
    epoch = course.last_epoch
    aside = folder / f".{EPOCH}-{epoch}.tmp"
    parameters = sum(parameter.numel() for parameter in stage.parameters())
    check_free_space(aside, needed_bytes=4 * parameters * STATES_OF_A_PARAMETER)
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            best_aside = folder / f".{BEST}.tmp"
            save_file(_weights(stage), best_aside)
            best_aside.replace(folder / BEST)
        with _refusing_company(aside):
            accelerator.save_state(str(aside))
        (aside / PROGRESS).write_text(json.dumps({"history": course.to_json()}), encoding="utf-8")
        aside.rename(folder / f"{EPOCH}-{epoch}")
        for old in _epochs(folder)[:-1]:
            shutil.rmtree(old)


@contextmanager
def _refusing_company(aside: Path) -> Iterator[None]:
    """Say what it means where a folder that is being written is gone.

    Raises:
        TrainingError: another run is at work on the same training.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if aside.is_dir():
            raise
        raise TrainingError(
            f"{aside} was removed while it was written: another run is at work on this training; wait for "
            "it, then go on with --resume, or give another --out"
        ) from error


def load_progress(accelerator: Accelerator, folder: Path, stage: Stage) -> Course:
    """Go on from the last epoch on the disk, or from nothing.

    Raises:
        TrainingError: it is damaged, or of another model.
    """
    processes = processes_of(accelerator)
    processes.by_main(lambda: _forget_half_written(folder))
    return processes.together(lambda: _read(accelerator, folder, stage))


def _forget_half_written(folder: Path) -> None:
    for half_written in folder.glob(f".{EPOCH}-*.tmp"):
        shutil.rmtree(half_written, ignore_errors=True)


def _read(accelerator: Accelerator, folder: Path, stage: Stage) -> Course:
    found = _epochs(folder)
    if not found:
        return Course()
    try:
        progress: dict[str, Any] = json_of((found[-1] / PROGRESS).read_text(encoding="utf-8"))
        for pickled in found[-1].glob("custom_checkpoint_*.pkl"):  # which accelerate would run as a program
            torch.load(pickled, map_location="cpu", weights_only=True)
        accelerator.load_state(str(found[-1]))
        history = [EpochRecord(**record) for record in progress["history"]]
    except DAMAGE as error:
        raise TrainingError(
            f"{found[-1]} is damaged or of another version, so that training cannot resume from it "
            f"({first_line(error)}); delete {folder} and train the {stage.name} again"
        ) from error
    course = Course(history=history)
    LOGGER.info("%s: going on after epoch %d", stage.name, course.last_epoch)
    return course


def load_best(folder: Path, stage: Stage) -> None:
    """Give the stage's model the weights of its best epoch."""
    stage.model.load_state_dict(load_file(folder / BEST))


def _weights(stage: Stage) -> dict[str, Any]:
    return {name: value.detach().cpu().contiguous() for name, value in stage.model.state_dict().items()}


def _epochs(folder: Path) -> list[Path]:
    whole = [path for path in folder.glob(f"{EPOCH}-*") if (path / PROGRESS).is_file()]
    return sorted(whole, key=lambda path: int(path.name.rpartition("-")[2]))
