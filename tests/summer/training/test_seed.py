"""One seed from features to predictions: every odd corpus is trained on, or refused with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summer.baselines.mlp import Mlp, MlpOptions
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.evaluation.scores import results
from summer.training.history import TrainingError
from summer.training.models import STUDENT, TEACHER, UnknownModelError
from summer.training.preparation import Material, prepare
from summer.training.seed import ModelSettings, Settings, obtain_model
from tests.summer.made_up import LABELS, Lengths
from tests.summer.made_up_training import (
    LENGTHS,
    SETTINGS,
    TRAINING,
    Log,
    are_equal,
    made_learnable,
    made_material,
    made_place,
    predict,
    student_of,
    train_both,
    weights_of,
    with_model,
    with_training,
)

QUICK = with_training(SETTINGS, most_epochs=1)
ONE_EACH: Lengths = {Split.TRAIN: (4,), Split.DEV: (3,), Split.TEST: (2,)}
EVERY_MODALITY = tuple(Modality)
RIVAL = ModelSettings(
    options=MlpOptions(hidden_dim=16), training=replace(TRAINING, most_epochs=12, patience_epochs=12)
)


def changed(conversations: Conversations, change: Callable[[Utterance], Mapping[str, Any]]) -> Conversations:
    """The same with other facts of some utterances."""
    return replace(conversations, utterances=tuple(replace(u, **change(u)) for u in conversations.utterances))


def works(material: Material, folder: Path, settings: Settings = QUICK) -> dict[str, Any]:
    """Train both, predict all there is; the results."""
    predictions = [
        predict(material, model, split)
        for model in train_both(material, settings, made_place(folder))
        for split in (Split.DEV, Split.TEST)
        if material.dealer.of_split(split)
    ]
    for one in predictions:
        assert np.isfinite(one.probabilities).all()
        assert len(one.ids) == sum(u.split is one.split for u in material.conversations.utterances)
    return results(predictions, material.conversations.labels)


def test_a_teacher_whose_modality_has_no_store_is_refused_with_the_choice(tmp_path: Path) -> None:
    settings = with_model(QUICK, teacher=Modality.VIDEO)
    with pytest.raises(
        TrainingError,
        match="the teacher reads video, of which no store is given; there is text, audio: .*--modality",
    ):
        obtain_model(TEACHER, made_material(), settings, made_place(tmp_path))


def test_the_student_leaves_out_what_the_corpus_lacks(tmp_path: Path) -> None:
    settings = with_model(QUICK, student=EVERY_MODALITY)
    material = made_material(settings, modalities=(Modality.TEXT, Modality.VIDEO))
    _, student = train_both(material, settings, made_place(tmp_path))
    assert student_of(student).modalities == (Modality.TEXT, Modality.VIDEO)


def test_a_student_of_modalities_that_are_not_there_is_refused(tmp_path: Path) -> None:
    settings = with_model(QUICK, student=(Modality.VIDEO,))
    material = made_material()
    teacher = obtain_model(TEACHER, material, settings, made_place(tmp_path))
    with pytest.raises(
        TrainingError, match="the student reads video, of which no store is given; there is text, audio"
    ):
        obtain_model(STUDENT, material, settings, made_place(tmp_path), needed=teacher)


@pytest.mark.parametrize("teacher", EVERY_MODALITY)
def test_any_modality_may_teach_and_the_student_need_not_read_it(teacher: Modality, tmp_path: Path) -> None:
    settings = with_model(QUICK, teacher=teacher, student=(Modality.AUDIO,))
    material = made_material(settings, modalities=EVERY_MODALITY)
    assert works(material, tmp_path, settings).keys() == {"teacher", "student"}


def test_a_corpus_without_test_trains_and_is_scored_on_dev_only(tmp_path: Path) -> None:
    lengths = {split: those for split, those in LENGTHS.items() if split is not Split.TEST}
    assert works(made_material(lengths=lengths), tmp_path)["student"].keys() == {"dev"}


def test_a_corpus_without_dev_trains_where_test_chooses_and_says_so(tmp_path: Path) -> None:
    lengths = {split: those for split, those in LENGTHS.items() if split is not Split.DEV}
    with pytest.raises(TrainingError, match="dev is to choose the epoch .* --select-on test"):
        obtain_model(TEACHER, made_material(lengths=lengths), QUICK, made_place(tmp_path / "dev"))
    settings = with_training(QUICK, select_on=Split.TEST)
    teacher = obtain_model(TEACHER, made_material(lengths=lengths), settings, made_place(tmp_path / "test"))
    assert teacher.origin.selected_on == "test"


def test_one_dialogue_in_each_split_is_enough(tmp_path: Path) -> None:
    labels = {0: "neutral", 1: "joy"}
    conversations = changed(made_learnable(ONE_EACH), lambda u: {"label": labels.get(u.turn, "anger")})
    works(prepare(conversations, SETTINGS.model), tmp_path)


@pytest.mark.parametrize("weighting", ["none", "root", "balanced"])
def test_a_class_that_training_lacks_is_scored_and_counts_for_nothing(weighting: str, tmp_path: Path) -> None:
    whole = made_learnable()
    absent = next(u.label for u in whole.utterances if u.split is Split.TEST)
    other = next(u.label for u in whole.utterances if u.label != absent)
    conversations = changed(
        whole, lambda u: {"label": other} if u.split is Split.TRAIN and u.label == absent else {}
    )
    settings = with_training(QUICK, class_weights=weighting)
    scores = works(prepare(conversations, SETTINGS.model), tmp_path, settings)["student"]["test"]["per_class"]
    assert scores[absent]["support"] == sum(
        u.label == absent for u in conversations.utterances if u.split is Split.TEST
    )
    assert scores[absent]["support"] > 0


def test_speakers_that_training_does_not_know_are_someone_else(tmp_path: Path) -> None:
    conversations = changed(
        made_learnable(), lambda u: {"speaker": f"stranger{u.turn}"} if u.split is Split.TEST else {}
    )
    settings = with_model(QUICK, speakers="names", speaker_fewest_utterances=1)
    material = prepare(conversations, settings.model)
    assert material.identities.names == ("speaker0", "speaker1", "speaker2")
    test = material.dealer.batch(material.dealer.of_split(Split.TEST))
    assert not test.identities.any()
    works(material, tmp_path, settings)


def test_more_speakers_than_slots_are_someone_else(tmp_path: Path) -> None:
    settings = with_model(QUICK, speaker_slots=1)
    works(made_material(settings), tmp_path, settings)


def test_dialogues_of_1_and_of_110_utterances_stand_side_by_side(tmp_path: Path) -> None:
    lengths: Lengths = {Split.TRAIN: (1, 110, 4), Split.DEV: (3, 1), Split.TEST: (1,)}
    settings = with_model(QUICK, longest_dialogue=110)
    works(made_material(settings, lengths=lengths), tmp_path, settings)


def test_utterances_without_any_modality_are_predicted_and_scored(tmp_path: Path) -> None:
    rows = [0, 5, 22, 31, 34]  # of all splits
    holes = {Modality.TEXT: rows, Modality.AUDIO: rows}
    outcome = works(made_material(holes=holes), tmp_path)["student"]
    support = sum(outcome["test"]["per_class"][label]["support"] for label in LABELS.names)
    assert support == sum(LENGTHS[Split.TEST])


def test_a_dev_split_without_the_teachers_modality_still_chooses(tmp_path: Path) -> None:
    dev = range(21, 30)
    material = made_material(holes={Modality.TEXT: dev})
    works(material, tmp_path)
    text = (tmp_path / "teacher-history.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_utterances_without_a_label_train_nothing_and_are_predicted(tmp_path: Path) -> None:
    conversations = changed(made_learnable(), lambda u: {"label": ""} if u.turn == 1 else {})
    outcome = works(prepare(conversations, SETTINGS.model), tmp_path)["teacher"]
    support = sum(outcome["test"]["per_class"][label]["support"] for label in LABELS.names)
    assert support == sum(LENGTHS[Split.TEST]) - len(LENGTHS[Split.TEST])


def test_settings_become_plain_json_and_name_every_table() -> None:
    entries = SETTINGS.to_json()
    assert entries.keys() == {"model", "teacher", "student", "distillation"}
    assert entries["model"]["student"] == ["text", "audio", "video"]
    assert entries["teacher"]["select_on"] == "dev"
    assert json.loads(json.dumps(entries)) == entries
    entries = replace(SETTINGS, rivals={"mlp": RIVAL}).to_json()
    assert entries["rivals"]["mlp"]["options"]["hidden_dim"] == 16
    assert entries["rivals"]["mlp"]["training"]["most_epochs"] == 12


def test_two_classes_are_enough(tmp_path: Path) -> None:
    conversations = changed(made_learnable(), lambda u: {"label": "joy"} if u.label == "anger" else {})
    material = prepare(replace(conversations, labels=LabelSet(("neutral", "joy"))), SETTINGS.model)
    assert works(material, tmp_path)["student"]["test"]["per_class"].keys() == {"neutral", "joy"}


def test_a_model_without_settings_of_its_own_has_its_kinds() -> None:
    assert SETTINGS.of("mlp").options == MlpOptions()
    assert SETTINGS.of("mlp").training.learning_rate == 1e-3
    assert replace(SETTINGS, rivals={"mlp": RIVAL}).of("mlp") == RIVAL
    assert SETTINGS.of("teacher").options == SETTINGS.model
    assert SETTINGS.of("student").options.distillation == SETTINGS.distillation
    assert SETTINGS.of("teacher").epsilon == SETTINGS.distillation.epsilon


def test_a_rival_trains_is_kept_and_read_again_like_any_model(tmp_path: Path) -> None:
    settings = replace(SETTINGS, rivals={"mlp": RIVAL})
    material = made_material(lengths={**LENGTHS, Split.TRAIN: (5,) * 12})
    log = Log()
    trained = obtain_model("mlp", material, settings, made_place(tmp_path, watch=log.watch()))
    assert isinstance(trained.model, Mlp)
    assert (trained.name, trained.modalities) == ("mlp", (Modality.TEXT, Modality.AUDIO))
    assert [part.options for part in trained.parts] == [RIVAL.options]
    assert trained.origin.batch_dialogues == RIVAL.training.batch_dialogues
    assert {name for name, _ in log.epochs} == {"mlp"}
    losses = [record.losses["total"] for _, record in log.epochs]
    assert losses[-1] < 0.5 * losses[0]
    assert log.epochs[0][1].drawn == {}
    scores = predict(material, trained, Split.TEST)
    assert (scores.guesses == scores.truths).mean() > 0.9  # the features reveal the label
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["mlp-history.json", "mlp.safetensors"]
    again = obtain_model("mlp", material, settings, made_place(tmp_path, watch=log.watch()))
    assert again.origin == trained.origin
    assert are_equal(weights_of(again.model), weights_of(trained.model))
    assert len(log.epochs) == len(losses)  # it was read
    assert np.array_equal(predict(material, again, Split.TEST).probabilities, scores.probabilities)


def test_a_student_without_a_teacher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a student needs a trained teacher, and none is there"):
        obtain_model(STUDENT, made_material(), QUICK, made_place(tmp_path))


def test_a_model_that_there_is_not_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="there is no model 'studnet', did you mean 'student'"):
        obtain_model("studnet", made_material(), QUICK, made_place(tmp_path))
