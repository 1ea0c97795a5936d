"""The text encoders of a recipe: one frozen, or tuned in one or two rounds, on all and without each fold.

Every tuning is a step that is found again when it is done, and goes on when it was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from extraction import weights
from extraction.extractor import Clip, Extractor
from extraction.folds import deal
from extraction.text import RobertaText
from extraction.text.folds import Fold, OutOfFoldText, fit_alignment, without_fold
from extraction.text.options import TuningOptions
from extraction.text.tuning import tune_text
from pipelines.extractors import Setting
from pipelines.recipe import TuningRecipe
from summer.durable import write_aside
from summer.folds import Alignment

Build = Callable[..., RobertaText]


def build_text(setting: Setting) -> Extractor:
    """The text extractor of a recipe, its encoders tuned where the recipe says so."""
    recipe = setting.recipe.text
    build = partial(
        RobertaText,
        speakers=recipe.speakers,
        past_tokens=recipe.past_tokens,
        future_tokens=recipe.future_tokens,
        window_tokens=recipe.window_tokens,
        reading=recipe.reading,
        vector=recipe.vector,
        device=setting.device,
        batch_size=setting.batch_size,
    )
    if recipe.mode == "frozen":
        if recipe.folds:
            raise ValueError(
                f"text.folds = {recipe.folds} with text.mode 'frozen': a frozen encoder has seen no labels; "
                "leave text.folds at 0, or tune"
            )
        return build(weights=weights.text_model(recipe.model), mode="frozen")
    clips = setting.corpus.clips
    if not recipe.folds:
        return _tuned(build, setting, clips, "text.encoder", "")
    return _out_of_fold(build, setting, clips)


def tuning_options(recipe: TuningRecipe) -> TuningOptions:
    """The numbers of the fine-tuning that a recipe gives."""
    return TuningOptions(
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        weight_decay=recipe.weight_decay,
        warmup_share=recipe.warmup_share,
        seed=recipe.seed,
        bfloat16=recipe.bfloat16,
    )


def _tuned(build: Build, setting: Setting, clips: Sequence[Clip], name: str, what: str) -> RobertaText:
    """Tune in one or two rounds.

    Args:
        name: of the folder beside the stores, which a digest lengthens.
        what: is being tuned, before each line on how far it is.
    """
    recipe = setting.recipe.text
    found = weights.text_model(recipe.model)
    rounds = [tuning for tuning in (recipe.tuning, recipe.tuning_again) if tuning is not None]
    for number, tuning in enumerate(rounds, start=1):
        which = f"{what}round {number}: " if len(rounds) > 1 else what
        found = tune_text(
            build(weights=found, mode="frozen"),
            clips,
            labels=setting.corpus.labels,
            options=tuning_options(tuning),
            folder=setting.folder / (name if number == 1 else f"{name}.again"),
            on_progress=partial(setting.on_tuning, which),
        )
    return build(weights=found, mode="tuned")


def _out_of_fold(build: Build, setting: Setting, clips: Sequence[Clip]) -> OutOfFoldText:
    """An encoder without each fold, and the one tuned on all where that one reads new rows."""
    recipe = setting.recipe.text
    fold_of = deal(clips, recipe.folds, recipe.new_rows, table="text")
    whole = (
        None if recipe.new_rows == "mean" else _tuned(build, setting, clips, "text.encoder", "all folds: ")
    )
    encoders = [
        _tuned(
            build,
            setting,
            without_fold(clips, fold_of, fold),
            f"text.without-fold-{fold + 1}-of-{recipe.folds}",
            f"without fold {fold + 1} of {recipe.folds}: ",
        )
        for fold in range(recipe.folds)
    ]
    reference, it_saw = (encoders[0], without_fold(clips, fold_of, 0)) if whole is None else (whole, clips)
    folds = [
        _fold(encoder, reference, without_fold(it_saw, fold_of, fold))
        for fold, encoder in enumerate(encoders)
    ]
    return OutOfFoldText(whole=whole, folds=folds, fold_of=fold_of)


def _fold(encoder: RobertaText, reference: RobertaText, clips: Sequence[Clip]) -> Fold:
    """Find the way to the axes of the reference, by clips that both were tuned on."""
    if encoder is reference:
        return Fold(encoder=encoder, alignment=None)
    both = hashlib.sha256((encoder.fingerprint + reference.fingerprint).encode()).hexdigest()
    path = encoder.weights.path / f"alignment-{both[:12]}.safetensors"
    if not path.is_file():
        write_aside(path, fit_alignment(encoder, reference, clips).to_bytes())
    return Fold(encoder=encoder, alignment=Alignment.load(path))
