"""What a corpus must have so that a model is trained on it, what is left out, and what a model is told."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from summer.classifier import CorpusShape
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split
from summer.options import ModelOptions
from summer.training.history import TrainingError
from summer.training.preparation import prepare, shape_of
from tests.summer.made_up import DIMS, LABELS, made_conversations, made_features
from tests.summer.made_up_training import SETTINGS, made_learnable, made_material

TEXT, AUDIO, VIDEO = Modality
LENGTHS = {Split.TRAIN: (6, 4, 5), Split.DEV: (3,), Split.TEST: (4, 2)}
ROWS = 24
OPTIONS = ModelOptions(width=8, heads=2, longest_dialogue=8, speaker_slots=4)


def corpus(**changes: object) -> Conversations:
    return replace(made_conversations(LENGTHS, holes={AUDIO: (2, 16), VIDEO: (2, 3, 20)}), **changes)


def relabelled(label: str) -> Conversations:
    """Every utterance of the training split has one label."""
    made = corpus()
    utterances = (replace(u, label=label if u.split is Split.TRAIN else u.label) for u in made.utterances)
    return replace(made, utterances=tuple(utterances))


def refusal(conversations: Conversations) -> str:
    with pytest.raises(TrainingError) as caught:
        prepare(conversations, OPTIONS)
    return str(caught.value)


def test_one_class_only_no_labels_and_no_training_split_are_refused() -> None:
    one_class = refusal(relabelled("joy"))
    assert "every training utterance of made-up is 'joy'" in one_class
    assert "give a training split of at least 2" in one_class
    for nothing in (relabelled(""), made_conversations({Split.DEV: (5,), Split.TEST: (4,)})):
        message = refusal(nothing)
        assert "made-up has no training utterance with a label and a usable vector" in message
        assert "nothing to learn from" in message


def test_labels_of_utterances_without_any_vector_do_not_count() -> None:
    made = relabelled("joy")
    first = replace(made.utterances[0], label="anger")  # the only other class, and it has no vector
    lacking = replace(made, utterances=(first, *made.utterances[1:]))
    features = {
        m: made_features(np.random.default_rng(0), rows=ROWS, dim=DIMS[m], holes=(0,)) for m in Modality
    }
    assert "every training utterance" in refusal(replace(lacking, features=features))
    prepare(lacking, OPTIONS)  # with its vector it does


def test_a_class_that_training_lacks_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepare(corpus(labels=LabelSet(("neutral", "joy", "anger", "disgust"))), OPTIONS)
    assert [r.message for r in caplog.records] == [
        "the training split has no utterance of disgust: it cannot be learned"
    ]


def test_nothing_is_warned_of_where_nothing_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepare(corpus(), OPTIONS)
    assert not caplog.records


def test_a_modality_that_no_training_row_has_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = made_conversations(LENGTHS, holes={VIDEO: range(15)})  # dev and test do have it
    with caplog.at_level(logging.WARNING):
        material = prepare(made, OPTIONS)
    assert list(material.conversations.features) == [TEXT, AUDIO]
    assert material.standardisations.keys() == {TEXT, AUDIO}
    assert [r.message for r in caplog.records] == ["no training utterance has video: it is left out"]


@pytest.mark.parametrize("split", [Split.TRAIN, Split.TEST])
def test_a_dialogue_longer_than_the_model_reads_is_refused_before_training(split: Split) -> None:
    lengths = {Split.TRAIN: (4, 3), Split.DEV: (3,), Split.TEST: (4, 2), split: (3, 9, 2)}
    message = f"dialogue {split}/dia1 has 9 utterances, the model reads 8; set model.longest_dialogue to that"
    with pytest.raises(TrainingError, match=message):
        made_material(lengths=lengths)


def test_training_truths_are_those_that_have_a_label_and_a_vector() -> None:
    rows = [0, 3]
    made = made_learnable(holes={TEXT: rows, AUDIO: rows})
    utterances = (replace(u, label="") if u.id == "train/dia0_utt1" else u for u in made.utterances)
    conversations = replace(made, utterances=tuple(utterances))
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


def test_a_model_is_told_the_shape_of_what_it_reads_in_its_own_order() -> None:
    shape = shape_of(prepare(corpus(), OPTIONS), (VIDEO, TEXT))
    assert shape == CorpusShape(feature_dims={VIDEO: 5, TEXT: 6}, classes=3, identities=5)
    assert list(shape.feature_dims) == [VIDEO, TEXT]
