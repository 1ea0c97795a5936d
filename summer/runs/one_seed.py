"""One seed of a run: every model trained or read, dev and test looked at, predictions and figures written.

What is predicted already, stays: a seed that is finished is not touched again. Test is looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from summer.corpus import Split
from summer.evaluation.predictions import Predictions, read_predictions, write_predictions
from summer.processes import processes_of
from summer.report.figures import draw_distributions, draw_projection
from summer.runs.folder import seed_folder
from summer.training.checkpoints import TrainedModel
from summer.training.models import STUDENT, TEACHER, kind_of
from summer.training.portraits import read_portraits
from summer.training.prediction import SplitOutlook
from summer.training.preparation import Material
from summer.training.seed import (
    SCORED_SPLITS,
    Workplace,
    look_at_split,
    obtain_model,
    portraits_folder,
    predictions_of,
)

if TYPE_CHECKING:
    from summer.runs.experiment import Experiment


def run_seed(experiment: Experiment, material: Material, place: Workplace) -> None:
    """Train what is not finished; look at dev and, once, at test.

    Raises:
        Stopped: the watch said so.
        ValueError: anything that the caller can mend; the message says how.
    """
    processes = processes_of(place.accelerator())
    path = place.folder / "predictions.csv"
    if processes.by_main(lambda: _predictions_so_far(path).keys() >= set(experiment.models)):
        return
    trained: dict[str, TrainedModel] = {}
    for name in experiment.models:
        needed = kind_of(name).needs
        trained[name] = obtain_model(
            name,
            material,
            experiment.settings,
            _place_of(experiment, name, place),
            needed=None if needed is None else trained[needed],
        )
    processes.by_main(lambda: _predict(experiment, material, place, trained))


def _predictions_so_far(path: Path) -> dict[str, list[Predictions]]:
    """Those of a seed by model; {} where there are none."""
    found: dict[str, list[Predictions]] = {}
    for one in read_predictions(path)[0] if path.is_file() else ():
        found.setdefault(one.model, []).append(one)
    return found


def _predict(
    experiment: Experiment, material: Material, place: Workplace, trained: Mapping[str, TrainedModel]
) -> None:
    path = place.folder / "predictions.csv"
    predicted = _predictions_so_far(path)
    predictions = [
        one
        for name, model in trained.items()
        for one in predicted.get(name) or _predicted(experiment, material, place, model)
    ]
    write_predictions(path, predictions, material.conversations.labels)
    if experiment.distributions and {TEACHER, STUDENT} <= trained.keys():
        _draw_distributions(material, place, trained)


def _place_of(experiment: Experiment, name: str, place: Workplace) -> Workplace:
    if name == TEACHER and experiment.teacher_run is not None:
        return replace(place, folder=seed_folder(experiment.teacher_run, place.seed))
    return place


def _predicted(
    experiment: Experiment, material: Material, place: Workplace, model: TrainedModel
) -> list[Predictions]:
    accelerator, found = place.accelerator(), []
    for split in SCORED_SPLITS:
        outlook = look_at_split(
            model, material.dealer, split, device=accelerator.device, autocast=accelerator.autocast
        )
        if outlook is None:
            continue
        found.append(predictions_of(material.conversations.utterances, outlook, model.name, seed=place.seed))
        if experiment.projection and split is Split.TEST:
            _draw_projection(place.folder / f"projection-{model.name}.png", material, outlook)
    return found


def _draw_distributions(material: Material, place: Workplace, trained: Mapping[str, TrainedModel]) -> None:
    """The student's features of the split that chose its epoch, early on and at the end, by the teacher's."""
    split, device = Split(trained[STUDENT].origin.selected_on), place.accelerator().device
    seen = {
        name: look_at_split(trained[name], material.dealer, split, device=device)
        for name in (TEACHER, STUDENT)
    }
    teacher, student = seen[TEACHER], seen[STUDENT]
    if teacher is None or student is None:
        return
    early = {
        f"epoch {portrait.epoch}": portrait.features
        for portrait in read_portraits(portraits_folder(place.folder, STUDENT))
        if portrait.epoch < trained[STUDENT].origin.epoch
    }
    best = {f"epoch {trained[STUDENT].origin.epoch}, kept": student.features}
    draw_distributions(place.folder / "distributions.png", teacher.features, {**early, **best})


def _draw_projection(path: Path, material: Material, outlook: SplitOutlook) -> None:
    """A split's features as they came, and as the model sees them."""
    conversations = material.conversations
    before = np.concatenate([one.vectors[outlook.rows] for one in conversations.features.values()], axis=1)
    draw_projection(
        path,
        {"features": before, "hidden states": outlook.features},
        truths=outlook.truths,
        labels=conversations.labels,
    )
