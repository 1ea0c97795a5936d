"""What a run leaves behind once its seeds are done.

predictions.csv, results.json, table.md, learning.json, and the figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summer.corpus import LabelSet, Split
from summer.durable import write_aside
from summer.evaluation.predictions import Predictions, models_of, read_predictions, write_predictions
from summer.evaluation.scores import results, seeds_of
from summer.report.figures import draw_confusion, draw_curves, draw_learning
from summer.report.tables import paper_table
from summer.runs.folder import seed_folder
from summer.training.history import Course, read_history
from summer.training.seed import SCORED_SPLITS


def write_results(out: Path, record: Mapping[str, Any], labels: LabelSet) -> None:
    """Write all that is known of the finished seeds of a run.

    Args:
        record: what run.json says.

    Raises:
        DiskError: the disk is full or refuses.
    """
    predictions = _in_order_of_models(
        [
            one
            for seed in record["seeds"]
            for one in read_predictions(seed_folder(out, seed) / "predictions.csv")[0]
        ],
        record["models"],
    )
    selected_on = Split(record["selected_on"])
    courses = _courses(out, record["seeds"], models_of(predictions), selected_on)
    write_predictions(out / "predictions.csv", predictions, labels)
    chosen = {model: [_chosen(course) for course in of_seeds] for model, of_seeds in courses.items()}
    summary = {**record, **results(predictions, labels), "chosen_epochs": chosen}
    write_aside(out / "results.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    write_aside(out / "table.md", _tables(predictions, labels, selected_on).encode())
    _draw(out, predictions, labels, courses)
    _write_learning(out, courses)


def _in_order_of_models(predictions: list[Predictions], models: Sequence[str]) -> list[Predictions]:
    """By seed, then by the run's order of models, whatever seed has which."""
    place = {model: number for number, model in enumerate(models)}
    return sorted(predictions, key=lambda one: place.get(one.model, len(place)))


def _courses(
    out: Path, seeds: Sequence[int], models: Sequence[str], selected_on: Split
) -> dict[str, list[Course]]:
    """By model, then seed; a teacher of another run has its history there."""
    found: dict[str, list[Course]] = {}
    for model in models:
        for seed in seeds:
            path = seed_folder(out, seed) / f"{model}-history.json"
            if path.is_file():
                found.setdefault(model, []).append(read_history(path, selected_on=selected_on))
    return found


def _chosen(course: Course) -> dict[str, Any]:
    """The epoch that was kept: its number, its score, and what the model wanted drawn."""
    best = course.best
    return {"epoch": best.epoch, "selected_on": best.selected_on, "w_f1": best.w_f1, **best.drawn}


def _tables(predictions: Sequence[Predictions], labels: LabelSet, selected_on: Split) -> str:
    return "\n".join(
        f"## {split}\n\n{paper_table(predictions, labels, split=split, selected_on=selected_on).markdown()}"
        for split in SCORED_SPLITS
        if any(one.split is split and (one.truths >= 0).any() for one in predictions)
    )


def _draw(
    out: Path,
    predictions: Sequence[Predictions],
    labels: LabelSet,
    courses: Mapping[str, Sequence[Course]],
) -> None:
    for model in models_of(predictions):
        found = seeds_of(predictions, model, Split.TEST)
        if found and (found[0].truths >= 0).any():
            draw_confusion(out / f"confusion-{model}.png", found, labels, title=f"{model}, test")
    if courses:
        histories = {model: [course.to_json() for course in of_seeds] for model, of_seeds in courses.items()}
        draw_curves(out / "curves.png", histories)


def _write_learning(out: Path, courses: Mapping[str, Sequence[Course]]) -> None:
    """What was seen inside of each model after each epoch; nothing where no history has it."""
    looked_into = {
        model: [course.to_json() for course in of_seeds]
        for model, of_seeds in courses.items()
        if any(record.inside for course in of_seeds for record in course.history)
    }
    if not looked_into:
        return
    learned = {
        model: [
            [{"epoch": epoch["epoch"], **epoch["inside"], **epoch["drawn"]} for epoch in history]
            for history in histories
        ]
        for model, histories in looked_into.items()
    }
    write_aside(out / "learning.json", json.dumps(learned, indent=1, ensure_ascii=False).encode())
    draw_learning(out / "learning.png", looked_into)
