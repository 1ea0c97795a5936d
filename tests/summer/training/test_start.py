"""Trainings that start at the encoder's own head: from its logits on, resumed, read back, asked elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.evaluation.predictions import Predictions
from summer.model.start import LinearStart, starts_of
from summer.options import TrainingOptions
from summer.runs.experiment import train as train_run
from summer.runs.model import load_model
from summer.training.checkpoints import CheckpointError, TrainedModel, load_checkpoint
from summer.training.history import Stopped, read_history
from summer.training.learning import look_inside
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import Material, prepare, shape_of
from summer.training.seed import Settings, obtain_model
from tests.summer import battery
from tests.summer.made_up import LABELS, write_stores
from tests.summer.made_up_training import (
    SETTINGS,
    Log,
    are_equal,
    batch_of,
    made_learnable,
    made_place,
    predict,
    student_of,
    train_both,
    weights_of,
    with_head,
    with_model,
    with_training,
)

TEXT, AUDIO, VIDEO = Modality
NO_STEPS = with_training(SETTINGS, learning_rate=1e-30, scalar_rate=1e-30, weight_decay=0.0)
DRAWN = with_model(SETTINGS, start="drawn")
HOLES = {TEXT: (2, 9, 22, 24, 30), AUDIO: (3, 22)}
OUTLIERS = [3, 25, 33]
FEW, MANY = (5,) * 8, (5,) * 40


def with_outliers(conversations: Conversations) -> Conversations:
    """One row in each split far out, too few to widen the spread: what is clipped elsewhere."""
    text = conversations.features[TEXT]
    text.vectors[OUTLIERS, 4] += 12
    return conversations


def made(**changes: Any) -> Conversations:
    return with_head(with_outliers(made_learnable(**changes)))


def logits_of_encoder(conversations: Conversations) -> NDArray[np.float64]:
    """(rows, cls) head(x) of the raw vectors in float64; zeros without text."""
    text = conversations.features[TEXT]
    assert text.head is not None
    logits = text.vectors.astype(np.float64) @ text.head.weight.T.astype(np.float64) + text.head.bias
    return np.asarray(logits * text.usable[:, None])


def rows_of(conversations: Conversations, predictions: Predictions) -> list[int]:
    row_of = {utterance.id: row for row, utterance in enumerate(conversations.utterances)}
    return [row_of[name] for name in predictions.ids]


def surprise(predictions: NDArray[np.floating[Any]], truths: Sequence[int]) -> float:
    """Mean cross-entropy in nats."""
    return float(-np.log(predictions[np.arange(len(truths)), truths]).mean())


def alpha_of(trained: TrainedModel) -> float:
    model: nn.Module = student_of(trained) if trained.name == STUDENT else trained.model
    [start] = [part for part in model.modules() if isinstance(part, LinearStart)]
    return float(start.alpha)


def test_models_that_took_no_step_say_of_each_row_what_the_encoder_says_of_the_raw_vector(
    tmp_path: Path,
) -> None:
    raw = made(holes=HOLES)
    expected = softmax(logits_of_encoder(raw), axis=1)
    models = train_both(prepare(made(holes=HOLES), NO_STEPS.model), NO_STEPS, made_place(tmp_path))
    material = prepare(made(holes=HOLES), NO_STEPS.model)
    for model in models:
        for split in Split:
            found = predict(material, model, split)
            np.testing.assert_allclose(found.probabilities, expected[rows_of(raw, found)], atol=2e-6)


def test_the_first_look_is_epoch_0_and_is_kept_where_training_makes_it_worse(tmp_path: Path) -> None:
    contrary = with_head(made_learnable())
    rolled = {u.id: LABELS.names[(LABELS.index(u.label) + 1) % 3] for u in contrary.utterances}
    utterances = tuple(
        replace(u, label=rolled[u.id]) if u.split is Split.TRAIN else u for u in contrary.utterances
    )
    settings = with_training(SETTINGS, learning_rate=0.3, most_epochs=4, patience_epochs=2)
    log = Log()
    material = prepare(replace(contrary, utterances=utterances), settings.model)
    trained = obtain_model(TEACHER, material, settings, made_place(tmp_path, watch=log.watch()))
    assert [record.epoch for _, record in log.epochs] == [0, 1, 2]  # two epochs of patience, not three
    assert log.epochs[0][1].losses == {}
    assert log.epochs[0][1].inside["alpha"] == {"added": 0.0}
    assert trained.origin.epoch == 0
    assert alpha_of(trained) == 0.0
    expected = softmax(logits_of_encoder(with_head(made_learnable())), axis=1)
    found = predict(material, trained, Split.DEV)
    np.testing.assert_allclose(found.probabilities, expected[rows_of(contrary, found)], atol=2e-6)
    assert read_history(tmp_path / "teacher-history.json", selected_on="dev").best.epoch == 0


def test_alpha_leaves_0_and_with_audio_the_student_passes_the_head_on_dev(tmp_path: Path) -> None:
    """Text is weak here and audio strong: the encoder alone cannot know what the student can."""
    lengths = {Split.TRAIN: MANY, Split.DEV: MANY[::2], Split.TEST: FEW}

    def corpus() -> Conversations:
        weak = made_learnable(lengths, signal=1.0)
        truths = [LABELS.index(u.label) for u in weak.utterances]
        weak.features[AUDIO].vectors[np.arange(len(truths)), truths] += 3
        return with_head(weak)

    words_pass = with_model(SETTINGS, encoder_skip=True)
    settings = with_training(words_pass, learning_rate=1e-2, most_epochs=9, patience_epochs=9)
    raw, material = corpus(), prepare(corpus(), settings.model)
    log = Log()
    _, student = train_both(material, settings, made_place(tmp_path, watch=log.watch()))
    after_one = next(record for name, record in log.epochs if (name, record.epoch) == (STUDENT, 1))
    assert abs(after_one.inside["alpha"]["added"]) > 0.01
    assert abs(alpha_of(student)) > 0.05
    found = predict(material, student, Split.DEV)
    head_says = softmax(logits_of_encoder(raw), axis=1)[rows_of(raw, found)]
    truths = found.truths.tolist()
    assert surprise(found.probabilities, truths) < 0.8 * surprise(head_says, truths)
    guesses = (np.argmax(one, axis=1) == found.truths for one in (found.probabilities, head_says))
    ours, theirs = (float(right.mean()) for right in guesses)
    assert ours > theirs + 0.1


@pytest.mark.parametrize("head", [True, False])
def test_drawn_is_what_it_was_with_a_head_in_the_store_or_without(head: bool, tmp_path: Path) -> None:
    """And without a head in the store, "head" is "drawn" bit for bit: features, weights, history."""

    def outcome(settings: Settings, *, has_head: bool, folder: Path) -> list[Any]:
        conversations = with_outliers(made_learnable(holes=HOLES))
        material = prepare(with_head(conversations) if has_head else conversations, settings.model)
        teacher, student = train_both(material, settings, made_place(folder))
        histories = [(folder / f"{name}-history.json").read_bytes() for name in (TEACHER, STUDENT)]
        features = [one.vectors for one in material.conversations.features.values()]
        return [weights_of(teacher.model), weights_of(student.model), histories, features]

    plain = outcome(DRAWN, has_head=False, folder=tmp_path / "plain")
    other = outcome(DRAWN if head else SETTINGS, has_head=head, folder=tmp_path / "other")
    assert all(map(are_equal, plain[:2], other[:2]))
    assert plain[2] == other[2]
    assert all(map(np.array_equal, plain[3], other[3]))
    assert json.loads(plain[2][0])[0]["epoch"] == 1


def test_a_student_without_text_and_a_teacher_of_audio_have_no_start(tmp_path: Path) -> None:
    settings = with_model(SETTINGS, student=(AUDIO,))
    material = prepare(made(), settings.model)
    teacher, student = train_both(material, settings, made_place(tmp_path))
    assert list(student_of(student).modalities) == [AUDIO]
    starts = [path for path, part in student.model.named_modules() if isinstance(part, LinearStart)]
    assert starts == ["teacher.start"]
    by_ear = with_model(SETTINGS, teacher=AUDIO)
    heard, both = train_both(prepare(made(), by_ear.model), by_ear, made_place(tmp_path / "audio"))
    assert [part.shape.linear_reads for part in (*heard.parts, *both.parts)] == [(), (), (TEXT,)]
    assert not any(isinstance(part, LinearStart) for part in heard.model.modules())
    assert isinstance(student_of(both).start, LinearStart)
    assert teacher.parts[0].shape.linear_reads == (TEXT,)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 6, 7])
def test_a_training_stopped_anywhere_ends_like_an_unbroken_one(steps: int, tmp_path: Path) -> None:
    material = prepare(made(holes=HOLES), SETTINGS.model)
    unbroken = train_both(material, SETTINGS, made_place(tmp_path / "unbroken"))
    with pytest.raises(Stopped):
        train_both(material, SETTINGS, made_place(tmp_path / "s", watch=Log().stops_after(steps)))
    again = train_both(material, SETTINGS, made_place(tmp_path / "s"))
    for ours, theirs in zip(again, unbroken, strict=True):
        assert are_equal(weights_of(ours.model), weights_of(theirs.model))
        assert ours.origin == theirs.origin
    for name in (TEACHER, STUDENT):
        first, second = (tmp_path / place / f"{name}-history.json" for place in ("unbroken", "s"))
        assert first.read_bytes() == second.read_bytes()
        assert [one["epoch"] for one in json.loads(first.read_text())] == [0, 1, 2, 3]


def test_a_finished_model_is_read_back_with_its_start_and_its_unclipped_scale(tmp_path: Path) -> None:
    material = prepare(made(), SETTINGS.model)
    models = train_both(material, SETTINGS, made_place(tmp_path))
    for model in models:
        again = load_checkpoint(tmp_path / f"{model.name}.safetensors")
        assert again.parts == model.parts
        assert again.standardisations[TEXT].clipped is False
        assert are_equal(weights_of(again.model), weights_of(model.model))
        assert any(isinstance(part, LinearStart) for part in again.model.modules())
    assert load_checkpoint(tmp_path / "student.safetensors").standardisations[AUDIO].clipped is True
    again = obtain_model(TEACHER, material, SETTINGS, made_place(tmp_path))
    assert are_equal(weights_of(again.model), weights_of(models[0].model))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (SETTINGS, DRAWN, "with a start .*this run is without"),
        (DRAWN, SETTINGS, "without a start .* is with"),
    ],
)
def test_a_teacher_that_started_otherwise_is_refused(
    first: Settings, second: Settings, message: str, tmp_path: Path
) -> None:
    """Its features were standardised otherwise; a run that mixes both would show it what it never saw."""
    obtain_model(TEACHER, prepare(made(), first.model), first, made_place(tmp_path))
    with pytest.raises(
        CheckpointError, match=rf"teacher.safetensors was trained {message}.*give both the same"
    ):
        obtain_model(TEACHER, prepare(made(), second.model), second, made_place(tmp_path))


def test_a_moved_run_gives_the_same_probabilities_without_its_stores(tmp_path: Path) -> None:
    raw = made(holes=HOLES)
    stores = write_stores(tmp_path / "stores", raw)
    settings = replace(SETTINGS, rivals={})
    run = train_run(tmp_path / "run", stores, settings=settings, device="cpu", seeds=(0,))
    AcceleratorState._reset_state(True)
    expected = {
        (one.model, i): p for one in run.predictions for i, p in zip(one.ids, one.probabilities, strict=True)
    }
    shutil.rmtree(tmp_path / "stores")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    learned = json.loads((tmp_path / "moved" / "learning.json").read_text())
    for name in (TEACHER, STUDENT):
        assert learned[name][0][0]["alpha"] == {"added": 0.0}
        assert learned[name][0][-1]["alpha"]["added"] != 0.0
        model = load_model(tmp_path / "moved", model=name)
        found = model.predict(raw.utterances, {m: one.vectors for m, one in raw.features.items()})
        seen = 0
        for utterance, row in zip(raw.utterances, found, strict=True):
            if (name, utterance.id) in expected:
                np.testing.assert_allclose(row, expected[name, utterance.id], atol=1e-6)
                seen += 1
        assert seen == 18


def test_alpha_has_the_rate_of_single_numbers(tmp_path: Path) -> None:
    """A step of Adam moves it by its own rate, however small that of the weights is."""
    training = TrainingOptions(learning_rate=1e-6, scalar_rate=0.05, most_epochs=1, warmup_share=0.0)
    settings = replace(SETTINGS, teacher=training)
    material = prepare(made(), settings.model)
    log = Log()
    obtain_model(TEACHER, material, settings, made_place(tmp_path, watch=log.watch()))
    [_, after] = [record for _, record in log.epochs]
    assert len(log.steps) == 1
    assert abs(after.inside["alpha"]["added"]) == pytest.approx(0.05, rel=1e-3)


def test_alpha_is_looked_at_in_the_student_not_in_its_teacher() -> None:
    material = prepare(made(modalities=battery.EVERY_MODALITY), battery.TINY)
    stage = battery.new_stage(STUDENT, material)
    stage.model.teacher.start.alpha.data.fill_(3.0)
    [start] = starts_of(stage)
    start.alpha.data.fill_(-0.5)
    assert look_inside(stage, batch_of(material))["alpha"] == {"added": -0.5}


def test_rivals_are_what_they_are_with_a_head_in_the_store() -> None:
    material = prepare(made(), SETTINGS.model)
    assert shape_of(material, (TEXT, AUDIO)).linear_reads == (TEXT,)
    assert shape_of(material, (AUDIO,)).linear_reads == ()
    stage = battery.new_stage("mlp", material)
    assert not list(starts_of(stage))


@pytest.mark.parametrize("name", [TEACHER, STUDENT])
@pytest.mark.parametrize("promise", battery.BATTERY, ids=lambda promise: promise.__name__)
def test_every_promise_of_the_battery_is_kept_with_a_start(
    promise: Callable[[str, Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New stages have an alpha of their own, so that what is beside the head is looked at too."""
    plain_corpus, plain_model = battery.made_learnable, battery._new_model

    def with_alpha(model_name: str, material: Material) -> nn.Module:
        model = plain_model(model_name, material)
        with torch.no_grad():
            for start in starts_of(model):
                start.alpha.fill_(0.5)
                for weight in start.weights.values():
                    weight.normal_()
        return model

    monkeypatch.setattr(battery, "made_learnable", lambda *a, **k: with_head(plain_corpus(*a, **k)))
    monkeypatch.setattr(battery, "_new_model", with_alpha)
    promise(name, tmp_path)
