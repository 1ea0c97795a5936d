"""Recipes: every number of a run in one TOML file, read into frozen, validated dataclasses.

A key that no recipe knows is an error that names the nearest known one. `-o video.face_choice=largest` on a
command line changes one key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from summer.options import LossWeights, ModelOptions, TrainingOptions

if TYPE_CHECKING:
    from summer.training.seed import ModelSettings, Settings

STRICT = ConfigDict(extra="forbid")
WITHOUT_SETTINGS = "audio"  # a modality, but no table of a recipe
GATHERED = "trainings"  # a field, but no table: it holds the tables that are named as rivals are
MOST_BYTES = 1 << 20  # of a recipe: a thousand times the longest that is shipped
DEEPEST = 32  # tables in tables
MOST_POINTS = 1000  # of a line; what reads TOML takes memory for each pair of the parts of a key


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the key, the value and the remedy."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TuningRecipe:
    """Fine-tuning of the text encoder on the training split (mode `tuned`).

    Args:
        epochs: rounds over the training rows; the best on dev is kept.
        learning_rate: of AdamW, at its highest.
        batch_size: utterances of a step.
        weight_decay: of AdamW.
        warmup_share: of all steps, over which the learning rate rises from 0.
        seed: of the head's weights and of the order of batches.
        bfloat16: numbers of half the width, on a GPU alone.
    """

    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=2e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    bfloat16: bool = False


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextRecipe:
    """RoBERTa: a Hugging Face id or folder, and what of the dialogue it reads.

    Args:
        model: a Hugging Face id, or a folder.
        mode: `tuned` trains it on the labels of the training split first, as [text.tuning] says; `frozen`
            takes it as it comes: no labels are needed, [text.tuning] is not read, and `folds` must be 0.
        speakers: how they are told apart: a token for each slot of the dialogue, their names, or not at all.
        past_tokens: most tokens of context before the utterance.
        future_tokens: most tokens of context after it.
        window_tokens: most tokens that are read at once; the model's own limit applies as well.
        reading: a pass for each utterance, or one for the whole dialogue, which needs vector `mean`.
        vector: the state of the start token, or the mean over the utterance's own words.
        folds: encoders that read the training rows they were not tuned on; 0: one encoder reads all.
        new_rows: with folds, who reads dev, test and new rows: one more encoder, tuned on the whole training
            split, or all of the folds', whose mean is kept.
        tuning_again: a second round that starts from the encoder of the first, with a new head.
    """

    model: str = "roberta-base"
    mode: Literal["frozen", "tuned"] = "tuned"
    speakers: Literal["tokens", "names", "none"] = "tokens"
    past_tokens: int = Field(default=160, ge=0)
    future_tokens: int = Field(default=60, ge=0)
    window_tokens: int = Field(default=512, ge=8)
    reading: Literal["utterance", "dialogue"] = "utterance"
    vector: Literal["start", "mean"] = "start"
    folds: int = Field(default=0, ge=0)
    new_rows: Literal["whole", "mean"] = "whole"
    tuning: TuningRecipe = field(default_factory=TuningRecipe)
    tuning_again: TuningRecipe | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VideoTuningRecipe:
    """Tuning of the face network by `summer-tune`.

    Args:
        epochs: rounds over the clips; the best on dev is kept.
        learning_rate: of AdamW, at its highest.
        batch_clips: clips of a step.
        clip_frames: faces of a clip that is trained on, at most.
        trained_blocks: so many last blocks of the network are trained.
        weight_decay: of AdamW.
        warmup_share: of all steps, over which the learning rate rises from 0.
        seed: of the head's weights and of the order of batches.
        images_per_person: of a folder per person, evenly spread over the names.
    """

    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    batch_clips: int = Field(default=16, ge=1)
    clip_frames: int = Field(default=8, ge=1)
    trained_blocks: int = Field(default=6, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    images_per_person: int = Field(default=64, ge=2)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VideoRecipe:
    """LFNet3D: keyframes, whose face, which network, which of its values are the vector.

    Args:
        backbone: the network: VGGFace2's, inflated to 3D, or one that is 3D from the start.
        layer: whose values are the vector.
        over_time: of them over the keyframes: their mean, or their standard deviation as well.
        bfloat16: the network in numbers of half the width: faster where the processor has them, and not the
            same vectors; whose face it is does not change.
        weights: of the backbone, a path; "": the published ones.
        face_choice: whose face: who talks, the named speaker, the largest, or the most central.
        speaking: who judges who talks: "" LR-ASD where its weights are to be had, else motion and loudness; a
            path to its weights, which must then be there; "motion": motion and loudness.
        absent_speaker: with face_choice "speaker", whether rows whose speaker is not in the picture are
            masked in training, or keep the face that talks most.
        keyframe_every: every so many pictures of a clip one is looked at.
        most_keyframes: of a clip, evenly spread.
        folds: of `summer-tune --dataset`: networks that read the training rows they were not tuned on; 0: one
            network reads all. An extraction follows its weights; what is said here must agree with them.
        new_rows: with folds, who reads dev, test and new rows: one more network, tuned on the whole training
            split, or all of the folds', whose mean is kept.
    """

    backbone: Literal["inception_resnet_v1", "r3d_18"] = "inception_resnet_v1"
    layer: Literal["block8", "repeat_2"] = "block8"
    over_time: Literal["mean", "mean-and-deviation"] = "mean"
    bfloat16: bool = False
    weights: str = ""
    face_choice: Literal["talking", "speaker", "largest", "central"] = "talking"
    speaking: str = ""
    absent_speaker: Literal["masked", "kept"] = "masked"
    keyframe_every: int = Field(default=10, ge=1)
    most_keyframes: int = Field(default=256, ge=1)
    folds: int = Field(default=0, ge=0)
    new_rows: Literal["whole", "mean"] = "whole"
    tuning: VideoTuningRecipe = field(default_factory=VideoTuningRecipe)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReductionRecipe:
    """How raw vectors become what the model reads; `none` keeps raw vectors only.

    Args:
        method: principal components; or DialogueRNN and a layer, trained on the labels of the training split.
        width: numbers of a reduced vector; as many usable training rows are needed.
        seed: of what is drawn by chance.
        folds: of `dialogue-rnn`: reducers that reduce the training rows they were not trained on; 0: one
            reducer reduces all.
    """

    method: Literal["none", "pca", "dialogue-rnn"] = "none"
    width: int = Field(default=512, ge=1)
    seed: int = Field(default=0, ge=0)
    folds: int = Field(default=0, ge=0)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReductionRecipes:
    """One reduction per modality."""

    text: ReductionRecipe = field(default_factory=ReductionRecipe)
    audio: ReductionRecipe = field(default_factory=ReductionRecipe)
    video: ReductionRecipe = field(default_factory=lambda: ReductionRecipe(width=256))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """All settings of an extraction and of a training.

    A rival of SUMMER's models has its options under [baselines.<name>], and how it is trained under
    [<name>], as the teacher has it under [teacher].

    Args:
        corpus: the corpus' policies, checked by its reader.
        teacher, student: how each of the two is trained.
        baselines: options of rivals, by name; checked against the rival's own dataclass.
        trainings: what a recipe says of how rivals are trained, by name.
    """

    corpus: dict[str, str] = field(default_factory=dict)
    text: TextRecipe = field(default_factory=TextRecipe)
    video: VideoRecipe = field(default_factory=VideoRecipe)
    reduction: ReductionRecipes = field(default_factory=ReductionRecipes)
    model: ModelOptions = field(default_factory=ModelOptions)
    teacher: TrainingOptions = field(default_factory=TrainingOptions)
    student: TrainingOptions = field(default_factory=TrainingOptions)
    distillation: LossWeights = field(default_factory=LossWeights)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """All that a training wants to know.

        Raises:
            RecipeError: an option of a rival that it does not have, or out of its range.
        """
        from summer.training.seed import Settings  # imports torch: not for an extraction of audio

        return Settings(
            model=self.model,
            teacher=self.teacher,
            student=self.student,
            distillation=self.distillation,
            rivals={name: self._rival(name) for name in sorted({*self.baselines, *self.trainings})},
        )

    def _rival(self, name: str) -> ModelSettings:
        from summer.baselines import BASELINES
        from summer.training.seed import ModelSettings

        if name not in BASELINES:
            near = _nearest(name, sorted(BASELINES))
            raise RecipeError(f"there is no rival {name!r}{near}; there is {', '.join(BASELINES)}")
        kind = BASELINES[name]
        training = {**asdict(kind.training), **self.trainings.get(name, {})}
        return ModelSettings(
            options=_checked(kind.options, self.baselines.get(name, {}), f"baselines.{name}"),
            training=_checked(TrainingOptions, training, name),
        )


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files("pipelines") / "recipes"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def recipe_of_dataset(dataset: str) -> str:
    """The shipped recipe of a dataset: its own, or `manifest` for a folder of own clips."""
    return dataset if dataset in shipped_recipes() else "manifest"


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides.

    Args:
        name: of a shipped recipe, or the path of a TOML file.
        overrides: such as "video.face_choice=largest"; values are read as TOML, else as text.

    Raises:
        RecipeError: no such recipe, not TOML, an unknown key, a value out of range.
    """
    settings = _read_toml(name)
    for override in overrides:
        _apply(settings, override)
    _refuse_deep_ones(settings, name)
    if GATHERED in settings:
        raise RecipeError(f"recipe {name}: unknown key {GATHERED!r}; [<model>] says how a model is trained")
    settings = _with_trainings_of_rivals(settings)
    _refuse_unknown_keys(settings, Recipe, name)
    try:
        return TypeAdapter(Recipe).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"recipe {name}: {key} = {first['input']!r}: {first['msg'].lower()}") from error


