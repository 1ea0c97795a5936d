"""Every seed of a recipe: each model trained and measured, and what a run leaves behind.

Paper: section 4.3 and tables 1 to 4. This is what `summer-train` carries out and what `summer.train` is; a
program that compares many recipes calls it once for each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedDataParallelKwargs

from summer.conversations.reading import read_conversations
from summer.corpus import Split
from summer.processes import Processes, processes_of
from summer.runs.alone import alone_in
from summer.runs.beginning import on_trial, put_aside
from summer.runs.features import keep_features
from summer.runs.folder import RunError, begin_run, origin_of_program, read_record, seed_folder
from summer.runs.one_seed import run_seed
from summer.runs.reading import Run, read_run
from summer.runs.results import write_results
from summer.runs.timing import timed
from summer.training.checkpoints import CheckpointError
from summer.training.history import EpochRecord, Watch
from summer.training.models import STUDENT, TEACHER, kind_of
from summer.training.preparation import Material, prepare
from summer.training.seed import (
    Settings,
    Workplace,
    present_modalities,
)

LOGGER = logging.getLogger(__name__)
PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is trained on what, and where it goes.

    Args:
        stores: one per modality.
        out: folder of the run.
        models: names of those that are trained, in the order of tables; what one needs is trained before it.
        teacher_run: take the teachers of another run instead of training some; it needs the same seeds.
        finished_teachers: train no teacher: refuse to begin where one is not finished.
        device: "auto" (CUDA where there is one), "cpu" or "cuda:N", as torch has it.
        precision: "no" (float32), "bf16" or "fp16".
        resume: continue a stopped run, or add seeds or models to it.
        overwrite: start the run anew.
        projection: draw features before and after by t-SNE (figure 6).
        distributions: draw the student's features beside the teacher's while it learns (figure 7).
        notes: what else run.json shall say, such as the recipe's name.
    """

    stores: Sequence[Path]
    out: Path
    settings: Settings = field(default_factory=Settings)
    models: Sequence[str] = (TEACHER, STUDENT)
    seeds: Sequence[int] = (0,)
    teacher_run: Path | None = None
    finished_teachers: bool = False
    device: str = "auto"
    precision: str = "no"
    resume: bool = False
    overwrite: bool = False
    projection: bool = False
    distributions: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told of an experiment. Of several processes the main one tells; any is asked whether to stop.

    Args:
        on_material: the corpus is read and the run begun.
        of_seed: makes the watch of one seed, a context.
    """

    on_material: Callable[[Material], None]
    of_seed: Callable[[int], AbstractContextManager[Watch]]


def nobody() -> Audience:
    """An audience that hears nothing and never stops a training."""
    watch = Watch(
        on_step=lambda *_: None,
        on_epoch=lambda *_: None,
        should_stop=lambda: False,
    )
    return Audience(on_material=lambda _: None, of_seed=lambda _: nullcontext(watch))


def run_experiment(experiment: Experiment, audience: Audience | None = None) -> Run:
    """Train and measure every model of every seed that is not finished.

    Raises:
        Stopped: the audience's watch said so; the same experiment with `resume` continues.
        ValueError: anything that the caller can mend; the message says how.
    """
    accelerator = accelerators(experiment.device, experiment.precision)
    processes = processes_of(accelerator())
    heard = _heard_from(processes, audience or nobody())
    with ExitStack() as held:
        processes.by_main(lambda: held.enter_context(alone_in(experiment.out)))
        return _trained(experiment, accelerator, processes, heard)


def _trained(
    experiment: Experiment, accelerator: Callable[[], Accelerator], processes: Processes, heard: Audience
) -> Run:
    experiment, material, record = processes.together(lambda: _prepared(experiment))
    with on_trial(experiment.out) if processes.is_main else nullcontext(lambda: None) as passed:
        processes.by_main(lambda: _begin(experiment, record))
        heard.on_material(material)
        for seed in experiment.seeds:
            with heard.of_seed(seed) as watch:
                folder = seed_folder(experiment.out, seed)
                heeded = _telling_of_steps(timed(watch, folder) if processes.is_main else watch, passed)
                place = Workplace(
                    seed=seed,
                    accelerator=accelerator,
                    folder=folder,
                    watch=heeded,
                    portraits=experiment.distributions,
                )
                run_seed(experiment, material, place)
    processes.by_main(lambda: write_results(experiment.out, record, material.conversations.labels))
    return processes.together(lambda: read_run(experiment.out))


def _prepared(experiment: Experiment) -> tuple[Experiment, Material, dict[str, Any]]:
    """The experiment with what the run has so far, its corpus, and its record; nothing is written."""
    experiment = _with_earlier(experiment)
    material = prepare(read_conversations(experiment.stores), experiment.settings.model)
    record = _record(experiment, material)
    _check(experiment)
    _check_splits(experiment, material)
    for model in experiment.models:
        present_modalities(model, experiment.settings.of(model).options, material)
    return experiment, material, record


def _begin(experiment: Experiment, record: Mapping[str, Any]) -> None:
    begin_run(
        experiment.out,
        record,
        resume=experiment.resume,
        overwrite=experiment.overwrite,
        make_way=put_aside,
    )
    keep_features(experiment.out, experiment.stores)


def _telling_of_steps(watch: Watch, passed: Callable[[], None]) -> Watch:
    """The same, that calls `passed` at each step and epoch."""

    def on_step(model: str, epoch: int, step: int, steps: int) -> None:
        passed()
        watch.on_step(model, epoch, step, steps)

    def on_epoch(model: str, record: EpochRecord) -> None:
        passed()
        watch.on_epoch(model, record)

    return replace(watch, on_step=on_step, on_epoch=on_epoch)


def _heard_from(processes: Processes, audience: Audience) -> Audience:
    """The same in the main process; of another one the audience is asked only whether to stop."""
    if processes.is_main:
        return audience

    @contextmanager
    def silently(seed: int) -> Iterator[Watch]:
        with audience.of_seed(seed) as watch, nobody().of_seed(seed) as silent:
            yield replace(silent, should_stop=watch.should_stop)

    return Audience(on_material=lambda _: None, of_seed=silently)


def train(
    out: str | Path,
    stores: Sequence[str | Path],
    *,
    settings: Settings | None = None,
    models: Sequence[str] = (TEACHER, STUDENT),
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> Run:
    """Train models on feature stores and measure them: dev chooses the epoch, test is opened once.

    Args:
        out: folder of the run.
        stores: one per modality.
        settings: all numbers; the paper's where left out.
        models: by name: "teacher", "student", or a rival of `summer.baselines`.
        options: of `Experiment`: device, precision, resume, overwrite, teacher_run, projection.

    Returns:
        The finished run, as `read_run` reads it.

    Raises:
        ValueError: anything that the caller can mend; the message says how.
    """
    return run_experiment(
        Experiment(
            stores=[Path(store) for store in stores],
            out=Path(out),
            settings=settings or Settings(),
            models=models,
            seeds=seeds,
            **options,
        )
    )


def accelerators(device: str, precision: str) -> Callable[[], Accelerator]:
    """What makes an accelerator for one model's training.

    Raises:
        RunError: another precision, or one GPU for several processes.
    """
    if precision not in PRECISIONS:
        raise RunError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    processes = PartialState(cpu=device == "cpu").num_processes
    if processes == 1:  # accelerate keeps the first precision and device of a process
        AcceleratorState._reset_state(reset_partial_state=True)
    if device.startswith("cuda:"):
        if processes > 1:
            raise RunError(
                f"device {device!r} is one GPU, and there are {processes} processes; give auto, by which "
                "each takes its own, or cpu"
            )
        torch.cuda.set_device(device)  # accelerate takes the current one
    # A batch of one-turn dialogues, or a student without guidance, leaves parameters without a gradient, for
    # which DistributedDataParallel would wait. To look for them is a walk through the graph each step. Adding
    # 0 times each parameter to the loss would spare it, but give gradients of 0, by which Adam moves them
    # (momentum, weight decay) where one process leaves them alone.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return partial(Accelerator, cpu=device == "cpu", mixed_precision=precision, kwargs_handlers=[unused])


def _with_earlier(experiment: Experiment) -> Experiment:
    """Models in the order given, what they need before them; on resuming also those of the run so far.

    Raises:
        RunError: no model.
        UnknownModelError: no model has that name.
    """
    if not experiment.models:
        raise RunError("no model is named; name at least one, such as teacher")
    earlier = read_record(experiment.out) if experiment.resume else {}
    needed = [name for model in experiment.models for name in (kind_of(model).needs, model) if name]
    return replace(
        experiment,
        models=tuple(dict.fromkeys([*earlier.get("models", ()), *needed])),
        seeds=tuple(sorted({*experiment.seeds, *earlier.get("seeds", ())})),
    )


def _check(experiment: Experiment) -> None:
    """See that what must be there is there, before anything is overwritten."""
    chosen_on = {experiment.settings.of(model).training.select_on for model in experiment.models}
    if len(chosen_on) > 1:
        splits = ", ".join(
            f"{model} on {experiment.settings.of(model).training.select_on}" for model in experiment.models
        )
        raise RunError(f"the epoch is chosen of the {splits}; choose all on one split with --select-on")
    if experiment.teacher_run is None and not experiment.finished_teachers:
        return
    run = experiment.teacher_run or experiment.out
    if experiment.overwrite and run.resolve() == experiment.out.resolve():
        raise RunError(f"--overwrite deletes {run} and the teachers that this command needs; leave it out")
    for seed in experiment.seeds:
        path = seed_folder(run, seed) / f"{TEACHER}.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"there is no finished teacher at {path}; train it with --stage teacher, or give its run "
                "with --teacher"
            )


def _check_splits(experiment: Experiment, material: Material) -> None:
    """Say before work begins which splits are empty.

    Raises:
        RunError: the one that is to choose the epoch is.
    """
    counts = {split: int(material.conversations.counted(split).sum()) for split in Split}
    told = ", ".join(f"{split} {count}" for split, count in counts.items())
    chosen_on = experiment.settings.of(experiment.models[-1]).training.select_on
    if not counts[chosen_on]:
        other = "" if chosen_on is Split.TEST else ", or take --select-on test, which inflates the score"
        raise RunError(
            f"{chosen_on} is to choose the epoch and has no utterance with a truth and a vector ({told}); "
            f"give the corpus some{other if counts[Split.TEST] else ''}; a store that was made with --limit "
            "holds the first rows alone, and train stands before dev and test: give a larger one"
        )
    for split in (Split.DEV, Split.TEST):
        if not counts[split]:
            LOGGER.warning(
                "%s has no utterance with a truth and a vector: nothing is measured on it (%s)", split, told
            )


def _record(experiment: Experiment, material: Material) -> dict[str, Any]:
    conversations, settings = material.conversations, experiment.settings
    return {
        "corpus": conversations.corpus,
        "protocol": conversations.protocol,
        "labels": list(conversations.labels.names),
        "annotations": conversations.digest,
        "selected_on": settings.of(experiment.models[-1]).training.select_on.value,
        "models": list(experiment.models),
        "seeds": list(experiment.seeds),
        "teacher_run": None if experiment.teacher_run is None else str(experiment.teacher_run),
        "precision": experiment.precision,
        **experiment.notes,
        "settings": _with_rivals(settings, experiment.models).to_json(),
        "stores": conversations.fingerprints,
        **origin_of_program(),
    }


def _with_rivals(settings: Settings, models: Sequence[str]) -> Settings:
    """The same, in which also those rivals stand that have their kind's defaults."""
    trained = {name: settings.of(name) for name in models if name not in (TEACHER, STUDENT)}
    return replace(settings, rivals={**settings.rivals, **trained})
