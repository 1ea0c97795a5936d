"""A trained model as one safetensors file that rebuilds itself: options, labels, speakers, scales, weights.

The file names the kind of model and carries what that kind is built of, so any model is read the same way. A
student's file carries its teacher too, which guides it at inference. Nothing is pickled.

Header (JSON under the metadata key "summer"): format, models (what is needed first, the model itself last;
each with name, options, shape), labels, identities, origin, and `unclipped`, the modalities whose scales clip
no outlier. Tensors: `model.*` its weights; `centre.<modality>` and `spread.<modality>` its scales. A file
without `unclipped` is of before there was a start at the encoder's head. Format 1, of versions before 0.2.0,
knew a teacher and a student only; it is read still.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from summer.classifier import CorpusShape
from summer.conversations.reading import Conversations
from summer.conversations.speakers import SpeakerIdentities
from summer.conversations.standardisation import Standardisation
from summer.corpus import LabelSet, Modality
from summer.durable import json_of, write_aside
from summer.training.models import SUMMER, kind_of

FORMAT_VERSION = 2
DAMAGE = (  # what a header leads to that somebody else has written
    *(AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError),
)
MOST_MODELS = 2  # a student and its teacher
UNSUSPICIOUS = 1 << 16  # a measure that a model need not have weights for, such as of what it does not read
COUNTS_MODULES = ("layers", "experts")  # how the options end that say how many modules there are
METADATA = "summer"
READINGS_BEFORE_0_3 = {
    "emotion_attention": "replaces",
    "embedding_norm": False,
    "agreement": "head-by-head",
    "threshold": "hard",
    "start": "drawn",
}


class CheckpointError(ValueError):
    """A trained model that cannot be read or does not fit; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a model was trained on, and how it was chosen.

    Args:
        fingerprints: of the stores' features, by modality.
        settings: the recipe's tables that made it, to be read by people.
        batch_dialogues: dialogues of a batch, in training and in predicting.
        selected_on: the split whose weighted F1 chose the epoch.
        w_f1: of that split in that epoch.
    """

    corpus: str
    protocol: str
    fingerprints: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int
    batch_dialogues: int
    selected_on: str
    epoch: int
    w_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One network of a file: what it is built of.

    Args:
        options: an object of the kind's dataclass.
    """

    name: str
    options: Any
    shape: CorpusShape


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model and all that is needed to use it.

    Args:
        model: meets `summer.classifier.Classifier`; frozen, in evaluation mode.
        parts: what it is built of: what it needs first, itself last.
        standardisations: of the features, by modality, fitted on the training split.
    """

    model: nn.Module
    parts: tuple[Part, ...]
    labels: LabelSet
    identities: SpeakerIdentities
    standardisations: Mapping[Modality, Standardisation]
    origin: Origin

    @property
    def name(self) -> str:
        """The model's name."""
        return self.parts[-1].name

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """All that it reads, also what only a part of it reads."""
        read = {modality for part in self.parts for modality in part.shape.feature_dims}
        return tuple(modality for modality in Modality if modality in read)

    @property
    def feature_dims(self) -> dict[Modality, int]:
        """Width of the features of each modality that it reads."""
        return {m: dim for part in self.parts for m, dim in part.shape.feature_dims.items()}

    def with_own_scales(self) -> TrainedModel:
        """The same with the scales of what it reads, and no others."""
        own = {m: scale for m, scale in self.standardisations.items() if m in self.modalities}
        return replace(self, standardisations=own)


def save_model(path: Path, trained: TrainedModel) -> None:
    """Write a model, aside and renamed into place.

    Raises:
        DiskError: the disk is full or refuses.
    """
    header = {
        "format": FORMAT_VERSION,
        "models": [_part_to_json(part) for part in trained.parts],
        "labels": trained.labels.names,
        "identities": asdict(trained.identities),
        "origin": asdict(trained.origin),
        "unclipped": [m for m, scale in trained.standardisations.items() if not scale.clipped],
    }
    tensors = {
        f"model.{name}": value.detach().cpu().contiguous()
        for name, value in trained.model.state_dict().items()
    }
    for modality, scale in trained.standardisations.items():
        tensors[f"centre.{modality}"] = torch.from_numpy(scale.centre)
        tensors[f"spread.{modality}"] = torch.from_numpy(scale.spread)
    write_aside(path, save(tensors, metadata={METADATA: json.dumps(header)}))


