"""The logistic regression that models begin at: what it finds, by which C, with holes and absent classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from summer.conversations.heads import LinearLayer
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split
from summer.metrics import confusion_of, weighted_f1
from summer.model.start import starts_of
from summer.training import regression
from summer.training.history import Stopped
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import Material, prepare
from summer.training.regression import fit_regression
from tests.summer import battery
from tests.summer.made_up import LABELS
from tests.summer.made_up_training import (
    SETTINGS,
    Log,
    made_learnable,
    made_place,
    predict,
    train_both,
    with_head,
    with_model,
    with_training,
)

TEXT, AUDIO, _ = Modality
HOLES = {TEXT: (2, 9, 22), AUDIO: (3, 9)}
LENGTHS = {Split.TRAIN: (5,) * 30, Split.DEV: (5,) * 12, Split.TEST: (5,) * 4}
LINEAR = with_model(SETTINGS, start="linear")
NO_STEPS = with_training(LINEAR, learning_rate=1e-30, scalar_rate=1e-30, weight_decay=0.0)


def made(signal: float = 1.0) -> Material:
    return prepare(made_learnable(LENGTHS, holes=HOLES, signal=signal), LINEAR.model)


def rows(material: Material, split: Split) -> np.ndarray:
    return np.flatnonzero(material.conversations.counted(split))


def logits_of(layer: LinearLayer, conversations: Conversations) -> np.ndarray:
    """Rows one by one: modalities that an utterance lacks say nothing."""
    found = []
    for row in range(len(conversations.utterances)):
        logits = layer.bias.numpy().astype(np.float64)
        for modality, weight in layer.weights.items():
            one = conversations.features[modality]
            logits = logits + (weight.numpy() @ one.vectors[row] if one.usable[row] else 0)
        found.append(logits)
    return np.array(found)


def fitted(material: Material, *modalities: Modality, weights: torch.Tensor | None = None) -> LinearLayer:
    return fit_regression(material.conversations, modalities, chosen_on=Split.DEV, class_weights=weights)


def test_it_is_the_regression_whose_dev_score_is_best_of_all_strengths() -> None:
    material = made()
    truths = np.array([LABELS.index(u.label) for u in material.conversations.utterances])
    vectors = np.hstack([one.vectors for one in material.conversations.features.values()])
    train, dev = rows(material, Split.TRAIN), rows(material, Split.DEV)
    scores, probabilities = [], []
    for strength in regression.STRENGTHS:
        reader = LogisticRegression(C=strength, max_iter=2000, tol=1e-8).fit(vectors[train], truths[train])
        counts = confusion_of(truths[dev], reader.predict(vectors[dev]), classes=len(LABELS))
        scores.append(float(weighted_f1(counts)))
        probabilities.append(reader.predict_proba(vectors[dev]))
    assert min(scores) < max(scores)
    found = softmax(logits_of(fitted(material, TEXT, AUDIO), material.conversations), axis=1)[dev]
    np.testing.assert_allclose(found, probabilities[int(np.argmax(scores))], atol=5e-3)


def test_class_weights_raise_what_weighs_more() -> None:
    material = made(signal=0.3)
    plain, tilted = (
        softmax(logits_of(fitted(material, TEXT, weights=weights), material.conversations), axis=1)
        for weights in (None, torch.tensor([1.0, 1.0, 6.0]))
    )
    assert tilted[:, 2].mean() > plain[:, 2].mean() + 0.2


@pytest.mark.parametrize("present", [2, 3])
def test_a_class_without_training_rows_is_never_guessed_and_two_classes_are_told_apart(present: int) -> None:
    """Four labels, of which the training split has two or three."""
    raw = made_learnable(LENGTHS, signal=4.0)
    names = LABELS.names[:present]
    utterances = tuple(u if u.label in names else replace(u, label="") for u in raw.utterances)
    labels = LabelSet((*LABELS.names, "never"))
    material = prepare(replace(raw, utterances=utterances, labels=labels), LINEAR.model)
    logits = logits_of(fitted(material, TEXT), material.conversations)
    assert np.isfinite(logits).all()
    dev = rows(material, Split.DEV)
    truths = np.array([labels.index(utterances[row].label) for row in dev])
    assert (logits[dev].argmax(axis=1) == truths).mean() > 0.9


def test_it_is_fitted_once_for_all_seeds_and_once_for_each_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []

    def counted(conversations: Conversations, modalities: Sequence[Modality], **options: Any) -> LinearLayer:
        fits.append(tuple(modalities))
        return fit_regression(conversations, modalities, **options)

    monkeypatch.setattr(regression, "fit_regression", counted)
    material, settings = made(), with_training(LINEAR, most_epochs=1)
    for seed in (0, 1):
        train_both(material, settings, made_place(tmp_path / str(seed), seed=seed))
    assert fits == [(TEXT,), (TEXT, AUDIO)]


def test_teacher_and_student_begin_there_each_with_what_it_reads(tmp_path: Path) -> None:
    material = made()
    models = train_both(material, NO_STEPS, made_place(tmp_path))
    for model, modalities in zip(models, ((TEXT,), (TEXT, AUDIO)), strict=True):
        assert model.parts[-1].shape.linear_reads == modalities
        expected = softmax(logits_of(fitted(material, *modalities), material.conversations), axis=1)
        found = predict(material, model, Split.TEST)
        row_of = {u.id: row for row, u in enumerate(material.conversations.utterances)}
        test = [row_of[name] for name in found.ids]
        there = np.any([material.conversations.features[m].usable[test] for m in modalities], axis=0)
        np.testing.assert_allclose(found.probabilities[there], expected[test][there], atol=1e-5)


def test_an_encoders_own_head_goes_before_it_and_regression_means_it_in_any_case() -> None:
    for start, reads in (("linear", (TEXT,)), ("regression", (TEXT, AUDIO)), ("head", (TEXT,))):
        options = with_model(SETTINGS, start=start).model
        material = prepare(with_head(made_learnable(LENGTHS)), options)
        assert material.linear_reads((TEXT, AUDIO)) == reads
        assert material.linear_reads((AUDIO,)) == (() if start == "head" else (AUDIO,))
        assert material.conversations.features[TEXT].head is not None


def test_rivals_do_not_begin_there() -> None:
    assert not list(starts_of(battery.new_stage("mlp", made())))


def test_a_training_stopped_anywhere_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    material = made()
    unbroken = train_both(material, LINEAR, made_place(tmp_path / "unbroken"))
    for steps in (0, 11, 25):
        with pytest.raises(Stopped):
            train_both(material, LINEAR, made_place(tmp_path / f"{steps}", watch=Log().stops_after(steps)))
        again = train_both(material, LINEAR, made_place(tmp_path / f"{steps}"))
        assert [one.origin for one in again] == [one.origin for one in unbroken]
    for name in (TEACHER, STUDENT):
        first, second = (tmp_path / place / f"{name}-history.json" for place in ("unbroken", "25"))
        assert first.read_bytes() == second.read_bytes()