def _with_trainings_of_rivals(settings: dict[str, Any]) -> dict[str, Any]:
    """The tables that are named as rivals are, gathered under `trainings`.

    A name that has options under [baselines] as well is taken for a rival's; whether there is one of that
    name is looked up when it is asked for. So the shipped recipes are read without torch.
    """
    own = {entry.name for entry in fields(Recipe)}
    others = [name for name in settings if name not in own]
    baselines = settings.get("baselines")
    declared = baselines if isinstance(baselines, dict) else {}
    names = [name for name in others if name in declared]
    if len(names) < len(others):
        from summer.baselines import BASELINES  # imports torch

        names = [name for name in others if name in declared or name in BASELINES]
    trainings = {name: settings[name] for name in names}
    kept = {name: value for name, value in settings.items() if name not in trainings}
    return {**kept, GATHERED: trainings} if trainings else kept


def _checked(kind: type[Any], values: Mapping[str, Any], table: str) -> Any:
    """An object of a dataclass, its keys and values checked as those of a recipe."""
    known = sorted(entry.name for entry in fields(kind))
    for key in values:
        if key not in known:
            raise RecipeError(f"unknown key '{table}.{key}'{_nearest(key, known)}")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of the table as a whole, whose values would fill the screen
            raise RecipeError(f"{table}: {first['msg'].lower()}") from error
        key = ".".join(str(part) for part in (table, *first["loc"]))
        raise RecipeError(f"{key} = {first['input']!r}: {first['msg'].lower()}") from error


