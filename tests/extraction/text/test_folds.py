"""Out-of-fold vectors: who reads what, logits that one head gives, settings, one command."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from extraction.extractor import Clip, Extractor, WithHead
from extraction.text import RobertaText, TuningOptions, tune_text
from extraction.text.folds import Fold, OutOfFoldText, fit_alignment, without_fold
from pipelines.extractors import Setting
from pipelines.recipe import load_recipe
from pipelines.text_encoders import build_text
from summer.corpus import LabelSet, Split, Status
from summer.folds import folds_of
from tests.extraction.text.tiny_encoder import emotional_clips, roberta_folder

LABELS = LabelSet(("joy", "anger"))
TRAIN, DEV, TEST = (emotional_clips(count, split) for count, split in zip((24, 8, 8), Split, strict=True))
ALL = [*TRAIN, *DEV, *TEST]


def dealt(folds: int) -> dict[str, int]:
    return folds_of((clip.dialogue for clip in ALL), folds, option="text.folds")


def test_a_fold_is_left_out_of_training_alone_though_dev_has_dialogues_of_the_same_name() -> None:
    fold_of = dealt(3)
    left = without_fold(ALL, fold_of, 1)
    assert {clip.dialogue.name for clip in left if clip.utterance.split is Split.TRAIN} == {
        name for name, fold in fold_of.items() if fold != 1
    }
    assert [clip for clip in left if clip.utterance.split is not Split.TRAIN] == [*DEV, *TEST]


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> OutOfFoldText:
    folder = tmp_path_factory.mktemp("folds")
    frozen = RobertaText(weights=roberta_folder(folder), reading="dialogue", vector="mean")
    fold_of = dealt(2)

    def tuned(clips: Sequence[Clip], name: str) -> RobertaText:
        options = TuningOptions(epochs=1, learning_rate=3e-3, batch_size=8)
        made = tune_text(frozen, clips, labels=LABELS, options=options, folder=folder / name)
        return RobertaText(weights=made, mode="tuned", reading="dialogue", vector="mean")

    whole = tuned(ALL, "whole")
    folds = []
    for fold in range(2):
        clips = without_fold(ALL, fold_of, fold)
        encoder = tuned(clips, f"fold{fold}")
        folds.append(Fold(encoder=encoder, alignment=fit_alignment(encoder, whole, clips)))
    return OutOfFoldText(whole=whole, folds=folds, fold_of=fold_of)


def test_each_training_row_has_the_logits_of_the_encoder_that_did_not_see_it(
    extractor: OutOfFoldText,
) -> None:
    assert isinstance(extractor, Extractor)
    assert isinstance(extractor, WithHead)
    found = extractor(ALL)
    for clip, outcome in zip(ALL, found, strict=True):
        is_training = clip.utterance.split is Split.TRAIN
        fold = extractor.fold_of[clip.dialogue.name] if is_training else None
        reader = extractor.whole if fold is None else extractor.folds[fold].encoder
        assert reader is not None
        assert outcome.vector is not None
        logits = extractor.head.weight @ outcome.vector + extractor.head.bias
        assert np.allclose(logits, logits_of(reader, clip), atol=1e-3)
        if fold is None:
            assert np.allclose(outcome.vector, reader([clip])[0].vector, atol=1e-5)
        else:
            assert outcome.columns["fold"] == fold + 1


def test_new_rows_get_the_mean_of_encoders_none_of_which_saw_them(
    extractor: OutOfFoldText, tmp_path: Path, model: Path
) -> None:
    told: list[str] = []
    made = build_text(setting(tmp_path, model, told, "text.mode=tuned", "text.folds=3", "text.new_rows=mean"))
    assert isinstance(made, OutOfFoldText)
    assert list(dict.fromkeys(told)) == [f"without fold {fold} of 3: " for fold in (1, 2, 3)]
    found, clips = made(ALL), list(ALL)
    for clip, outcome in zip(clips, found, strict=True):
        fold = made.fold_of[clip.dialogue.name] if clip.utterance.split is Split.TRAIN else None
        readers = [one.encoder for one in made.folds] if fold is None else [made.folds[fold].encoder]
        wanted = np.mean([logits_of(reader, clip) for reader in readers], axis=0)
        assert outcome.vector is not None
        assert np.allclose(made.head.weight @ outcome.vector + made.head.bias, wanted, atol=1e-3)
        assert outcome.columns["fold"] == (0 if fold is None else fold + 1)
    assert dict(made.assets) == {
        f"encoder_{number}": fold.encoder.weights.path.name for number, fold in enumerate(made.folds, start=1)
    }
    assert made.settings["new_rows"] == "mean"
    assert "new_rows" not in extractor.settings


def test_the_axes_of_the_first_fold_are_learned_from_rows_that_both_saw(tmp_path: Path, model: Path) -> None:
    made = build_text(setting(tmp_path, model, [], "text.mode=tuned", "text.folds=3", "text.new_rows=mean"))
    assert isinstance(made, OutOfFoldText)
    first, second, _ = made.folds
    assert first.alignment is None
    assert second.alignment is not None
    both = [clip for clip in TRAIN if made.fold_of[clip.dialogue.name] == 2]
    again = fit_alignment(second.encoder, first.encoder, both)
    assert again.sha256 == second.alignment.sha256


def test_the_mean_of_two_folds_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ValueError, match="two networks share no training rows"):
        build_text(setting(tmp_path, model, [], "text.mode=tuned", "text.folds=2", "text.new_rows=mean"))


def logits_of(reader: RobertaText, clip: Clip) -> np.ndarray:
    [alone] = reader([clip])
    assert reader.head is not None
    assert alone.vector is not None
    logits: np.ndarray = reader.head.weight @ alone.vector + reader.head.bias
    return logits


def test_rows_without_words_stay_missing_and_it_travels_to_workers(extractor: OutOfFoldText) -> None:
    silent = replace(TRAIN[0], utterance=replace(TRAIN[0].utterance, text=" "))
    dialogue = replace(silent.dialogue, utterances=(silent.utterance, *silent.dialogue.utterances[1:]))
    silent = replace(silent, dialogue=dialogue)
    [outcome] = pickle.loads(pickle.dumps(extractor))([silent])
    assert outcome.status is Status.MISSING


def test_settings_tell_the_encoders_and_the_fingerprint_is_another(extractor: OutOfFoldText) -> None:
    assert extractor.settings["folds"] == "2"
    assert extractor.folds[1].encoder.settings["weights"] in extractor.settings["fold_2"]
    assert extractor.whole is not None
    assert extractor.fingerprint != extractor.whole.fingerprint


def setting(folder: Path, model: Path, told: list[str], *overrides: str) -> Setting:
    recipe = load_recipe(
        "manifest",
        [f"text.model={model}", "text.tuning.epochs=1", "text.tuning.learning_rate=3e-3", *overrides],
    )
    return Setting(
        recipe=recipe,
        corpus=SimpleNamespace(clips=ALL, labels=LABELS),  # type: ignore[arg-type]
        folder=folder / "stores",
        device="cpu",
        batch_size=None,
        keep_crops=False,
        on_tuning=lambda what, _: told.append(what),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return roberta_folder(tmp_path_factory.mktemp("model")).path


def test_folds_and_two_rounds_are_one_command_whose_steps_are_found_again(
    tmp_path: Path, model: Path
) -> None:
    told: list[str] = []
    wanted = ("text.mode=tuned", "text.folds=2", "text.tuning_again.epochs=1", "text.tuning_again.seed=1")
    made = build_text(setting(tmp_path, model, told, *wanted))
    assert isinstance(made, OutOfFoldText)
    assert list(dict.fromkeys(told)) == [
        f"{part}: round {number}: "
        for part in ("all folds", "without fold 1 of 2", "without fold 2 of 2")
        for number in (1, 2)
    ]
    told.clear()
    again = build_text(setting(tmp_path, model, told, *wanted))
    assert not told
    assert again.fingerprint == made.fingerprint
    assert made.whole is not None
    assert dict(again.assets) == {"encoder": made.whole.weights.path.name}


def test_folds_of_a_frozen_encoder_are_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ValueError, match=r"text\.folds = 3 with text\.mode 'frozen'"):
        build_text(setting(tmp_path, model, [], "text.mode=frozen", "text.folds=3"))
