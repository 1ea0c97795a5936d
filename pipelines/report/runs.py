"""A run as a report shows it: its settings, histories, times and figures, read from its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.report.given import GivenRun
from summer.report.document import Picture
from summer.report.sections.run import EpochCost, ReportedRun
from summer.runs.folder import seed_folder
from summer.runs.timing import median_epoch
from summer.training.history import read_history

FIGURES = {
    "projection-{model}.png": "Test utterances by t-SNE, before and after {model} (the paper's figure 6)",
    "distributions.png": "The student's features beside the teacher's while it learns (the paper's figure 7)",
}


def reported(given: GivenRun) -> ReportedRun:
    """Read what is to be shown.

    Raises:
        ValueError: a history that is damaged.
    """
    run = given.run
    seeds = sorted({one.seed for one in run.predictions})
    folders = [seed_folder(run.path, seed) for seed in seeds]
    return ReportedRun(
        name=given.name,
        predictions=run.predictions,
        labels=run.labels,
        selected_on=run.selected_on,
        facts=list(_facts(given, seeds)),
        results=run.results,
        histories={
            model: [
                read_history(path, selected_on=run.selected_on).to_json()
                for folder in folders
                if (path := folder / f"{model}-history.json").is_file()
            ]
            for model in run.models
        },
        costs={
            model: EpochCost(
                epochs=cost.epochs, seconds=cost.seconds, processor_seconds=cost.processor_seconds
            )
            for model in run.models
            if (cost := median_epoch(folders, model)) is not None
        },
        figures=list(_figures(folders[0], run.models, seeds[0])),
    )


def _facts(given: GivenRun, seeds: Sequence[int]) -> Iterator[tuple[str, str]]:
    yield "folder", str(given.run.path)
    yield from given.run.origin.items()
    yield "models", ", ".join(given.run.models)
    yield "seeds", ", ".join(map(str, seeds))
    yield "epoch chosen on", given.run.selected_on.value
    for key in ("recipe", "overrides", "precision", "commit"):
        value = given.record.get(key)
        if value:
            yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if versions := given.record.get("versions"):
        yield "versions", ", ".join(f"{name} {number}" for name, number in versions.items())
    read = given.record.get("stores", {})
    if read:
        yield "reads", ", ".join(read)


def _figures(folder: Path, models: Sequence[str], seed: int) -> Iterator[Picture]:
    for pattern, title in FIGURES.items():
        for model in models if "{model}" in pattern else models[:1]:
            path = folder / pattern.format(model=model)
            if path.is_file():
                told = f"{title.format(model=model)}, seed {seed}"
                yield Picture(told, told, path.read_bytes())