def _read_toml(name: str) -> dict[str, Any]:
    try:
        text = _recipe_text(name)
        if any(line.count(".") > MOST_POINTS for line in text.splitlines()):
            raise RecipeError(f"recipe {name}: a line of more than {MOST_POINTS:,} points; write short keys")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {name} is not UTF-8: {error}; save it as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"recipe {name} cannot be read: {error.strerror}; check its rights") from error
    except RecursionError as error:
        raise RecipeError(f"recipe {name} is nested too deeply; write tables of plain values") from error
    except RecipeError:
        raise
    except ValueError as error:  # also of a number with more digits than Python reads
        raise RecipeError(f"recipe {name} is not TOML: {error}; correct that line") from error


def _recipe_text(name: str) -> str:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise RecipeError(f"there is no recipe at {path}; shipped ones: {', '.join(shipped_recipes())}")
        if path.stat().st_size > MOST_BYTES:
            raise RecipeError(
                f"{path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}; give a recipe"
            )
        return path.read_text(encoding="utf-8")
    if name not in shipped_recipes():
        raise RecipeError(
            f"there is no recipe {name!r}{_nearest(name, shipped_recipes())}; shipped: "
            f"{', '.join(shipped_recipes())}; or give the path of a .toml file"
        )
    return (files("pipelines") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def _apply(settings: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"override {override!r}: write key=value, such as video.face_choice=largest")
    *tables, last = key.split(".")
    if len(tables) > DEEPEST:
        raise RecipeError(
            f"override {override[:60]!r}...: {len(tables)} tables in each other; correct the key"
        )
    table = settings
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise RecipeError(f"override {override!r}: {name!r} is a value, not a table; end the key there")
    try:
        table[last] = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        table[last] = value


def _refuse_deep_ones(settings: Mapping[str, Any], recipe: str) -> None:
    tables: Sequence[Mapping[str, Any]] = [settings]
    for _ in range(DEEPEST):
        tables = [value for table in tables for value in table.values() if isinstance(value, Mapping)]
    if tables:
        raise RecipeError(f"recipe {recipe}: tables are nested more than {DEEPEST} deep; correct its keys")


def _refuse_unknown_keys(settings: Mapping[str, Any], kind: type, recipe: str) -> None:
    known = set(_known_keys(kind))
    for key in _keys(settings):
        if key not in known and not key.startswith(("corpus.", "baselines.", "trainings.")):
            raise RecipeError(f"recipe {recipe}: unknown key {_suggestion(key, settings, known)}")


def _suggestion(key: str, settings: Mapping[str, Any], known: Set[str]) -> str:
    """The unknown key, and the nearest that there is; of audio what is known of it."""
    if key != WITHOUT_SETTINGS:
        return f"{key!r}{_nearest(key, sorted(known))}"
    below = settings[key] if isinstance(settings[key], Mapping) else {}
    for name in below:
        if (reduced := f"reduction.{key}.{name}") in known:
            return f"'{key}.{name}', did you mean {reduced!r}?"
    whole = ".".join((key, *list(below)[:1]))
    return (
        f"{whole!r}: audio is openSMILE's ComParE_2016, which has no settings; "
        f"[reduction.{key}] says what becomes of its 6373 numbers"
    )


def _keys(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in settings.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")


def _known_keys(kind: type, prefix: str = "") -> Iterator[str]:
    hints = get_type_hints(kind)
    for entry in fields(kind):
        yield prefix + entry.name
        hint = hints[entry.name]
        for table in (hint, *get_args(hint)):
            if is_dataclass(table) and isinstance(table, type):
                yield from _known_keys(table, f"{prefix}{entry.name}.")


def _nearest(word: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {matches[0]!r}?" if matches else ""
