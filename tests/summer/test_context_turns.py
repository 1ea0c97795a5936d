"""Utterances without a label: read with their dialogue as context, counted nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from summer.conversations.reading import Conversations
from summer.corpus import UNKNOWN_LABEL, Modality, Split, context_of
from summer.evaluation.predictions import Predictions
from summer.evaluation.scores import score
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import prepare
from summer.training.regression import fit_regression
from summer.training.stages import weights_of_classes
from summer.training.trainer import _weighing
from tests.summer.battery import TINY, batch_of, material_of, new_stage
from tests.summer.made_up import LABELS
from tests.summer.made_up_training import TRAINING, made_learnable

EVERY_PLACE = st.lists(st.integers(min_value=0, max_value=40), max_size=25)


def with_context(made: Conversations, places: list[int], *, seed: int = 0) -> Conversations:
    """The same corpus with further turns: after each of these places one more, said by the same speaker."""
    random = np.random.default_rng(seed)
    after = sorted(place % len(made.utterances) for place in places)
    rows = np.array(sorted([*range(len(made.utterances)), *after]), dtype=int)
    is_added = np.concatenate([[False], rows[1:] == rows[:-1]])
    utterances = [
        replace(made.utterances[row], id=f"added {k}", label="") if added else made.utterances[row]
        for k, (row, added) in enumerate(zip(rows, is_added, strict=True))
    ]
    features = {}
    for modality, one in made.features.items():
        vectors = one.vectors[rows].copy()
        vectors[is_added] = random.standard_normal((is_added.sum(), one.dim))
        features[modality] = replace(one, vectors=vectors, usable=one.usable[rows] | is_added)
    return replace(made, utterances=tuple(utterances), features=features)


@settings(max_examples=25, deadline=None)
@given(places=EVERY_PLACE)
def test_turns_without_a_label_change_no_count_of_labels(places: list[int]) -> None:
    plain = prepare(made_learnable(), replace(TINY, longest_dialogue=64))
    made = with_context(made_learnable(), places)
    told = prepare(made, replace(TINY, longest_dialogue=64))
    assert context_of(made.utterances) == len(places)
    assert told.training_truths.tolist() == plain.training_truths.tolist()
    for split in Split:
        assert told.conversations.counted(split).sum() == plain.conversations.counted(split).sum()
    weights = [
        weights_of_classes(material.training_truths, classes=len(LABELS), weighting="balanced")
        for material in (plain, told)
    ]
    assert torch.equal(*weights)
    batch = batch_of(told)
    assert (batch.labels != UNKNOWN_LABEL).sum() == len(plain.training_truths)


@settings(max_examples=25, deadline=None)
@given(places=EVERY_PLACE, seed=st.integers(0, 9))
def test_scores_of_a_split_with_turns_without_a_label_are_those_without_them(
    places: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    truths = random.integers(0, len(LABELS), 41)
    probabilities = random.dirichlet(np.ones(len(LABELS)), 41).astype(np.float32)
    rows = np.array(sorted([*range(41), *places]))
    is_added = np.concatenate([[False], rows[1:] == rows[:-1]])

    def predictions(truths: np.ndarray, probabilities: np.ndarray) -> Predictions:
        names = tuple(map(str, range(len(truths))))
        return Predictions(
            model="mlp",
            seed=0,
            split=Split.TEST,
            ids=names,
            dialogues=("d",) * len(names),
            truths=truths,
            probabilities=probabilities,
        )

    plain = score(predictions(truths, probabilities), LABELS)
    told = score(predictions(np.where(is_added, UNKNOWN_LABEL, truths[rows]), probabilities[rows]), LABELS)
    assert np.array_equal(plain.confusion, told.confusion)
    assert (plain.w_f1, plain.w_acc, plain.ece) == (told.w_f1, told.w_acc, told.ece)


def test_a_regression_is_fitted_on_turns_with_a_label_alone() -> None:
    made = made_learnable()
    plain, told = (
        fit_regression(one, (Modality.TEXT,), chosen_on=Split.DEV, class_weights=None)
        for one in (made, with_context(made, [0, 3, 8, 21, 22]))
    )
    assert torch.equal(plain.weights[Modality.TEXT], told.weights[Modality.TEXT])
    assert torch.equal(plain.bias, told.bias)


@pytest.mark.parametrize("name", [TEACHER, STUDENT])
def test_what_is_said_without_a_label_moves_what_is_said_of_its_neighbours(name: str) -> None:
    made = made_learnable(modalities=tuple(Modality))
    unlabelled = replace(made.utterances[1], label="")
    conversations = replace(made, utterances=(made.utterances[0], unlabelled, *made.utterances[2:]))
    material = prepare(conversations, TINY)
    stage, batch = new_stage(name, material).eval(), batch_of(material)
    spoken = {m: vectors.clone() for m, vectors in batch.features.items()}
    for vectors in spoken.values():
        vectors[0, 1] += 3.0
    with torch.no_grad():
        (before, loss), (after, other_loss) = stage.look(batch), stage.look(replace(batch, features=spoken))
    assert not torch.allclose(before.logits[0, 0], after.logits[0, 0])
    assert torch.equal(before.logits[1:], after.logits[1:])  # other dialogues
    assert not torch.equal(loss, other_loss)  # by its neighbours


def test_a_batch_counts_by_its_turns_with_a_label() -> None:
    material = material_of()
    plain = material.dealer.deal(Split.TRAIN, size=2, generator=None)
    told = prepare(with_context(made_learnable(modalities=tuple(Modality)), [0, 1, 9]), TINY).dealer
    more = [told.of_split(Split.TRAIN)[k : k + 2] for k in range(0, 6, 2)]
    same = [material.dealer.of_split(Split.TRAIN)[k : k + 2] for k in range(0, 6, 2)]
    assert len(plain) == len(more)
    weigh, weigh_more = (_weighing(batches, TRAINING) for batches in (same, more))
    assert [weigh(batch) for batch in same] == [weigh_more(batch) for batch in more]
