"""What a model says of a split: rows in order, every utterance scored, means over what is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.conversations.batches import ConversationBatch, ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import Material, prepare
from summer.training.seed import look_at_split, obtain_model, predictions_of
from summer.training.stages import Stage
from tests.summer.made_up import LABELS, Lengths
from tests.summer.made_up_training import (
    CPU,
    LENGTHS,
    SETTINGS,
    made_learnable,
    made_material,
    made_place,
    made_stages,
    train_both,
    with_training,
)

FIRST_OF_DEV, FIRST_OF_TEST = 21, 30
QUICK = with_training(SETTINGS, most_epochs=1)


def look(stage: Stage, material: Material, split: Split, size: int = 2) -> SplitOutlook:
    batches = material.dealer.deal(split, size=size, generator=None)
    return look_at(stage, material.dealer, batches, device=CPU)


@pytest.mark.parametrize("which", [0, 1])
def test_rows_come_in_corpus_order_and_do_not_depend_on_the_batches(which: int) -> None:
    material = made_material()
    stage = made_stages()[which]
    one, three = look(stage, material, Split.TEST, 1), look(stage, material, Split.TEST, 3)
    assert one.rows.tolist() == three.rows.tolist() == list(range(FIRST_OF_TEST, FIRST_OF_TEST + 9))
    np.testing.assert_allclose(one.probabilities, three.probabilities, atol=1e-5)
    np.testing.assert_allclose(one.features, three.features, atol=1e-5)
    np.testing.assert_allclose(one.probabilities.sum(axis=1), 1, atol=1e-5)
    truths = [LABELS.index(material.conversations.utterances[row].label) for row in one.rows]
    assert one.truths.tolist() == truths


def test_looking_twice_sees_the_same_though_the_stage_was_training() -> None:
    material = made_material()
    stage = made_stages()[1].train()
    first = look(stage, material, Split.DEV)
    stage.train()
    torch.manual_seed(99)
    second = look(stage, material, Split.DEV)
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.loss == second.loss


def test_a_small_model_looks_on_one_thread_as_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    stage, before = made_stages()[0], torch.get_num_threads()
    seen: list[int] = []
    stage.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    stage.model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        look(stage, made_material(), Split.DEV)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


@pytest.mark.parametrize("which", [0, 1])
def test_an_utterance_without_any_modality_is_predicted_and_scored(which: int) -> None:
    holes = {m: [FIRST_OF_TEST + 1] for m in (Modality.TEXT, Modality.AUDIO)}
    material = made_material(holes=holes)
    stage = made_stages()[which]
    outlook = look(stage, material, Split.TEST)
    predictions = predictions_of(material.conversations.utterances, outlook, stage.name, seed=7)
    assert material.conversations.utterances[FIRST_OF_TEST + 1].id == predictions.ids[1]
    assert predictions.truths[1] >= 0
    assert np.isfinite(predictions.probabilities).all()
    assert (predictions.seed, predictions.split, predictions.model) == (7, Split.TEST, stage.name)
    assert predictions.dialogues[:5] == ("dia0",) * 4 + ("dia1",)


@pytest.mark.parametrize("which", [0, 1])
def test_a_modality_that_a_whole_split_lacks_has_no_mean_and_breaks_nothing(which: int) -> None:
    dev = range(FIRST_OF_DEV, FIRST_OF_TEST)
    material = made_material(holes={Modality.TEXT: dev, Modality.AUDIO: dev})
    outlook = look(made_stages()[which], material, Split.DEV)
    assert outlook.drawn.keys() == ({"kept_experts"}, {"kept_experts", "modality_weights"})[which]
    assert not any(outlook.drawn.values())
    assert np.isfinite(outlook.loss)
    assert outlook.weighted_f1 is not None
    json.dumps([outlook.drawn, outlook.loss], allow_nan=False)


def test_means_leave_out_what_is_not_there() -> None:
    """Experts: over utterances with the modality; weights: over utterances with any, where they sum to 1."""
    holes = {Modality.TEXT: [FIRST_OF_DEV, FIRST_OF_DEV + 1], Modality.AUDIO: [FIRST_OF_DEV]}
    material = made_material(holes=holes)
    stage = made_stages()[1].eval()
    outlook = look(stage, material, Split.DEV, 1)
    kept: list[bool] = []
    weights: list[list[float]] = []
    with torch.no_grad():
        for located in material.dealer.of_split(Split.DEV):
            batch = material.dealer.batch([located])
            alone = stage.model(batch).student
            for turn in range(batch.rows.shape[1]):
                if batch.usable[Modality.TEXT][0, turn]:
                    kept += alone.kept[Modality.TEXT][0, turn].tolist()
                if any(usable[0, turn] for usable in batch.usable.values()):
                    weights.append(alone.modality_weights[0, turn].tolist())
    assert len(weights) == 8
    assert outlook.drawn["kept_experts"]["text"] == pytest.approx(sum(kept) / len(kept))
    mean_weights = outlook.drawn["modality_weights"]
    assert list(mean_weights) == ["text", "audio"]
    assert list(mean_weights.values()) == pytest.approx(
        [sum(column) / 8 for column in zip(*weights, strict=True)], rel=1e-4
    )
    assert sum(mean_weights.values()) == pytest.approx(1, rel=1e-4)


def test_an_utterance_without_a_truth_is_predicted_and_in_no_score() -> None:
    conversations = made_learnable()
    unlabelled = {FIRST_OF_TEST, FIRST_OF_TEST + 4}
    utterances = tuple(
        replace(u, label="") if row in unlabelled else u for row, u in enumerate(conversations.utterances)
    )
    material = prepare(replace(conversations, utterances=utterances), SETTINGS.model)
    stage = made_stages()[1]
    outlook = look(stage, material, Split.TEST)
    assert [
        row for row, truth in zip(outlook.rows, outlook.truths, strict=True) if truth == UNKNOWN_LABEL
    ] == [*sorted(unlabelled)]
    predictions = predictions_of(material.conversations.utterances, outlook, stage.name, seed=0)
    assert (predictions.truths == -1).sum() == 2


def scored(truths: Sequence[int], guesses: Sequence[int]) -> float | None:
    nothing = np.zeros((len(truths), 1), dtype=np.float32)
    return SplitOutlook(
        rows=np.arange(len(truths)),
        truths=np.array(truths, dtype=np.int64),
        probabilities=np.eye(3, dtype=np.float32)[list(guesses)],
        features=nothing,
        loss=0.0,
        drawn={},
    ).weighted_f1


def test_weighted_f1_counts_known_truths_alone() -> None:
    # class 0: 2 of 3 found, none else called so: F1 = 4/5; class 1: found, one too many: F1 = 2/3
    assert scored([0, 0, 0, 1], [0, 0, 1, 1]) == pytest.approx(0.75 * 4 / 5 + 0.25 * 2 / 3)
    assert scored([0, 0, 0, 1, UNKNOWN_LABEL], [0, 0, 1, 1, 2]) == scored([0, 0, 0, 1], [0, 0, 1, 1])
    assert scored([UNKNOWN_LABEL], [0]) is None


def test_a_split_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    lengths: Lengths = {split: those for split, those in LENGTHS.items() if split is not Split.TEST}
    material = made_material(lengths=lengths)
    teacher = obtain_model("teacher", material, QUICK, made_place(tmp_path))
    assert look_at_split(teacher, material.dealer, Split.TEST, device=CPU) is None
    assert look_at_split(teacher, material.dealer, Split.DEV, device=CPU) is not None


def test_the_loss_is_the_mean_over_batches() -> None:
    material = made_material()
    stage = made_stages()[0].eval()
    batches = material.dealer.deal(Split.DEV, size=2, generator=None)
    assert len(batches) == 2
    with torch.no_grad():
        losses = [float(stage(material.dealer.batch(batch))["total"]) for batch in batches]
    outlook = look_at(stage, material.dealer, batches, device=CPU)
    assert outlook.loss == pytest.approx(sum(losses) / 2, rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("which", [0, 1])
def test_a_prediction_runs_each_network_once_per_batch(which: int, size: int) -> None:
    """Outlook and loss come of one pass."""
    material = made_material()
    stage = made_stages()[which]
    calls = dict.fromkeys(("model", "teacher", "student"), 0)

    def count(name: str) -> None:
        calls[name] += 1

    stage.model.register_forward_hook(lambda *_: count("model"))
    if which == 1:
        stage.model.teacher.register_forward_hook(lambda *_: count("teacher"))
        stage.model.student.register_forward_hook(lambda *_: count("student"))
    look(stage, material, Split.TEST, size)
    batches = {1: 3, 2: 2, 3: 1}[size]
    assert calls == {"model": batches, "teacher": batches * which, "student": batches * which}


def test_a_trained_model_is_dealt_the_dialogues_of_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = made_material()
    settings = replace(QUICK, student=replace(QUICK.student, batch_dialogues=2))
    models = train_both(material, settings, made_place(tmp_path))
    sizes: list[int] = []
    batch = type(material.dealer).batch

    def spy(self: ConversationDealer, dialogues: Sequence[DialogueRows]) -> ConversationBatch:
        sizes.append(len(dialogues))
        return batch(self, dialogues)

    monkeypatch.setattr(ConversationDealer, "batch", spy)
    for model in models:
        look_at_split(model, material.dealer, Split.TEST, device=CPU)
    assert sizes == [3, 2, 1]  # three dialogues: all at once for the teacher, two and one for the student
