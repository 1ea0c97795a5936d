"""The registry of extractors: a modality's name and its recipe in, the configured extractor out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from extraction import weights
from extraction.corpora import Corpus
from extraction.extractor import Extractor
from extraction.weights import Weights, WeightsUnavailable
from extraction.weights.memory import remembered
from pipelines.recipe import Recipe, VideoRecipe
from summer.corpus import Modality

if TYPE_CHECKING:
    from extraction.text.options import TuningProgress
    from extraction.video.extractor import LFNet3D

LOGGER = logging.getLogger("extraction")
WHOLE = "whole"  # what is remembered of a file that could be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all extractors of a run share.

    Args:
        folder: where the stores of the corpus stand; tuned encoders and kept crops go beside them.
        on_tuning: told which text encoder is being fine-tuned, and how far that is.
    """

    recipe: Recipe
    corpus: Corpus
    folder: Path
    device: str
    batch_size: int | None
    keep_crops: bool
    on_tuning: Callable[[str, TuningProgress], None]


def build_extractor(modality: Modality, setting: Setting) -> Extractor:
    """Configure one modality's extractor: find its weights, tune the encoder where the recipe says so."""
    return BUILDERS[modality](setting)


def _text(setting: Setting) -> Extractor:
    from pipelines.text_encoders import build_text

    return build_text(setting)


def _audio(_: Setting) -> Extractor:
    from extraction.audio import ComParE

    return ComParE()


def _video(setting: Setting) -> Extractor:
    from extraction.video.by_speaker import BySpeaker
    from extraction.video.extractor import LFNet3D
    from extraction.video.network.record import check_layer, tuning_of
    from extraction.video.options import LISTENING

    recipe = setting.recipe.video
    found = face_network_of(recipe)
    tuning = tuning_of(found) if recipe.weights else None
    if tuning is not None:
        check_layer(found, tuning, recipe.layer)
    by_speaker = recipe.face_choice == "speaker"
    make = partial(BySpeaker, absent_speaker=recipe.absent_speaker) if by_speaker else LFNet3D
    extractor = make(
        backbone=recipe.backbone,
        weights=found,
        recogniser=None if tuning is None else weights.vggface2(),
        layer=recipe.layer,
        over_time=recipe.over_time,
        bfloat16=recipe.bfloat16,
        face_choice=recipe.face_choice,
        speaking=judge_of(recipe) if recipe.face_choice in LISTENING else None,
        keyframe_every=recipe.keyframe_every,
        most_keyframes=recipe.most_keyframes,
        device=setting.device,
        batch_size=setting.batch_size,
        keep_crops=setting.folder / "crops" if setting.keep_crops else None,
    )
    _check_folds(recipe, extractor)
    if extractor.folds is not None:
        extractor.folds.check(setting.corpus)
        remembered(
            "folds", [found.sha256, recipe.layer, recipe.over_time], lambda: _read_folds(found, recipe)
        )
    return extractor


def _read_folds(found: Weights, recipe: VideoRecipe) -> str:
    """Read all networks: damage is to be told before the first clip, not by a worker."""
    from extraction.video.network.folded import load_folds  # imports torch

    load_folds(found, layer=recipe.layer, over_time=recipe.over_time)
    return WHOLE


def _check_folds(recipe: VideoRecipe, extractor: LFNet3D) -> None:
    """Refuse weights that do not hold the folds that a recipe asks for; one that asks for none takes any."""
    found, weights_name = extractor.folds, recipe.weights or "the published weights"
    asked = f"video.folds = {recipe.folds} with video.new_rows {recipe.new_rows!r}"
    if not recipe.folds:
        return
    if found is None:
        raise ValueError(
            f"{asked}, and {weights_name} hold one network; give video.weights a file that summer-tune made "
            "with these folds, or leave video.folds at 0"
        )
    if (found.count, found.new_rows) != (recipe.folds, recipe.new_rows):
        raise ValueError(
            f"{asked}, and {weights_name} hold {found.count} folds and read new rows by {found.new_rows!r}; "
            "tune with the former, or leave video.folds at 0"
        )


def weights_of(recipe: Recipe) -> Mapping[str, Weights]:
    """All weights that an extraction by this recipe reads, by what they are for.

    Raises:
        WeightsUnavailable: no source has them. LR-ASD's may be absent: a recipe does without.
    """
    from extraction.video.options import LISTENING

    found = {
        "text encoder": weights.text_model(recipe.text.model),
        "face network": face_network_of(recipe.video),
    }
    judge = judge_of(recipe.video) if recipe.video.face_choice in LISTENING else None
    return found if judge is None else {**found, "judge of talking": judge}


def face_network_of(recipe: VideoRecipe) -> Weights:
    """The weights of the backbone: those that the recipe names, or the published ones."""
    find = weights.vggface2 if recipe.backbone == "inception_resnet_v1" else weights.kinetics_r3d18
    return find(Path(recipe.weights) if recipe.weights else None)


def judge_of(recipe: VideoRecipe) -> Weights | None:
    """LR-ASD's weights; without them, and without its asking for certain ones, a recipe does with motion."""
    if recipe.speaking == "motion":
        return None
    if recipe.speaking:
        given = weights.active_speaker(Path(recipe.speaking))
        remembered("judge", given.sha256, lambda: _read_judge(given))
        return given
    try:
        return weights.active_speaker()
    except WeightsUnavailable as reason:
        LOGGER.warning("%s. Who talks is judged by the motion of mouths and the loudness instead", reason)
        return None


def _read_judge(given: Weights) -> str:
    """Read the network: a wrong file is to be told now, not at the first clip with two faces."""
    from extraction.video.faces.speaking import load_network  # imports torch

    load_network(given, "cpu")
    return WHOLE


BUILDERS: Mapping[Modality, Callable[[Setting], Extractor]] = {
    Modality.TEXT: _text,
    Modality.AUDIO: _audio,
    Modality.VIDEO: _video,
}
