"""One `summer-tune` command, carried out: faces are found and kept, then the network is tuned on them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict

from accelerate import Accelerator
from rich.console import Console

from extraction import weights
from extraction.corpora import Corpus, open_corpus
from extraction.engines import stop_workers_at_once
from extraction.extractor import Clip
from extraction.plan import Job
from extraction.run import extract
from extraction.video.clips.people import People, align_people
from extraction.video.clips.utterances import Utterances
from extraction.video.extractor import LFNet3D
from extraction.video.folds import VideoFolds
from extraction.video.network.backbones import load_detector
from extraction.video.network.record import check_is_one, tuning_of
from extraction.video.network.training import TuningOptions, TuningStopped
from extraction.video.tuning import Tuning, tune_video
from extraction.video.tuning_folds import FoldsTuning, tune_folds
from extraction.weights import Weights
from pipelines.console import INTERRUPTED, clean_stop, same_command, speaks
from pipelines.devices import device_named
from pipelines.extract.display import progress_bar
from pipelines.extract.run import engine_for
from pipelines.recipe import Recipe, VideoRecipe, VideoTuningRecipe, load_recipe, recipe_of_dataset
from pipelines.train.run import errors_said_once
from pipelines.tune.command import TuningOrder
from pipelines.tune.display import aligning_lines, people_lines, print_people, print_tuned, tuning_lines
from summer.corpus import Split
from summer.processes import alike, part, processes_of
from summer.runs.experiment import accelerators

ONLY_VIDEO = "video"


class _Where(TypedDict):
    """What every tuning of a command is given."""

    folder: Path
    accelerator: Accelerator
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Emotions:
    """The labelled faces of a corpus.

    Args:
        name: of the tuned file, before what is added to it.
        source: in words.
        folds: None where one network is tuned.
    """

    name: str
    source: str
    utterances: Utterances
    folds: VideoFolds | None


def carry_out(order: TuningOrder) -> int:
    """Find the faces, tune, and say where the weights are.

    Returns:
        The exit status: 0 done, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    console = Console(soft_wrap=True, quiet=not speaks())
    if not speaks():
        for package in ("summer", "extraction"):
            logging.getLogger(package).setLevel(logging.ERROR)
    with errors_said_once():
        with alike():
            _check(order)
            recipe = load_recipe(order.recipe or recipe_of_dataset(order.dataset or ""), order.overrides)
            accelerator = accelerators(
                order.device if order.device == "auto" else device_named(order.device), "no"
            )()
        with clean_stop(stop_workers_at_once) as should_stop:
            try:
                _tune(console, order, recipe, accelerator, should_stop)
            except TuningStopped:
                console.print(f"stopped; {same_command()}")
                part()
                return INTERRUPTED
    part()
    return 0


def _check(order: TuningOrder) -> None:
    if order.modality != ONLY_VIDEO:
        raise ValueError(
            f"modality {order.modality!r} is not tuned here; give video. The text encoder is tuned by "
            "summer-extract (text.mode = 'tuned'), ComParE has nothing to tune"
        )
    if (order.faces is None) == (order.dataset is None):
        given = "both" if order.faces else "neither"
        raise ValueError(
            f"--faces and --dataset: {given} given; give --faces ROOT to tune on people, or --dataset to "
            "tune on a corpus' emotions"
        )


def _check_recipe(order: TuningOrder, video: VideoRecipe) -> None:
    if video.backbone != "inception_resnet_v1":
        raise ValueError(
            f"video.backbone {video.backbone!r} is not tuned here; leave it at inception_resnet_v1"
        )
    if order.faces is not None and video.folds:
        raise ValueError(
            f"video.folds = {video.folds} with --faces: who people are is no label of a corpus, and no row "
            "of one is seen; leave video.folds at 0"
        )


def _tune(
    console: Console,
    order: TuningOrder,
    recipe: Recipe,
    accelerator: Accelerator,
    should_stop: Callable[[], bool],
) -> None:
    video = recipe.video
    with alike():
        _check_recipe(order, video)
    processes = processes_of(accelerator)
    given = Path(video.weights) if video.weights else None
    start = processes.by_main(lambda: weights.vggface2(given))  # fetched once
    with alike():
        check_is_one(start, tuning_of(start))
    tuning_on = partial(
        Tuning,
        start=start,
        options=video_tuning_options(video.tuning),
        layer=video.layer,
        over_time=video.over_time,
    )
    show = tuning_lines(console)
    where = _Where(folder=order.out, accelerator=accelerator, should_stop=should_stop)
    if order.faces is not None:
        people = processes.by_main(lambda: _people(console, order, video.tuning, should_stop))
        on_people = tuning_on(clips=people, source=f"people of {order.faces.resolve().name}")
        made = tune_video(on_people, name="video.people", on_progress=partial(show, ""), **where)
    else:
        found = processes.by_main(lambda: _emotions(console, order, recipe, should_stop))
        made = _tune_on_emotions(console, found, partial(tuning_on, source=found.source), where)
    print_tuned(console, made)


