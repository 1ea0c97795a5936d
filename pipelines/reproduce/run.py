"""One `summer-reproduce` command, carried out: a job per system, and the page when they have ended."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from pipelines.console import INTERRUPTED, clean_stop, same_command
from pipelines.devices import device_named
from pipelines.recipe import Recipe, load_recipe
from pipelines.reproduce.command import ReproductionOrder
from pipelines.reproduce.display import print_jobs, told
from pipelines.reproduce.jobs import GIB_PER_JOB, Ended, Ending, Job, Yard, do_jobs, log_of
from pipelines.reproduce.page import FILES, Reproduction, write_page
from pipelines.reproduce.processes import LocalYard
from pipelines.reproduce.systems import SUMMER_RUN, Catalogue, System, catalogue
from pipelines.train.run import folder_of_features, parse_seeds, stores_in
from summer.conversations.reading import Conversations, read_conversations
from summer.corpus import Modality
from summer.durable import explained_disk_errors, holder_of, json_of, opened_lock, taken, write_aside
from summer.runs.folder import RunError
from summer.threads import cores, share
from summer.training.preparation import prepare

DONE, INCOMPLETE = 0, 1
ENGINES = ("local", "ray")
RECORD, LOCK = "reproduction.json", ".lock"
OWN = (*FILES, "runs", "jobs", RECORD)  # the record goes last: a folder that is half deleted is still ours
SECONDS_FOR_THE_LOCK = 30.0


def carry_out(order: ReproductionOrder) -> int:
    """Do what is not done, and write the page.

    Returns:
        The exit status: 0 whole, 1 some systems failed, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True)
    _check_engine(order)
    task = _task_of(order)
    jobs = [_job(order, task, system) for system in task.catalogue.systems]
    if order.dry_run:
        print_jobs(console, jobs)
        return DONE
    with _locked(order) as lock:
        _begin(order, task)
        with _yard(order, task, lock) as yard:
            ended, interrupted = _do(console, jobs, yard)
        if not interrupted:
            write_page(order.out, _reproduction(order, task, ended))
    if interrupted:
        console.print(f"stopped; {same_command()}", highlight=False)
        return INTERRUPTED
    failed = [one for one in ended if one.ending is not Ending.DONE]
    console.print(told(order.out, ended), highlight=False)
    return INCOMPLETE if failed else DONE


def _check_engine(order: ReproductionOrder) -> None:
    if order.engine not in ENGINES:
        raise ValueError(f"engine {order.engine!r} is not one of {', '.join(ENGINES)}; correct --engine")
    if order.engine == "local" and order.address is not None:
        raise ValueError(
            f"--address {order.address} is of a cluster; give --engine ray as well, or leave it out"
        )
    if order.engine == "ray" and order.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"--device {order.device}: which GPU is for Ray to say; give --device cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is reproduced on what."""

    recipe: Recipe
    conversations: Conversations
    catalogue: Catalogue
    seeds: Sequence[int]
    folder: Path


def _task_of(order: ReproductionOrder) -> Task:
    """Read recipe and stores; refuse what no system could be trained on, before any is."""
    recipe, seeds = load_recipe(order.recipe, order.overrides), parse_seeds(order.seeds)
    folder = folder_of_features(order.features, order.recipe)
    stores = stores_in(folder)
    if not stores:
        raise RunError(
            f"there is no feature store in {folder}; make some with summer-extract, or name their folder "
            "with --features"
        )
    conversations = prepare(read_conversations(stores), recipe.settings.model).conversations
    text = conversations.features.get(Modality.TEXT)
    return Task(
        recipe=recipe,
        conversations=conversations,
        catalogue=catalogue(
            tuple(conversations.features),
            teacher=recipe.model.teacher,
            has_head=text is not None and text.head is not None,
            on_test=not order.without_test_selection,
        ).without(order.without),
        seeds=seeds,
        folder=folder,
    )


def _job(order: ReproductionOrder, task: Task, system: System) -> Job:
    """Cheap systems stand first in the catalogue."""
    run = order.out / "runs" / system.name
    teachers = ("--teacher", str(order.out / "runs" / SUMMER_RUN)) if system.takes_teachers else ()
    overrides = [word for override in order.overrides for word in ("-o", override)]
    return Job(
        name=system.name,
        words=(
            *("--recipe", order.recipe, "--features", str(task.folder), "--seeds", order.seeds),
            *overrides,
            *system.options,
            *teachers,
            *("--out", str(run), "--resume"),
        ),
        product=run / "results.json",
        needs=SUMMER_RUN if system.takes_teachers else None,
        cost=float(task.catalogue.systems.index(system)),
    )


