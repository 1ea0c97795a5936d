"""One `summer-extract` command, carried out: recipe, corpus, one extractor per modality, engine, report."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from extraction.corpora import Corpus, open_corpus
from extraction.engines import Engine, InProcess, LocalProcesses, stop_workers_at_once
from extraction.plan import Job, Shard
from extraction.run import Report, extract
from pipelines.console import INTERRUPTED, clean_stop
from pipelines.devices import device_named
from pipelines.extract.command import ExtractionOrder
from pipelines.extract.display import (
    print_corpus,
    print_plan,
    print_report,
    print_tuning_plan,
    progress_bar,
    tuning_lines,
)
from pipelines.extract.reduction import RecipeReduction, reduction_of
from pipelines.extractors import Setting, build_extractor
from pipelines.recipe import load_recipe, recipe_of_dataset
from summer.corpus import Modality
from summer.threads import cores, share

DONE, LEFT_UNDONE, UNEXPECTED_FAILURES, NOT_REDUCED = 0, 1, 3, 4
ENGINES = ("local", "ray")
CORES_PER_CUDA_WORKER, MOST_CUDA_WORKERS = 4, 4


def carry_out(order: ExtractionOrder) -> int:
    """Extract the modalities asked for, one after the other.

    Returns:
        The exit status: 0 done, 1 rows left undone, 3 unexpected failures with --strict, 4 raw vectors only
        because no reducer can be fitted, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True)
    modalities = _modalities(order.modality)
    console.print(f"reading {order.dataset}", highlight=False)  # before what takes seconds
    recipe = load_recipe(order.recipe or recipe_of_dataset(order.dataset), order.overrides)
    device = _device(order)
    corpus = open_corpus(order.dataset, order.root, recipe.corpus)
    print_corpus(console, corpus)
    # of all modalities, before hours go into the first
    reductions = [reduction_of(recipe.reduction, modality, corpus.clips) for modality in modalities]
    worst = DONE
    for modality, reduction in zip(modalities, reductions, strict=True):
        setting = Setting(
            recipe=recipe,
            corpus=corpus,
            folder=order.out / corpus.name,
            device=device,
            batch_size=order.batch_size,
            keep_crops=order.keep_crops,
            on_tuning=tuning_lines(console),
        )
        status = _one_modality(console, order, modality, setting, reduction=reduction)
        if status == INTERRUPTED:
            return status
        worst = max(worst, status)
    return worst


def _one_modality(
    console: Console,
    order: ExtractionOrder,
    modality: Modality,
    setting: Setting,
    *,
    reduction: RecipeReduction | None,
) -> int:
    # openSMILE knows no GPU: sound gets a worker a core wherever it is heard
    engine, workers = _engine(order, "cpu" if modality is Modality.AUDIO else setting.device)
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
        fetched_gib=order.fetched_gib,
    )
    if order.dry_run:
        print_plan(console, job, workers)
        return DONE
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
    return NOT_REDUCED if report.not_reduced else DONE


def _modalities(name: str) -> list[Modality]:
    if name == "all":
        return list(Modality)
    if name not in [modality.value for modality in Modality]:
        raise ValueError(f"modality {name!r} is not one of text, audio, video, all; correct --modality")
    return [Modality(name)]


def engine_for(workers: int | None, device: str) -> tuple[Engine, int]:
    """An engine, and how many worker processes it has: by default as many as the machine can feed."""
    if workers is None:
        most = max(1, min(MOST_CUDA_WORKERS, cores() // CORES_PER_CUDA_WORKER))
        workers = cores() if device == "cpu" else most
    if workers == 0:
        return InProcess(), 0
    return LocalProcesses(workers=workers, threads=share(workers)), workers


def _engine(order: ExtractionOrder, device: str) -> tuple[Engine, int | None]:
    """The engine asked for, and how many workers it has; None: as many as a cluster has room for."""
    if order.engine == "local" and order.address is None:
        return engine_for(order.workers, device)
    if order.engine == "local":
        raise ValueError(
            f"--address {order.address} is of a cluster; give --engine ray as well, or leave it out"
        )
    if order.workers == 0:
        raise ValueError("--workers 0 is for --engine local; give 1 or more, or leave it out")
    from extraction.engines.ray import RayCluster

    address = order.address or os.environ.get("RAY_ADDRESS", "")
    on_gpu = device != "cpu"
    of_each, gpus = (CORES_PER_CUDA_WORKER, 1 / MOST_CUDA_WORKERS) if on_gpu else (1, 0.0)
    return (
        RayCluster(address=address, actors=order.workers, cores=of_each, gpus=gpus, shared=_shared(order)),
        order.workers,
    )


def _shared(order: ExtractionOrder) -> tuple[Path, ...]:
    """The folder that actors keep crops in."""
    return (order.out,) if order.keep_crops else ()


def _device(order: ExtractionOrder) -> str:
    if order.engine not in ENGINES:
        raise ValueError(f"engine {order.engine!r} is not one of {', '.join(ENGINES)}; correct --engine")
    if order.engine == "ray" and order.device.startswith("cuda"):
        if order.device != "cuda":
            raise ValueError(f"--device {order.device}: which GPU is for Ray to say; give --device cuda")
        return "cuda:0"  # of those that Ray lets an actor see; this machine may have none
    return device_named(order.device)


def _shard(text: str | None) -> Shard | None:
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit()):
        raise ValueError(f"shard {text!r} is not a share of a whole; write I/N, such as 3/16")
    return Shard(int(number), int(count))
