"""One seed from features to predictions: every odd corpus is trained on, or refused with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summer.conversations.reading import Conversations, read_conversations
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.evaluation.scores import results
from summer.training.history import TrainingError
from summer.training.preparation import Material, prepare
from summer.training.seed import Settings, obtain_student, obtain_teacher
from tests.summer.made_up import LABELS, Lengths, write_stores
from tests.summer.made_up_training import (
    LENGTHS,
    SETTINGS,
    made_learnable,
    made_material,
    made_place,
    predict,
    train_both,
    with_model,
    with_training,
)

QUICK = with_training(SETTINGS, most_epochs=1)
ONE_EACH: Lengths = {Split.TRAIN: (4,), Split.DEV: (3,), Split.TEST: (2,)}
EVERY_MODALITY = tuple(Modality)


def changed(conversations: Conversations, change: Callable[[Utterance], Mapping[str, Any]]) -> Conversations:
    """The same with other facts of some utterances."""
    return replace(conversations, utterances=tuple(replace(u, **change(u)) for u in conversations.utterances))


def works(material: Material, folder: Path, settings: Settings = QUICK) -> dict[str, Any]:
    """Train both, predict all there is; the results."""
    predictions = [
        predict(material, model, split, settings)
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
        TrainingError, match="modality video has no store; there is text, audio: .*--modality"
    ):
        obtain_teacher(made_material(), settings, made_place(tmp_path))


def test_the_student_leaves_out_what_the_corpus_lacks(tmp_path: Path) -> None:
    settings = with_model(QUICK, student=EVERY_MODALITY)
    material = made_material(settings, modalities=(Modality.TEXT, Modality.VIDEO))
    _, student = train_both(material, settings, made_place(tmp_path))
    assert student.student is not None
    assert student.student.modalities == (Modality.TEXT, Modality.VIDEO)


def test_a_student_of_modalities_that_are_not_there_is_refused(tmp_path: Path) -> None:
    settings = with_model(QUICK, student=(Modality.VIDEO,))
    material = made_material()
    teacher = obtain_teacher(material, settings, made_place(tmp_path))
    with pytest.raises(TrainingError, match="none of the student's modalities video has a store; give one"):
        obtain_student(material, settings, made_place(tmp_path), teacher)


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
        obtain_teacher(made_material(lengths=lengths), QUICK, made_place(tmp_path / "dev"))
    settings = with_training(QUICK, select_on=Split.TEST)
    teacher = obtain_teacher(made_material(lengths=lengths), settings, made_place(tmp_path / "test"))
    assert teacher.origin.selected_on == "test"


def test_one_dialogue_in_each_split_is_enough(tmp_path: Path) -> None:
    labels = {0: "neutral", 1: "joy"}
    conversations = changed(made_learnable(ONE_EACH), lambda u: {"label": labels.get(u.turn, "anger")})
    works(prepare(conversations, SETTINGS.model), tmp_path)


def test_one_class_alone_is_refused_on_reading(tmp_path: Path) -> None:
    conversations = changed(made_learnable(), lambda _: {"label": "joy"})
    with pytest.raises(ValueError, match="every training utterance of made-up is 'joy'; .* at least 2"):
        read_conversations(write_stores(tmp_path, conversations))


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


@pytest.mark.parametrize("split", [Split.TRAIN, Split.TEST])
def test_a_dialogue_longer_than_the_model_reads_is_refused_before_training(split: Split) -> None:
    lengths = {**LENGTHS, split: (3, 9, 2)}
    message = f"dialogue {split}/dia1 has 9 utterances, the model reads 8; set model.longest_dialogue to that"
    with pytest.raises(TrainingError, match=message):
        made_material(lengths=lengths)


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


def test_training_truths_are_those_that_have_a_label_and_a_vector() -> None:
    rows = [0, 3]
    conversations = changed(
        made_learnable(holes={Modality.TEXT: rows, Modality.AUDIO: rows}),
        lambda u: {"label": ""} if u.id == "train/dia0_utt1" else {},
    )
    truths = prepare(conversations, SETTINGS.model).training_truths
    training = [u for u in conversations.utterances if u.split is Split.TRAIN]
    assert truths.tolist() == [
        LABELS.index(u.label) for row, u in enumerate(training) if row not in (0, 1, 3)
    ]


def test_features_are_standardised_by_the_training_split_alone() -> None:
    material = made_material()
    moved = made_learnable()
    test_rows = [row for row, u in enumerate(moved.utterances) if u.split is Split.TEST]
    for one in moved.features.values():
        one.vectors[test_rows] *= 1000
    again = prepare(moved, SETTINGS.model)
    for modality, scale in material.standardisations.items():
        assert np.array_equal(scale.centre, again.standardisations[modality].centre)
        assert np.array_equal(scale.spread, again.standardisations[modality].spread)


def test_settings_become_plain_json_and_name_every_table() -> None:
    entries = SETTINGS.to_json()
    assert entries.keys() == {"model", "teacher", "student", "distillation"}
    assert entries["model"]["student"] == ["text", "audio", "video"]
    assert entries["teacher"]["select_on"] == "dev"
    assert json.loads(json.dumps(entries)) == entries


def test_two_classes_are_enough(tmp_path: Path) -> None:
    conversations = changed(made_learnable(), lambda u: {"label": "joy"} if u.label == "anger" else {})
    material = prepare(replace(conversations, labels=LabelSet(("neutral", "joy"))), SETTINGS.model)
    assert works(material, tmp_path)["student"]["test"]["per_class"].keys() == {"neutral", "joy"}