def _begin(order: ReproductionOrder, task: Task) -> None:
    """Begin the folder, or see that it is of the same recipe and stores.

    Raises:
        RunError: it is of others, or holds something else.
    """
    path = order.out / RECORD
    strangers = sorted(entry.name for entry in order.out.iterdir() if entry.name not in (*OWN, LOCK))
    if not path.is_file() and strangers:
        raise RunError(
            f"{order.out} is not empty and holds no reproduction ({strangers[0]}); give another --out"
        )
    if order.overwrite:
        for name in OWN:
            _delete(order.out / name)
    record = _record(task)
    earlier = _read_record(path)
    for key in record:
        if earlier and earlier.get(key) != record[key]:
            raise RunError(
                f"{order.out} was begun with another {key}; give the same recipe, overrides and stores, "
                "another --out, or --overwrite, which deletes what is there"
            )
    write_aside(path, json.dumps(record, indent=1, ensure_ascii=False).encode())


def _record(task: Task) -> dict[str, Any]:
    """What must agree from one command to the next; seeds may be added."""
    conversations = task.conversations
    recipe: dict[str, Any] = json.loads(json.dumps(asdict(task.recipe)))
    return {
        "recipe": recipe,
        "corpus": conversations.corpus,
        "protocol": conversations.protocol,
        "annotations": conversations.digest,
        "stores": {str(modality): one for modality, one in conversations.fingerprints.items()},
    }


def _read_record(path: Path) -> dict[str, Any]:
    try:
        found = json_of(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}); delete it, or give another --out") from error
    return found if isinstance(found, dict) else {}


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(order: ReproductionOrder) -> Iterator[int]:
    """Hold the folder: one reproduction at a time. Jobs inherit the lock: it is free when the last has ended.

    Raises:
        RunError: another one holds it.
        DiskError: the folder cannot be made or written.
    """
    with explained_disk_errors(order.out):
        order.out.mkdir(parents=True, exist_ok=True)
        file = opened_lock(order.out / LOCK)
    with file:
        until = time.monotonic() + SECONDS_FOR_THE_LOCK
        while not taken(file):
            if time.monotonic() > until:
                raise RunError(
                    f"another summer-reproduce ({holder_of(file)}), or a job that it left behind, is at work "
                    f"in {order.out}; wait for it, or give another --out"
                )
            time.sleep(0.2)
        yield file.fileno()


@contextmanager
def _yard(order: ReproductionOrder, task: Task, lock: int) -> Iterator[Yard]:
    """Who does the jobs.

    Raises:
        EngineError: there is no such cluster, or it lacks what the jobs need.
    """
    folder = order.out / "jobs"
    if order.engine == "local":
        devices = _devices(order)
        yield LocalYard(folder=folder, devices=devices, threads=share(len(devices)), inherited=(lock,))
        return
    from pipelines.reproduce.cluster import ray_yard

    with ray_yard(
        out=order.out.absolute(),
        read=[Path.cwd(), *stores_in(task.folder)],
        address=order.address or os.environ.get("RAY_ADDRESS", ""),
        jobs=order.jobs,
        device=order.device,
    ) as yard:
        yield yard


def _do(console: Console, jobs: Sequence[Job], yard: Yard) -> tuple[list[Ended], bool]:
    count = 0

    def on_end(ended: Ended) -> None:
        nonlocal count
        count += 1
        if not ended.was_done and ended.ending is not Ending.STOPPED:
            console.print(f"[{count}/{len(jobs)}] {_line(ended, yard)}", highlight=False, markup=False)

    with clean_stop(lambda: None) as should_stop:
        ended = do_jobs(jobs, yard, on_end=on_end, should_stop=should_stop)
        return ended, should_stop()


def _line(ended: Ended, yard: Yard) -> str:
    if ended.ending is Ending.DONE:
        return f"{ended.job.name}: {ended.seconds:.0f} s"
    if ended.ending is Ending.LACKING:
        return f"{ended.job.name}: not begun, {ended.reason}"
    return f"{ended.job.name} failed: {ended.reason} ({log_of(ended.job, yard.folder)})"


def _devices(order: ReproductionOrder) -> list[str]:
    """One entry per job at once."""
    if order.device != "auto":
        named = [device_named(order.device)]
    else:
        named = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]
    count = order.jobs or (len(named) if named != ["cpu"] else _jobs_by_memory())
    return [named[number % len(named)] for number in range(count)]


def _jobs_by_memory() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores(), memory // (GIB_PER_JOB << 30)))


def _reproduction(order: ReproductionOrder, task: Task, ended: Sequence[Ended]) -> Reproduction:
    return Reproduction(
        recipe=order.recipe,
        catalogue=task.catalogue,
        conversations=task.conversations,
        seeds=task.seeds,
        ended={one.job.name: one for one in ended},
    )
