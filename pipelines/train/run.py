"""One `summer-train` command, carried out: stores, teacher and student of each seed, and their results."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console

from pipelines.console import INTERRUPTED, clean_stop
from pipelines.recipe import load_recipe
from pipelines.train.command import TrainingOrder
from pipelines.train.display import (
    print_opening,
    print_run,
    training_display,
    write_projection,
)
from summer.conversations.reading import read_conversations
from summer.corpus import Modality, Split
from summer.evaluation.predictions import Predictions, read_predictions, write_predictions
from summer.runs.folder import (
    RunError,
    open_run,
    origin_of_program,
    parse_seeds,
    seed_folder,
    seeds_so_far,
)
from summer.runs.results import write_results
from summer.training.checkpoints import CheckpointError, TrainedModel
from summer.training.history import Stopped
from summer.training.preparation import Material, prepare
from summer.training.seed import (
    SCORED_SPLITS,
    Settings,
    Workplace,
    look_at_split,
    obtain_student,
    obtain_teacher,
    predictions_of,
    stage_of,
)

STAGES = ("teacher", "student", "all")
PRECISIONS = ("no", "bf16", "fp16")


def carry_out(order: TrainingOrder) -> int:
    """Train and measure every seed.

    Returns:
        The exit status: 0 done, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True)
    seeds, settings = _seeds(order), _settings(order)
    accelerator = partial(Accelerator, cpu=_is_cpu(order.device), mixed_precision=_precision(order.precision))
    material = prepare(read_conversations(_store_paths(order)), settings.model)
    record = _record(order, settings, material, seeds)
    _check_teachers(order, seeds)
    if accelerator().is_main_process:
        open_run(order.out, record, resume=order.resume, overwrite=order.overwrite)
        print_opening(console, material, order.out)
    accelerator().wait_for_everyone()
    started = time.monotonic()
    with clean_stop(lambda: None) as should_stop:
        for seed in seeds:
            folder = seed_folder(order.out, seed)
            with training_display(console, order.out / "tensorboard", seed, should_stop) as watch:
                place = Workplace(seed=seed, accelerator=accelerator, folder=folder, watch=watch)
                try:
                    _one_seed(order, material, settings, place)
                except Stopped:
                    console.print(f"stopped; {order.out} goes on with --resume", highlight=False)
                    return INTERRUPTED
    if accelerator().is_main_process:
        write_results(order.out, record, seeds, material.conversations.labels)
        print_run(console, order.out)
        console.print(f"{time.monotonic() - started:.0f} s in all", highlight=False)
    return 0


def _one_seed(order: TrainingOrder, material: Material, settings: Settings, place: Workplace) -> None:
    """Train what is not finished; look at dev and, once, at test."""
    path = place.folder / "predictions.csv"
    wanted = {"teacher"} if order.stage == "teacher" else {"teacher", "student"}
    if path.is_file() and wanted <= {one.stage for one in read_predictions(path)[0]}:
        return
    trained = [_teacher(order, material, settings, place)]
    if order.stage != "teacher":
        trained.append(obtain_student(material, settings, place, trained[0]))
    predictions = [one for model in trained for one in _predicted(order, material, settings, place, model)]
    if place.accelerator().is_main_process:
        write_predictions(path, predictions, material.conversations.labels)


def _teacher(order: TrainingOrder, material: Material, settings: Settings, place: Workplace) -> TrainedModel:
    if order.teacher is not None:
        place = replace(place, folder=seed_folder(order.teacher, place.seed))
    return obtain_teacher(material, settings, place)


def _predicted(
    order: TrainingOrder, material: Material, settings: Settings, place: Workplace, model: TrainedModel
) -> list[Predictions]:
    stage, accelerator = stage_of(model, settings), place.accelerator()
    found = []
    for split in SCORED_SPLITS:
        outlook = look_at_split(
            material,
            stage,
            split,
            batch_dialogues=settings.student.batch_dialogues,
            accelerator=accelerator,
        )
        if outlook is None:
            continue
        found.append(predictions_of(material, outlook, stage, seed=place.seed))
        if order.projection and split is Split.TEST and accelerator.is_main_process:
            write_projection(place.folder / f"projection-{stage.name}.png", material, outlook)
    return found


def _seeds(order: TrainingOrder) -> list[int]:
    """Those asked for; with --resume also those that the run was begun with."""
    return sorted({*parse_seeds(order.seeds), *(seeds_so_far(order.out) if order.resume else ())})


def _check_teachers(order: TrainingOrder, seeds: Sequence[int]) -> None:
    """See that each seed's teacher is there, where none is to be trained, before anything is overwritten."""
    if order.teacher is None and order.stage != "student":
        return
    run = order.teacher or order.out
    if order.overwrite and run.resolve() == order.out.resolve():
        raise RunError(f"--overwrite deletes {run} and the teachers that this command needs; leave it out")
    for seed in seeds:
        path = seed_folder(run, seed) / "teacher.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"there is no finished teacher at {path}; train it with --stage teacher, or give its run "
                "with --teacher"
            )


def _settings(order: TrainingOrder) -> Settings:
    overrides = list(order.overrides)
    if order.modality is not None:
        overrides.append(f"model.teacher={order.modality}")
    if order.select_on is not None:
        overrides += [f"{stage}.select_on={order.select_on}" for stage in ("teacher", "student")]
    if order.stage not in STAGES:
        raise RunError(f"stage {order.stage!r} is not one of {', '.join(STAGES)}")
    recipe = load_recipe(order.recipe, overrides)
    if recipe.teacher.select_on is not recipe.student.select_on:
        raise RunError(
            f"the teacher's epoch is chosen on {recipe.teacher.select_on}, the student's on "
            f"{recipe.student.select_on}; choose both on one split with --select-on"
        )
    return Settings(
        model=recipe.model, teacher=recipe.teacher, student=recipe.student, distillation=recipe.distillation
    )


def _store_paths(order: TrainingOrder) -> list[Path]:
    if order.stores and order.features is None:
        return list(order.stores)
    folder = order.features or Path("data/stores") / Path(order.recipe).stem
    found = [folder / f"{m.value}.h5" for m in Modality if (folder / f"{m.value}.h5").is_file()]
    if not found and not order.stores:
        raise RunError(
            f"there is no feature store in {folder}; make some with summer-extract, or name their folder "
            "with --features"
        )
    return [*found, *order.stores]


def _is_cpu(device: str) -> bool:
    present = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if device not in [*present, *(["cuda"] if torch.cuda.is_available() else [])]:
        raise RunError(f"device {device!r} is not here; torch sees {', '.join(present[1:])}")
    if device.startswith("cuda:"):
        os.environ["ACCELERATE_TORCH_DEVICE"] = device  # accelerate's way to be told which one
    return device == "cpu"


def _precision(name: str) -> str:
    if name not in PRECISIONS:
        raise RunError(f"precision {name!r} is not one of {', '.join(PRECISIONS)}")
    return name


def _record(
    order: TrainingOrder, settings: Settings, material: Material, seeds: Sequence[int]
) -> dict[str, Any]:
    conversations = material.conversations
    return {
        "corpus": conversations.corpus,
        "protocol": conversations.protocol,
        "labels": list(conversations.labels.names),
        "selected_on": settings.student.select_on.value,
        "seeds": list(seeds),
        "stage": order.stage,
        "teacher_run": None if order.teacher is None else str(order.teacher),
        "precision": order.precision,
        "recipe": order.recipe,
        "overrides": list(order.overrides),
        "settings": settings.to_json(),
        "stores": conversations.fingerprints,
        **origin_of_program(),
    }
