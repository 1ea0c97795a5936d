"""The extractors that a run's features were made with, from what the run keeps of them.

New recordings are in no fold: text that was read out of fold is read as dev and test were, by the mean of
all encoders or by the one tuned on all. What is built is held against the run's own settings: another version
of a library is said, any other difference is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from extraction import weights
from extraction.corpora import Corpus
from extraction.extractor import Extractor
from pipelines.extractors import Setting, build_extractor
from pipelines.recipe import Recipe, VideoRecipe
from summer.corpus import Modality
from summer.runs.features import FeatureOrigin, asset_path
from summer.runs.folder import RunError

LOGGER = logging.getLogger("pipelines")
LIBRARIES = {
    *("torch", "transformers", "tokenizers", "facenet-pytorch", "av", "opencv-python-headless", "opensmile"),
    *("libavutil", "libavcodec", "libavformat", "libavdevice", "libavfilter", "libswscale", "libswresample"),
}
OF_THE_RUN = ("folds", "new_rows", "fold_")  # what an encoder tuned on all, taken by itself, does not say
MADE_HERE = {Modality.TEXT: "vector", Modality.AUDIO: "feature_set", Modality.VIDEO: "face_choice"}


class NotMadeHere(ValueError):  # noqa: N818 - what is the case, in one word
    """Features that no extractor of this program made: imported, or made by hand."""


def extractor_of(
    modality: Modality, origin: FeatureOrigin, *, run: Path, corpus: Corpus, folder: Path, device: str
) -> Extractor:
    """The extractor of a run's modality, for new recordings.

    Args:
        origin: what the run says of how its features were made.
        corpus: the recording, which is in no fold.
        folder: of the features that are to be made.

    Raises:
        NotMadeHere: the run's features came from elsewhere.
        RunError: an encoder or network is gone, has changed, or is another than the run's.
        WeightsUnavailable: weights that no source could give.
    """
    if MADE_HERE[modality] not in origin.settings:
        source = origin.settings.get("source", "elsewhere")
        raise NotMadeHere(
            f"the run's {modality} features were imported ({source}), so none can be made of it"
        )
    extractor = _BUILDERS[modality](origin, run, corpus, folder, device)
    _check(extractor, origin, run)
    return extractor


def _text(origin: FeatureOrigin, run: Path, _: Corpus, __: Path, device: str) -> Extractor:
    from extraction.text import RobertaText
    from extraction.text.folds import OutOfFoldText

    def encoder(role: str) -> RobertaText:
        return RobertaText(
            weights=weights.text_model(_place(role, origin, run)), device=device, **_reading(origin)
        )

    roles = [role for role in origin.assets if role.startswith("encoder_")]
    if not roles:
        return encoder("encoder")
    folds = [
        _aligned(encoder(role), origin.settings[f"fold_{number}"], run)
        for number, role in enumerate(roles, 1)
    ]
    return OutOfFoldText(folds=folds, fold_of={})


def _reading(origin: FeatureOrigin) -> Mapping[str, Any]:
    said = origin.settings
    numbers = ("past_tokens", "future_tokens", "window_tokens")
    return {
        **{name: said[name] for name in ("mode", "speakers", "vector")},
        **{name: int(said[name]) for name in numbers},
        "reading": said.get("reading", "utterance"),
    }


def _aligned(encoder: Any, description: str, run: Path) -> Any:
    """A fold with its way to the axes of the reference, which lies in its folder."""
    from extraction.text.folds import Fold
    from summer.folds import Alignment

    _, separator, sha256 = description.partition("aligned by ")
    if not separator:
        return Fold(encoder=encoder, alignment=None)
    for path in sorted(encoder.weights.path.glob("alignment-*.safetensors")):
        alignment = Alignment.load(path)
        if alignment.sha256 == sha256:
            return Fold(encoder=encoder, alignment=alignment)
    raise RunError(
        f"{encoder.weights.path} has no alignment {sha256[:12]}..., by which {run} read new rows; train "
        "again with the stores at hand"
    )


def _audio(_: FeatureOrigin, __: Path, ___: Corpus, ____: Path, _____: str) -> Extractor:
    from extraction.audio import ComParE

    return ComParE()


def _video(origin: FeatureOrigin, run: Path, corpus: Corpus, folder: Path, device: str) -> Extractor:
    said = origin.settings
    kept = ("backbone", "layer", "over_time", "face_choice", "keyframe_every", "most_keyframes")
    chosen: dict[str, Any] = {name: said[name] for name in kept if name in said}
    if said.get("speaking", "").startswith("motion"):
        chosen["speaking"] = "motion"
    place = _place("backbone", origin, run)
    if Path(place).is_file():
        chosen["weights"] = place
    try:
        recipe = TypeAdapter(VideoRecipe).validate_python(chosen)
    except ValidationError as error:
        raise RunError(
            f"{run} says of its video features what this version does not know: {error}"
        ) from error
    setting = Setting(
        recipe=Recipe(video=recipe),
        corpus=corpus,
        folder=folder,
        device=device,
        batch_size=None,
        keep_crops=True,
        on_tuning=lambda _, __: None,
    )
    return build_extractor(Modality.VIDEO, setting)


_BUILDERS = {Modality.TEXT: _text, Modality.AUDIO: _audio, Modality.VIDEO: _video}


def _place(role: str, origin: FeatureOrigin, run: Path) -> str:
    """The path of an asset that the run has, else what it is known by."""
    kept = asset_path(run, origin, role)
    return str(kept) if kept is not None else origin.assets[role].name


def _check(extractor: Extractor, origin: FeatureOrigin, run: Path) -> None:
    """Say which libraries are others; refuse any other difference."""
    here, there = dict(extractor.settings), dict(origin.settings)
    names = sorted(here.keys() | {name for name in there if not name.startswith(OF_THE_RUN)})
    unlike = [name for name in names if here.get(name) != there.get(name)]
    told = [f"{name} {there.get(name, 'none')}, here {here.get(name, 'none')}" for name in unlike]
    if set(unlike) - LIBRARIES:
        raise RunError(
            f"{run} was trained on {extractor.modality} features that cannot be made here: "
            f"{'; '.join(told)}. Put back what differs, or train with features made here"
        )
    if told:
        LOGGER.warning(
            "%s features are made by other versions than the run's: %s", extractor.modality, "; ".join(told)
        )
