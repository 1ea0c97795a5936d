"""One seed, from features to predictions: each model is read where it is finished, trained otherwise.

Paper: sections 3.5, 3.6 and 4.3. The teacher comes first, then the student that it guides; a rival needs
neither. A folder per seed holds what is finished: `<model>.safetensors` and `<model>-history.json`; a run
that was stopped resumes from there. The test split is looked at once, after the epoch was chosen.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn

from summer.classifier import LinearClassifier
from summer.conversations.batches import ConversationDealer
from summer.conversations.speakers import SpeakerIdentities
from summer.corpus import Modality, Split, Utterance
from summer.durable import write_aside
from summer.evaluation.predictions import Predictions
from summer.model.distillation import SmoothedTruthLoss
from summer.model.guided import StudentOptions
from summer.model.start import begin_at, starts_of
from summer.options import LossWeights, ModelOptions, TrainingOptions
from summer.processes import processes_of
from summer.threads import computing_for
from summer.training.checkpoints import (
    CheckpointError,
    Origin,
    Part,
    TrainedModel,
    build_part,
    check_features,
    load_checkpoint,
    save_model,
)
from summer.training.fitting import class_weights_of, fitted_layer, layer_to_begin_at, look_once
from summer.training.history import Course, TrainingError, Watch
from summer.training.models import STUDENT, TEACHER, kind_of
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import Material, shape_of
from summer.training.stages import Stage
from summer.training.trainer import train

SCORED_SPLITS = (Split.DEV, Split.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """All numbers of one model's training.

    Args:
        options: an object of its kind's dataclass.
        epsilon: share of the right class in the loss against the truth; 1 is no smoothing.
    """

    options: Any
    training: TrainingOptions
    epsilon: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All numbers of a run's trainings.

    Args:
        model: what shapes teacher and student, and how speakers are told apart.
        teacher, student: how each of the two is trained.
        rivals: of `summer.baselines`, by name; one that is not named has its kind's defaults.
    """

    model: ModelOptions = field(default_factory=ModelOptions)
    teacher: TrainingOptions = field(default_factory=TrainingOptions)
    student: TrainingOptions = field(default_factory=TrainingOptions)
    distillation: LossWeights = field(default_factory=LossWeights)
    rivals: Mapping[str, ModelSettings] = field(default_factory=dict)

    def of(self, name: str) -> ModelSettings:
        """Those of one model.

        Raises:
            UnknownModelError: no model has that name.
        """
        kind, epsilon = kind_of(name), self.distillation.epsilon
        if name == TEACHER:
            return ModelSettings(options=self.model, training=self.teacher, epsilon=epsilon)
        if name == STUDENT:
            options = StudentOptions(model=self.model, distillation=self.distillation)
            return ModelSettings(options=options, training=self.student, epsilon=epsilon)
        return self.rivals.get(name) or ModelSettings(options=kind.options(), training=kind.training)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON: a recipe's tables, and `rivals` where there are any."""
        entries = asdict(self)
        if not entries["rivals"]:
            del entries["rivals"]
        plain: dict[str, Any] = json.loads(json.dumps(entries))
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where one seed is trained.

    Args:
        accelerator: makes one for a model's training.
        folder: of the seed.
        portraits: keep features of some epochs, in `<model>-portraits`.
    """

    seed: int
    accelerator: Callable[[], Accelerator]
    folder: Path
    watch: Watch
    portraits: bool = False


def obtain_model(
    name: str,
    material: Material,
    settings: Settings,
    place: Workplace,
    *,
    needed: TrainedModel | None = None,
) -> TrainedModel:
    """One model of the seed: read where it is finished, trained otherwise.

    Args:
        needed: the trained model that its kind needs, such as the student's teacher.

    Raises:
        TrainingError: none of its modalities is there, or training cannot begin or go on.
        CheckpointError: a finished one was made of other features, or otherwise than this run would.
    """
    path, processes = place.folder / f"{name}.safetensors", processes_of(place.accelerator())
    if not processes.by_main(path.is_file):
        return _trained(name, material, settings, place, needed)
    finished = processes.together(lambda: _read_finished(path, material, settings))
    processes.by_main(lambda: _forget_progress(path))
    return finished


def _read_finished(path: Path, material: Material, settings: Settings) -> TrainedModel:
    trained = load_checkpoint(path)
    check_features(trained, path, material.conversations)
    check_settings(trained, path, settings, material.identities)
    _check_scales(trained, path, material)
    return trained


def portraits_folder(seed: Path, name: str) -> Path:
    """Where features of some epochs of a model of a seed are kept."""
    return seed / f"{name}-portraits"


def stage_of(trained: TrainedModel) -> Stage:
    """The stage of a trained model, to look at data with; its loss there is plain cross-entropy."""
    return Stage(trained.name, trained.model, SmoothedTruthLoss(epsilon=1.0, class_weights=None))


def look_at_split(
    trained: TrainedModel,
    dealer: ConversationDealer,
    split: Split,
    *,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> SplitOutlook | None:
    """What a trained model says of a split, dealt out as in training; None where there is no such split."""
    batches = dealer.deal(split, size=trained.origin.batch_dialogues, generator=None)
    if not batches:
        return None
    return look_at(stage_of(trained).to(device), dealer, batches, device=device, autocast=autocast)


def predictions_of(
    utterances: Sequence[Utterance], outlook: SplitOutlook, name: str, *, seed: int
) -> Predictions:
    """An outlook as rows that can be scored and written.

    Args:
        utterances: all of the corpus, of which the outlook names rows.
    """
    utterances = [utterances[row] for row in outlook.rows]
    return Predictions(
        model=name,
        seed=seed,
        split=utterances[0].split,
        ids=tuple(utterance.id for utterance in utterances),
        dialogues=tuple(utterance.dialogue for utterance in utterances),
        truths=outlook.truths,
        probabilities=outlook.probabilities,
    )


def check_settings(
    trained: TrainedModel, path: Path, settings: Settings, identities: SpeakerIdentities
) -> None:
    """Refuse a finished model that was made otherwise than this run would make it.

    Of a teacher that may come from another run only what its student depends on must agree.

    Raises:
        CheckpointError: names the file, the setting, both values and the remedy.
    """
    wanted = settings.of(trained.name)
    if trained.origin.selected_on != wanted.training.select_on:
        raise CheckpointError(
            f"{path}: its epoch was chosen on {trained.origin.selected_on}, this run chooses on "
            f"{wanted.training.select_on}; give --select-on {trained.origin.selected_on}, or train a new one"
        )
    if trained.name == TEACHER:
        _check_teacher(trained, path, settings.model, identities)


def _check_teacher(
    trained: TrainedModel, path: Path, options: ModelOptions, identities: SpeakerIdentities
) -> None:
    theirs: ModelOptions = trained.parts[-1].options
    names = ["teacher", "width", "longest_dialogue"]
    if options.fusion == "guided" and options.guidance != "never":
        names += ["heads", "layers"]
    pairs = {name: (getattr(theirs, name), getattr(options, name)) for name in names}
    pairs["speakers"] = (trained.identities.rule, options.speakers)
    for name, (its, ours) in pairs.items():
        if its != ours:
            raise CheckpointError(
                f"{path} was trained with model.{name} = {its}, this run has {ours}; give both the same, "
                "or train a new teacher"
            )
    if trained.identities != identities:
        raise CheckpointError(
            f"{path} tells {len(trained.identities)} speakers apart, this run {len(identities)} or others; "
            "give both the same model.speaker_* settings, or train a new teacher"
        )


def _check_scales(trained: TrainedModel, path: Path, material: Material) -> None:
    """Features of which an encoder's head is read are standardised otherwise: not for others' eyes.

    Raises:
        CheckpointError: the model was trained with a start at the encoder's head and this run is not, or the
            other way round.
    """
    for modality, scale in trained.standardisations.items():
        ours = material.standardisations.get(modality, scale)
        if scale.clipped is not ours.clipped:
            its, here = ("without", "with") if scale.clipped else ("with", "without")
            raise CheckpointError(
                f"{path} was trained {its} a start at the head of the {modality} encoder, this run is "
                f"{here}; give both the same model.start and the same store, or train a new one"
            )


def _trained(
    name: str, material: Material, settings: Settings, place: Workplace, needed: TrainedModel | None
) -> TrainedModel:
    own = settings.of(name)
    part = Part(
        name=name,
        options=own.options,
        shape=shape_of(material, present_modalities(name, own.options, material)),
    )
    with torch.random.fork_rng():
        torch.manual_seed(place.seed)
        model = build_part(part, None if needed is None else needed.model)
        with computing_for(model):
            course = _learn(model, part, material, own, place)
    trained = TrainedModel(
        model=model.eval().requires_grad_(False),
        parts=(*(() if needed is None else needed.parts), part),
        labels=material.conversations.labels,
        identities=material.identities,
        standardisations=material.standardisations,
        origin=_origin(material, settings, place, own.training, course),
    )
    return _finished(trained.with_own_scales(), place, course)


def _learn(model: nn.Module, part: Part, material: Material, own: ModelSettings, place: Workplace) -> Course:
    """Leave a new model as it is to be kept: fitted at once, or trained to its best epoch."""
    weights, options = class_weights_of(material, own.training), own.training
    stage = Stage(part.name, model, SmoothedTruthLoss(epsilon=own.epsilon, class_weights=weights))
    accelerator, fit = place.accelerator(), kind_of(part.name).fitted
    if fit is not None:
        cast(LinearClassifier, model).take(fitted_layer(fit, material, part.shape, options, accelerator))
        return look_once(stage, material, options, accelerator=accelerator, watch=place.watch)
    if any(starts_of(model)):
        begin_at(model, layer_to_begin_at(material, part.shape, options, accelerator))
    return train(
        stage,
        material.dealer,
        options=options,
        seed=place.seed,
        accelerator=accelerator,
        folder=place.folder / f"{part.name}-progress",
        watch=place.watch,
        portraits=portraits_folder(place.folder, part.name) if place.portraits else None,
    )


def present_modalities(name: str, options: Any, material: Material) -> tuple[Modality, ...]:
    """Which of its modalities a model will read of a corpus.

    Raises:
        TrainingError: the corpus has none of them.
    """
    wanted, features = kind_of(name).reads(options), material.conversations.features
    present = tuple(modality for modality in wanted if modality in features)
    if not present:
        raise TrainingError(
            f"the {name} reads {', '.join(wanted)}, of which no store is given; there is "
            f"{', '.join(features)}: choose among these (the teacher's with --modality)"
        )
    return present


def _finished(trained: TrainedModel, place: Workplace, course: Course) -> TrainedModel:
    """Keep the model and its history; what was needed to resume is needed no more."""
    processes_of(place.accelerator()).by_main(lambda: _keep(trained, place.folder, course))
    return trained


def _keep(trained: TrainedModel, folder: Path, course: Course) -> None:
    path = folder / f"{trained.name}.safetensors"
    history = json.dumps(course.to_json(), indent=1)
    write_aside(folder / f"{trained.name}-history.json", history.encode())
    save_model(path, trained)
    _forget_progress(path)


def _forget_progress(path: Path) -> None:
    shutil.rmtree(path.with_name(f"{path.stem}-progress"), ignore_errors=True)


def _origin(
    material: Material, settings: Settings, place: Workplace, options: TrainingOptions, course: Course
) -> Origin:
    return Origin(
        corpus=material.conversations.corpus,
        protocol=material.conversations.protocol,
        fingerprints=material.conversations.fingerprints,
        settings=settings.to_json(),
        seed=place.seed,
        batch_dialogues=options.batch_dialogues,
        selected_on=course.best.selected_on,
        epoch=course.best.epoch,
        w_f1=course.best.w_f1,
    )