def load_checkpoint(path: Path) -> TrainedModel:
    """Read what `save_model` wrote; the module is frozen, in evaluation mode.

    Raises:
        CheckpointError: the file is absent, truncated, no model of this project, of another version, or of a
            model that this program does not have.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no trained model at {path}; make it with summer-train")
    try:
        with safe_open(path, framework="pt") as file:
            header = json_of((file.metadata() or {})[METADATA])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        version = header["format"]
    except (SafetensorError, OSError, *DAMAGE) as error:
        raise _unreadable(path, error) from error
    if version not in (1, FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format {version}, this program reads 1 and {FORMAT_VERSION}; train again, or use "
            "the version of the program that made it"
        )
    try:
        if version == 1:
            header, tensors = _of_format_1(header, tensors)
        return _rebuilt(header, tensors, path)
    except CheckpointError:
        raise
    except DAMAGE as error:
        raise _unreadable(path, error) from error


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


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    cause = str(error).splitlines()[0] if str(error) else ""
    return CheckpointError(
        f"{path} cannot be read as a trained model ({type(error).__name__}: {cause}); delete it "
        "and train again"
    )


def _rebuilt(header: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> TrainedModel:
    if len(header["models"]) > MOST_MODELS:
        raise ValueError(f"{len(header['models'])} models, of which one needs {MOST_MODELS - 1} at most")
    parts = tuple(_part_from_json(entry) for entry in header["models"])
    weights = {
        name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")
    }
    labels = LabelSet(tuple(header["labels"]))
    if not all(isinstance(name, str) for name in labels.names) or len(labels) != parts[-1].shape.classes:
        raise ValueError(f"{len(labels)} labels of {parts[-1].shape.classes} classes, each a word")
    for part in parts:
        _check_numbers((asdict(part.options), asdict(part.shape)), weights)
    with torch.device("meta"):  # takes no memory, however large it is said to be
        planned = _built(parts)
    _check_shapes(planned, weights, path)
    return TrainedModel(
        model=_filled(_built(parts), weights, path),
        parts=parts,
        labels=labels,
        identities=SpeakerIdentities(
            **{**header["identities"], "names": tuple(header["identities"]["names"])}
        ),
        standardisations=_standardisations(tensors, unclipped=header.get("unclipped", ())),
        origin=Origin(**header["origin"]),
    )


def _check_numbers(entry: object, weights: Mapping[str, Tensor], name: str = "") -> None:
    """Refuse numbers that the weights cannot be of: each measure has weights, each module a tensor.

    Raises:
        ValueError: names the number and its limit.
    """
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            _check_numbers(value, weights, str(key))
    elif isinstance(entry, list | tuple):
        for value in entry:
            _check_numbers(value, weights, name)
    elif isinstance(entry, int):
        numbers = sum(map(Tensor.numel, weights.values()))
        most = len(weights) if name.endswith(COUNTS_MODULES) else max(numbers, UNSUSPICIOUS)
        if entry > max(most, 1):
            raise ValueError(f"{name} is {entry}, and its weights are of {most} at most")


def _check_shapes(planned: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    wanted = planned.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        shapes = [tuple(one[name].shape) if name in one else "absent" for one in (weights, wanted)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{path}: its weights are not those of its options ({name} is {shapes[0]}, not {shapes[1]}); "
                "train again"
            )


def build_part(part: Part, needed: nn.Module | None) -> nn.Module:
    """A part's module with new weights; it takes in the module that its kind needs.

    Raises:
        ValueError: its kind needs another model and there is none.
    """
    kind = kind_of(part.name)
    if kind.needs is None:
        return kind.build(part.options, part.shape)
    if needed is None:
        raise ValueError(f"a {part.name} needs a trained {kind.needs}, and none is there")
    return kind.build(part.options, part.shape, needed)


def _built(parts: Sequence[Part]) -> nn.Module:
    """The last part's module, with those before it inside."""
    module: nn.Module | None = None
    for before, part in zip([None, *parts], parts, strict=False):
        if kind_of(part.name).needs != (before and before.name):
            raise ValueError(f"a {part.name} after {before and before.name}, which it does not need")
        module = build_part(part, module)
    if module is None:
        raise ValueError("it names no model")
    return module


