"""One `summer-extract` command, carried out: recipe, corpus, an extractor a modality, engine, report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from extraction.corpora import Corpus, open_corpus
from extraction.engines import Engine, InProcess, LocalProcesses, stop_workers_at_once
from extraction.plan import Job, Shard
from extraction.run import Report, extract
from pipelines.console import INTERRUPTED, clean_stop
from pipelines.extract.display import (
    print_plan,
    print_report,
    print_tuning_plan,
    progress_bar,
    tuning_lines,
)
from pipelines.extractors import Setting, build_extractor
from pipelines.recipe import ReductionRecipe, load_recipe, recipe_of_dataset
from summer.corpus import LabelSet, Modality
from summer.reduction import Method, RawRows, fit_reducer
from summer.store import Rows

DONE, LEFT_UNDONE, UNEXPECTED_FAILURES = 0, 1, 3
CORES_PER_CUDA_WORKER, MOST_CUDA_WORKERS = 4, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The command line's options, as `summer-extract --help` describes them."""

    dataset: str
    modality: str
    root: Path | None
    out: Path
    recipe: str | None
    overrides: tuple[str, ...]
    device: str
    workers: int | None
    batch_size: int | None
    shard: str | None
    limit: int | None
    retry_failed: bool
    overwrite: bool
    strict: bool
    keep_crops: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class RecipeReduction:
    """The reduction that a recipe asks for, as the run wants it."""

    method: Method
    recipe: ReductionRecipe

    @property
    def wanted(self) -> dict[str, str]:
        """What the store must say of its reduction."""
        return {"method": self.recipe.method, "width": str(self.recipe.width), "seed": str(self.recipe.seed)}

    def __call__(
        self, raw: NDArray[np.float32], rows: Rows, labels: LabelSet, path: Path
    ) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Fit on the training rows, save the reducer at `path`, reduce all rows."""
        raw_rows = RawRows(features=raw, usable=rows.usable, utterances=rows.utterances)
        reducer = fit_reducer(
            self.method, raw_rows, labels=labels, width=self.recipe.width, seed=self.recipe.seed
        )
        reducer.save(path)
        reduced = reducer.apply(raw_rows)
        return reduced, {**reducer.description, **self.wanted}


def carry_out(order: Order) -> int:
    """Extract the modalities asked for, one after the other.

    Returns:
        The exit status: 0 done, 1 rows left undone, 3 unexpected failures with --strict, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True)
    modalities = _modalities(order.modality)
    recipe = load_recipe(order.recipe or recipe_of_dataset(order.dataset), order.overrides)
    device = _device(order.device)
    corpus = open_corpus(order.dataset, order.root, recipe.corpus)
    _print_corpus(console, corpus)
    worst = DONE
    for modality in modalities:
        setting = Setting(
            recipe=recipe,
            corpus=corpus,
            folder=order.out / corpus.name,
            device=device,
            batch_size=order.batch_size,
            keep_crops=order.keep_crops,
            on_tuning=tuning_lines(console),
        )
        status = _one_modality(console, order, modality, setting)
        if status == INTERRUPTED:
            return status
        worst = max(worst, status)
    return worst


def _one_modality(console: Console, order: Order, modality: Modality, setting: Setting) -> int:
    engine, workers = _engine(order.workers, setting.device)
    if order.dry_run and modality is Modality.TEXT and setting.recipe.text.mode == "tuned":
        print_tuning_plan(console, setting)
        return DONE
    job = Job(
        corpus=setting.corpus,
        extractor=build_extractor(modality, setting),
        folder=setting.folder,
        shard=_shard(order.shard),
        limit=order.limit,
        retry_failed=order.retry_failed,
        overwrite=order.overwrite,
    )
    if order.dry_run:
        print_plan(console, job, workers)
        return DONE
    recipe: ReductionRecipe = getattr(setting.recipe.reduction, modality.value)
    reduction = RecipeReduction(recipe.method, recipe) if recipe.method != "none" else None
    with clean_stop(stop_workers_at_once) as should_stop, progress_bar(console, modality.value) as show:
        report = extract(job, engine, reduction=reduction, on_progress=show, should_stop=should_stop)
        stopped = should_stop()
    print_report(console, job, report, stopped=stopped)
    if stopped:
        return INTERRUPTED
    return _exit_status(report, setting.corpus, strict=order.strict)


def _exit_status(report: Report, corpus: Corpus, *, strict: bool) -> int:
    if report.errors or report.missing_rows:
        return LEFT_UNDONE
    known = {problem.where for problem in corpus.problems if problem.known}
    if strict and any(name not in known for name, _, _ in report.failed):
        return UNEXPECTED_FAILURES
    return DONE


def _modalities(name: str) -> list[Modality]:
    if name == "all":
        return list(Modality)
    if name not in [modality.value for modality in Modality]:
        raise ValueError(f"modality {name!r} is not one of text, audio, video, all")
    return [Modality(name)]


def _device(name: str) -> str:
    present = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name == "auto":
        return present[min(1, len(present) - 1)]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise ValueError(f"device {name!r} is not here; torch sees {', '.join(present)}")
    return wanted


def _engine(workers: int | None, device: str) -> tuple[Engine, int]:
    cores = len(os.sched_getaffinity(0))
    if workers is None:
        most = max(1, min(MOST_CUDA_WORKERS, cores // CORES_PER_CUDA_WORKER))
        workers = cores if device == "cpu" else most
    if workers == 0:
        return InProcess(), 0
    return LocalProcesses(workers=workers, threads=max(1, cores // workers)), workers


def _shard(text: str | None) -> Shard | None:
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit()):
        raise ValueError(f"shard {text!r}: write I/N, such as 3/16")
    return Shard(int(number), int(count))


def _print_corpus(console: Console, corpus: Corpus) -> None:
    new = [problem for problem in corpus.problems if not problem.known]
    console.print(
        f"{corpus.name} ({corpus.protocol}): {len(corpus.clips)} utterances, "
        f"{len(corpus.problems) - len(new)} known problems, {len(new)} new",
        highlight=False,
    )
    for problem in new[:5]:
        console.print(f"  {problem.where}: {problem.what}; {problem.remedy}", highlight=False, markup=False)
    if len(new) > 5:
        console.print(f"  and {len(new) - 5} more: summer-data check lists all", highlight=False)
