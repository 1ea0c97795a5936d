"""One seed, from features to predictions: the teacher, then, guided by it, the student.

Paper: sections 3.5, 3.6 and 4.3. A folder a seed holds what is finished: `teacher.safetensors`,
`student.safetensors` and a history of each; a run that was stopped goes on from there. The test split is
looked at once, after the epoch was chosen.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from summer.corpus import Split
from summer.durable import write_aside
from summer.evaluation.predictions import Predictions
from summer.model.assembly import build_student, build_teacher
from summer.options import LossWeights, ModelOptions, TrainingOptions
from summer.training.checkpoints import (
    Origin,
    TrainedModel,
    check_features,
    check_teacher,
    load_model,
    save_model,
)
from summer.training.history import Course, TrainingError, Watch
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import Material, sizes_of
from summer.training.stages import Stage, StudentStage, TeacherStage, weights_of_classes
from summer.training.trainer import train

LOGGER = logging.getLogger(__name__)
SCORED_SPLITS = (Split.DEV, Split.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All numbers of a training."""

    model: ModelOptions
    teacher: TrainingOptions
    student: TrainingOptions
    distillation: LossWeights

    def to_json(self) -> dict[str, Any]:
        """As a recipe's tables."""
        entries: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where one seed is trained.

    Args:
        accelerator: makes one for a stage.
        folder: of the seed.
    """

    seed: int
    accelerator: Callable[[], Accelerator]
    folder: Path
    watch: Watch


def obtain_teacher(material: Material, settings: Settings, place: Workplace) -> TrainedModel:
    """The seed's teacher: read where it is finished, trained otherwise.

    Raises:
        TrainingError: its modality is not there, or training cannot go on.
        CheckpointError: a finished one was made of other features, or otherwise than this run would.
    """
    modality = settings.model.teacher
    if modality not in material.conversations.features:
        raise TrainingError(
            f"the teacher's modality {modality.value} has no store; there is "
            f"{', '.join(material.conversations.features)}: choose one with --modality"
        )
    path = place.folder / "teacher.safetensors"
    if path.is_file():
        found = _read_finished(path, material)
        check_teacher(found, path, settings.model, material.identities)
        return found
    sizes = sizes_of(material, settings.model, (modality,))
    with torch.random.fork_rng():
        torch.manual_seed(place.seed)
        stage = TeacherStage(
            build_teacher(sizes),
            epsilon=settings.distillation.epsilon,
            class_weights=_class_weights(material, settings.teacher),
        )
        course = _train(stage, material, settings.teacher, place)
    trained = TrainedModel(
        teacher=stage.model.eval().requires_grad_(False),
        teacher_sizes=sizes,
        student=None,
        student_sizes=None,
        labels=material.conversations.labels,
        identities=material.identities,
        standardisations={modality: material.standardisations[modality]},
        origin=_origin(material, settings, place, course, settings.teacher),
    )
    return _finished(trained, path, course, place.accelerator())


def obtain_student(
    material: Material, settings: Settings, place: Workplace, teacher: TrainedModel
) -> TrainedModel:
    """The seed's student: read where it is finished, trained otherwise.

    Raises:
        TrainingError: none of its modalities is there, or training cannot go on.
        CheckpointError: a finished one was made of other features.
    """
    path = place.folder / "student.safetensors"
    if path.is_file():
        return _read_finished(path, material)
    present = tuple(m for m in settings.model.student if m in material.conversations.features)
    if not present:
        raise TrainingError(
            f"none of the student's modalities {', '.join(settings.model.student)} has a store; give one"
        )
    sizes = sizes_of(material, settings.model, present)
    with torch.random.fork_rng():
        torch.manual_seed(place.seed)
        stage = StudentStage(
            build_student(sizes),
            teacher=teacher.teacher,
            weights=settings.distillation,
            class_weights=_class_weights(material, settings.student),
            guidance=settings.model.guidance,
        )
        course = _train(stage, material, settings.student, place)
    trained = replace(
        teacher,
        student=stage.model.eval().requires_grad_(False),
        student_sizes=sizes,
        standardisations=dict(material.standardisations),
        origin=_origin(material, settings, place, course, settings.student),
    )
    return _finished(trained, path, course, place.accelerator())


def stage_of(trained: TrainedModel, settings: Settings) -> Stage:
    """The stage that a trained model was, to look at data with."""
    if trained.student is None:
        return TeacherStage(trained.teacher, epsilon=settings.distillation.epsilon, class_weights=None)
    return StudentStage(
        trained.student,
        teacher=trained.teacher,
        weights=settings.distillation,
        class_weights=None,
        guidance=settings.model.guidance,
    )


def look_at_split(
    material: Material, stage: Stage, split: Split, *, batch_dialogues: int, accelerator: Accelerator
) -> SplitOutlook | None:
    """What a stage says of a split; None where the corpus has no such split."""
    batches = material.dealer.deal(split, size=batch_dialogues, generator=None)
    if not batches:
        return None
    return look_at(stage.to(accelerator.device), material.dealer, batches, accelerator)


def predictions_of(material: Material, outlook: SplitOutlook, stage: Stage, *, seed: int) -> Predictions:
    """An outlook as rows that can be scored and written."""
    utterances = [material.conversations.utterances[row] for row in outlook.rows]
    return Predictions(
        stage=stage.name,
        seed=seed,
        split=utterances[0].split,
        ids=tuple(utterance.id for utterance in utterances),
        dialogues=tuple(utterance.dialogue for utterance in utterances),
        truths=np.maximum(outlook.truths, -1).astype(np.int64),
        probabilities=outlook.probabilities,
    )


def _train(stage: Stage, material: Material, options: TrainingOptions, place: Workplace) -> Course:
    return train(
        stage,
        material.dealer,
        options=options,
        seed=place.seed,
        accelerator=place.accelerator(),
        folder=place.folder / f"{stage.name}-progress",
        watch=place.watch,
    )


def _finished(trained: TrainedModel, path: Path, course: Course, accelerator: Accelerator) -> TrainedModel:
    """Keep the model and its history; what was needed to go on is needed no more."""
    accelerator.wait_for_everyone()  # another process may still read its best weights
    if accelerator.is_main_process:
        history = json.dumps([asdict(record) for record in course.history], indent=1)
        write_aside(path.with_name(f"{path.stem}-history.json"), history.encode())
        save_model(path, trained)
        _forget_progress(path)
    accelerator.wait_for_everyone()
    return trained


def _read_finished(path: Path, material: Material) -> TrainedModel:
    """A finished model that fits; what a kill left of its training goes."""
    trained = load_model(path)
    check_features(trained, path, material.conversations)
    _forget_progress(path)
    return trained


def _forget_progress(path: Path) -> None:
    shutil.rmtree(path.with_name(f"{path.stem}-progress"), ignore_errors=True)


def _class_weights(material: Material, options: TrainingOptions) -> torch.Tensor | None:
    classes = len(material.conversations.labels)
    return weights_of_classes(material.training_truths, classes=classes, weighting=options.class_weights)


def _origin(
    material: Material, settings: Settings, place: Workplace, course: Course, options: TrainingOptions
) -> Origin:
    return Origin(
        corpus=material.conversations.corpus,
        protocol=material.conversations.protocol,
        fingerprints=material.conversations.fingerprints,
        settings=settings.to_json(),
        seed=place.seed,
        selected_on=options.select_on.value,
        epoch=course.best_epoch,
        dev_w_f1=course.best_w_f1,
    )