def _filled(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> nn.Module:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its weights are not those of its options ({str(error).splitlines()[-1].strip()}); "
            "train again"
        ) from error
    return module.eval().requires_grad_(False)


def _standardisations(
    tensors: Mapping[str, Tensor], *, unclipped: Sequence[str]
) -> dict[Modality, Standardisation]:
    return {
        modality: Standardisation(
            centre=tensors[f"centre.{modality}"].numpy().astype(np.float64),
            spread=tensors[f"spread.{modality}"].numpy().astype(np.float64),
            clipped=modality not in unclipped,
        )
        for modality in Modality
        if f"centre.{modality}" in tensors
    }


def _part_to_json(part: Part) -> dict[str, Any]:
    shape = {**asdict(part.shape), "feature_dims": list(part.shape.feature_dims.items())}
    return {"name": part.name, "options": asdict(part.options), "shape": shape}


def _part_from_json(entry: Mapping[str, Any]) -> Part:
    shape, name = entry["shape"], entry["name"]
    if name in SUMMER:
        entry = {**entry, "options": _with_readings_of_then(entry["options"])}
    dims = {Modality(modality): dim for modality, dim in shape["feature_dims"]}
    try:
        options = TypeAdapter(kind_of(name).options).validate_python(entry["options"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(place) for place in first["loc"])
        raise ValueError(f"the options of {name}: {key}: {first['msg'].lower()}") from error
    reads = tuple(Modality(modality) for modality in shape.get("linear_reads", ()))
    shape = CorpusShape(**{**shape, "feature_dims": dims, "linear_reads": reads})
    return Part(name=name, options=options, shape=shape)


def _with_readings_of_then(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an older teacher or student, with the readings that were then the only ones."""
    if "model" in options:
        return {**options, "model": _with_readings_of_then(options["model"])}
    mixture = "product" if options["mixture"] == "printed" else options["mixture"]
    return {**READINGS_BEFORE_0_3, **options, "mixture": mixture}


def _of_format_1(
    header: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A file of before 0.2.0, as it would be written today."""
    settings, origin = header["origin"]["settings"], dict(header["origin"])
    origin["w_f1"] = origin.pop("dev_w_f1")
    origin["batch_dialogues"] = settings["student"]["batch_dialogues"]
    # the sizes say what was built: a teacher borrowed from another run is not of this run's settings
    built = {
        name: {key: header[name].get(key, value) for key, value in settings["model"].items()}
        for name in ("teacher", "student")
        if header[name] is not None
    }
    options = {"teacher": built["teacher"]}
    if "student" in built:
        options["student"] = {"model": built["student"], "distillation": settings["distillation"]}
    models = [
        {"name": name, "options": options[name], "shape": _shape_of_format_1(header[name])}
        for name in options
    ]
    # a lone teacher's tensors were teacher.*; in a student's file both names stand inside the model
    old = "teacher." if len(models) == 1 else ""
    scales = ("centre.", "spread.")
    renamed = {
        name if name.startswith(scales) else f"model.{name.removeprefix(old)}": value
        for name, value in tensors.items()
    }
    return {**header, "models": models, "origin": origin}, renamed


def _shape_of_format_1(sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "feature_dims": list(sizes["feature_dims"].items()),
        "classes": sizes["classes"],
        "identities": sizes["identities"],
    }
