"""A trained model as one safetensors file that rebuilds itself: sizes, labels, speakers, scales, weights.

A student's file carries its teacher too, which guides it at inference. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from summer.conversations.reading import Conversations
from summer.conversations.speakers import SpeakerIdentities
from summer.conversations.standardisation import Standardisation
from summer.corpus import LabelSet, Modality
from summer.durable import write_aside
from summer.model.assembly import ModelSizes, Student, Teacher, build_student, build_teacher
from summer.options import ModelOptions

FORMAT_VERSION = 1
METADATA = "summer"
ModuleT = TypeVar("ModuleT", bound=nn.Module)


class CheckpointError(ValueError):
    """A trained model that cannot be read or does not fit; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a model was trained on, and how it was chosen.

    Args:
        fingerprints: of the stores' features, by modality.
        settings: the recipe's tables that made it, to be read by people.
        selected_on: the split whose weighted F1 chose the epoch.
    """

    corpus: str
    protocol: str
    fingerprints: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int
    selected_on: str
    epoch: int
    dev_w_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model and all that is needed to use it.

    Args:
        student: None for a teacher's file.
        standardisations: of the features, by modality, fitted on the training split.
    """

    teacher: Teacher
    teacher_sizes: ModelSizes
    student: Student | None
    student_sizes: ModelSizes | None
    labels: LabelSet
    identities: SpeakerIdentities
    standardisations: Mapping[Modality, Standardisation]
    origin: Origin


def save_model(path: Path, trained: TrainedModel) -> None:
    """Write a model, aside and renamed into place.

    Raises:
        DiskError: the disk is full or refuses.
    """
    header = {
        "format": FORMAT_VERSION,
        "teacher": _sizes_to_json(trained.teacher_sizes),
        "student": None if trained.student_sizes is None else _sizes_to_json(trained.student_sizes),
        "labels": trained.labels.names,
        "identities": asdict(trained.identities),
        "origin": asdict(trained.origin),
    }
    tensors = _named("teacher", trained.teacher)
    if trained.student is not None:
        tensors |= _named("student", trained.student)
    for modality, scale in trained.standardisations.items():
        tensors[f"centre.{modality}"] = torch.from_numpy(scale.centre)
        tensors[f"spread.{modality}"] = torch.from_numpy(scale.spread)
    write_aside(
        path, save(tensors, metadata={METADATA: json.dumps(header)})
    )  # in their order: it is that of the modalities


def load_model(path: Path) -> TrainedModel:
    """Read what `save_model` wrote; modules are frozen, in evaluation mode.

    Raises:
        CheckpointError: the file is absent, truncated, no model of this project, or of another version.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no trained model at {path}; make it with summer-train")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[METADATA])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        version = header["format"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {version}, this program reads {FORMAT_VERSION}; train again"
        )
    try:
        return _rebuilt(header, tensors, path)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read as a trained model ({type(error).__name__}: {error}); delete it "
        "and train again"
    )


def _rebuilt(header: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> TrainedModel:
    teacher_sizes = _sizes_from_json(header["teacher"])
    student_sizes = None if header["student"] is None else _sizes_from_json(header["student"])
    return TrainedModel(
        teacher=_filled(build_teacher(teacher_sizes), "teacher", tensors, path),
        teacher_sizes=teacher_sizes,
        student=None
        if student_sizes is None
        else _filled(build_student(student_sizes), "student", tensors, path),
        student_sizes=student_sizes,
        labels=LabelSet(tuple(header["labels"])),
        identities=SpeakerIdentities(
            **{**header["identities"], "names": tuple(header["identities"]["names"])}
        ),
        standardisations=_standardisations(tensors),
        origin=Origin(**header["origin"]),
    )


def _named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name}": value.detach().cpu().contiguous() for name, value in module.state_dict().items()
    }


def _filled(module: ModuleT, prefix: str, tensors: Mapping[str, Tensor], path: Path) -> ModuleT:
    weights = {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its weights are not those of its sizes ({str(error).splitlines()[-1].strip()}); "
            "train again"
        ) from error
    return module.eval().requires_grad_(False)


def _standardisations(tensors: Mapping[str, Tensor]) -> dict[Modality, Standardisation]:
    return {
        modality: Standardisation(
            centre=tensors[f"centre.{modality}"].numpy().astype(np.float64),
            spread=tensors[f"spread.{modality}"].numpy().astype(np.float64),
        )
        for modality in Modality
        if f"centre.{modality}" in tensors
    }


def _sizes_to_json(sizes: ModelSizes) -> dict[str, Any]:
    return {**asdict(sizes), "feature_dims": {m.value: dim for m, dim in sizes.feature_dims.items()}}


def _sizes_from_json(entries: Mapping[str, Any]) -> ModelSizes:
    dims = {Modality(name): dim for name, dim in entries["feature_dims"].items()}
    return ModelSizes(**{**entries, "feature_dims": dims})


def check_features(trained: TrainedModel, path: Path, conversations: Conversations) -> None:
    """Refuse a model of other labels, another protocol, or other features.

    Raises:
        CheckpointError: names the file, both values and the remedy.
    """
    origin = trained.origin
    if trained.labels != conversations.labels or origin.protocol != conversations.protocol:
        raise CheckpointError(
            f"{path} was trained for protocol {origin.protocol} ({', '.join(trained.labels.names)}), "
            f"the stores are of {conversations.protocol} ({', '.join(conversations.labels.names)}); "
            "train a new one"
        )
    for modality, fingerprint in conversations.fingerprints.items():
        if origin.fingerprints.get(modality, fingerprint) != fingerprint:
            raise CheckpointError(
                f"{path} was trained on {modality} features {origin.fingerprints[modality][:16]}..., the "
                f"store has {fingerprint[:16]}...; give the store that it was trained on, or train a new one"
            )


def check_teacher(
    trained: TrainedModel, path: Path, options: ModelOptions, identities: SpeakerIdentities
) -> None:
    """Refuse a finished teacher that was made otherwise than this run's student needs it.

    Raises:
        CheckpointError: names the file, the setting, both values and the remedy.
    """
    sizes = trained.teacher_sizes
    pairs: dict[str, tuple[object, object]] = {
        "teacher": (trained.teacher.modality.value, options.teacher.value),
        "width": (sizes.width, options.width),
        "speakers": (trained.identities.rule, options.speakers),
        "longest_dialogue": (sizes.longest_dialogue, options.longest_dialogue),
    }
    if options.fusion == "guided" and options.guidance != "never":
        pairs |= {"heads": (sizes.heads, options.heads), "layers": (sizes.layers, options.layers)}
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise CheckpointError(
                f"{path} was trained with model.{name} = {theirs}, this run has {ours}; give both the same, "
                "or train a new teacher"
            )
    if trained.identities != identities:
        raise CheckpointError(
            f"{path} tells {len(trained.identities)} speakers apart, this run {len(identities)} or others; "
            "give both the same model.speaker_* settings, or train a new teacher"
        )