def _tune_on_emotions(
    console: Console, found: _Emotions, tuning_on: Callable[..., Tuning], where: _Where
) -> Weights:
    """One network on the whole training split; where that was dealt, networks without each fold."""
    show = tuning_lines(console)
    if found.folds is None:
        tuning = tuning_on(clips=found.utterances)
        return tune_video(tuning, name=found.name, on_progress=partial(show, ""), **where)
    with alike():
        work = FoldsTuning(tuning_on=tuning_on, utterances=found.utterances, folds=found.folds)
    return tune_folds(work, name=found.name, on_progress=show, on_aligning=aligning_lines(console), **where)


def video_tuning_options(recipe: VideoTuningRecipe) -> TuningOptions:
    """The numbers of the tuning that a recipe gives."""
    return TuningOptions(
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        batch_clips=recipe.batch_clips,
        clip_frames=recipe.clip_frames,
        trained_blocks=recipe.trained_blocks,
        weight_decay=recipe.weight_decay,
        warmup_share=recipe.warmup_share,
        seed=recipe.seed,
    )


def _people(
    console: Console, order: TuningOrder, recipe: VideoTuningRecipe, should_stop: Callable[[], bool]
) -> People:
    assert order.faces is not None
    found = align_people(
        order.faces,
        order.out / "faces" / "people",
        detect=load_detector(device_named(order.device)),
        most_pictures=recipe.images_per_person,
        on_progress=people_lines(console),
        should_stop=should_stop,
    )
    if should_stop():
        raise TuningStopped
    people = People(found, frames=recipe.clip_frames)
    print_people(console, people, found)
    return people


def _emotions(
    console: Console, order: TuningOrder, recipe: Recipe, should_stop: Callable[[], bool]
) -> _Emotions:
    """Deal the corpus; find and keep the faces of its labelled training and dev rows, a resumable run."""
    assert order.dataset is not None
    whole = open_corpus(order.dataset, order.root, recipe.corpus)
    video = recipe.video
    folds = VideoFolds.dealt(whole, video.folds, video.new_rows) if video.folds else None
    corpus = replace(whole, clips=tuple(clip for clip in whole.clips if _is_used(clip)), media_names=())
    job = _faces_job(corpus, order, recipe)
    engine, _ = engine_for(order.workers, device_named(order.device))
    with progress_bar(console, f"{corpus.name}: faces") as show:
        report = extract(job, engine, reduction=None, on_progress=show, should_stop=should_stop)
    if should_stop():
        raise TuningStopped
    if report.errors or report.missing_rows:
        raise ValueError(
            f"the faces of {report.missing_rows} utterances could not be looked for "
            f"({'; '.join(report.errors[:1])}); run the same command again"
        )
    utterances = Utterances.of_store(job.store, job.folder / "crops", corpus.labels)
    console.print(f"{corpus.name}: " + ", ".join(f"{n} {what}" for what, n in utterances.counts.items()))
    return _Emotions(
        name=f"video.{corpus.name}",
        source=f"training split of {corpus.name}, {corpus.protocol}",
        utterances=utterances,
        folds=folds,
    )


def _is_used(clip: Clip) -> bool:
    return clip.utterance.split is not Split.TEST and bool(clip.utterance.label)


def _faces_job(corpus: Corpus, order: TuningOrder, recipe: Recipe) -> Job:
    """Where the faces of these rows and settings are kept: others have a folder of their own."""
    video = recipe.video

    def finder(keep_crops: Path | None) -> LFNet3D:
        return LFNet3D(
            weights=weights.vggface2(),
            face_choice=video.face_choice,
            keyframe_every=video.keyframe_every,
            most_keyframes=video.most_keyframes,
            device=device_named(order.device),
            keep_crops=keep_crops,
        )

    both = hashlib.sha256((finder(None).fingerprint + corpus.digest).encode()).hexdigest()
    folder = order.out / "faces" / f"{corpus.name}-{both[:12]}"
    return Job(corpus=corpus, extractor=finder(folder / "crops"), folder=folder)
