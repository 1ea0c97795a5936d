"""One `summer-train` command, carried out: what was typed becomes an experiment, shown while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from pipelines.console import INTERRUPTED, REFUSED, clean_stop, speaks
from pipelines.devices import device_named
from pipelines.recipe import load_recipe
from pipelines.train.command import TrainingOrder, how_to_resume
from pipelines.train.display import audience_of, print_run
from summer.corpus import Modality
from summer.processes import alike, is_raised_by_all, part
from summer.runs.experiment import Experiment, run_experiment
from summer.runs.folder import RunError
from summer.training.history import Stopped
from summer.training.models import STUDENT, TEACHER, kind_of
from summer.training.seed import Settings

STAGES = (TEACHER, STUDENT, "all")
MOST_SEEDS = 1000


def carry_out(order: TrainingOrder) -> int:
    """Train and measure every seed.

    Returns:
        The exit status: 0 done, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console, started = Console(soft_wrap=True, quiet=not speaks()), time.monotonic()
    if not speaks():
        logging.getLogger("summer").setLevel(logging.ERROR)
    with errors_said_once():
        with alike():
            experiment = experiment_of(order)
        with clean_stop(lambda: None) as should_stop:
            try:
                run = run_experiment(experiment, audience_of(console, experiment.out, should_stop))
            except Stopped:
                console.print(f"stopped; {how_to_resume()}", highlight=False, markup=False)
                part()
                return INTERRUPTED
    part()
    print_run(console, run)
    console.print(f"{time.monotonic() - started:.0f} s in all", highlight=False)
    return 0


@contextmanager
def errors_said_once() -> Iterator[None]:
    """Of several processes the first says what all of them raise; what one alone raises, it says itself."""
    try:
        yield
    except ValueError as error:
        if speaks() or not is_raised_by_all(error):
            raise
        raise typer.Exit(REFUSED) from error


def experiment_of(order: TrainingOrder) -> Experiment:
    """What the options ask for.

    Raises:
        ValueError: options that cannot be; the message names them and the remedy.
    """
    models = _models(order)
    return Experiment(
        stores=_store_paths(order),
        out=order.out,
        settings=_settings(order, models),
        models=models,
        seeds=parse_seeds(order.seeds),
        teacher_run=order.teacher,
        finished_teachers=order.stage == STUDENT,
        device=order.device if order.device == "auto" else device_named(order.device),
        precision=order.precision,
        resume=order.resume,
        overwrite=order.overwrite,
        projection=order.projection,
        distributions=order.distributions,
        notes={"recipe": order.recipe, "overrides": list(order.overrides)},
    )


def parse_seeds(text: str) -> list[int]:
    """`0-4` or `0,3` to a list, in order, each once.

    Raises:
        RunError: anything else.
    """
    try:
        return sorted({seed for part in text.split(",") for seed in _range(part)})
    except ValueError as error:
        raise RunError(f"seeds {text!r}: write them as 0-4 or 0,3, {MOST_SEEDS} at most") from error


def _range(part: str) -> Sequence[int]:
    first, dash, last = part.strip().partition("-")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not 0 < len(seeds) <= MOST_SEEDS:
        raise ValueError(part)
    return seeds


def _models(order: TrainingOrder) -> list[str]:
    if order.stage not in STAGES:
        raise RunError(f"stage {order.stage!r} is not one of {', '.join(STAGES)}")
    if not order.models:
        return [TEACHER] if order.stage == TEACHER else [TEACHER, STUDENT]
    if order.stage != "all":
        raise RunError(f"--stage {order.stage} and --model say what is trained in two ways; give one")
    for model in order.models:
        kind_of(model)  # an unknown one is refused by its name, before an option of it would be
    return list(dict.fromkeys(order.models))


def _settings(order: TrainingOrder, models: Sequence[str]) -> Settings:
    overrides = list(order.overrides)
    if order.modality is not None:
        overrides.append(f"model.teacher={order.modality}")
    if order.select_on is not None:
        overrides += [f"{model}.select_on={order.select_on}" for model in {TEACHER, STUDENT, *models}]
    if order.test_curve:
        overrides += [f"{model}.test_curve=true" for model in {TEACHER, STUDENT, *models}]
    return load_recipe(order.recipe, overrides).settings


def folder_of_features(named: Path | None, recipe: str) -> Path:
    """The folder of the stores: the one that was named, else that of the recipe."""
    return named or Path("data/stores") / Path(recipe).stem


def stores_in(folder: Path) -> list[Path]:
    """The stores of a folder, in the order of modalities."""
    return [path for m in Modality if (path := folder / f"{m.value}.h5").is_file()]


def _store_paths(order: TrainingOrder) -> list[Path]:
    if order.stores and order.features is None:
        return list(order.stores)
    folder = folder_of_features(order.features, order.recipe)
    found = stores_in(folder)
    if not found and not order.stores:
        raise RunError(
            f"there is no feature store in {folder}; make some with summer-extract, or name their folder "
            "with --features"
        )
    return [*found, *order.stores]
