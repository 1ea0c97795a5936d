"""What a stage says of a split: rows in order, every utterance scored, means over what is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from summer.conversations.batches import ConversationDealer
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import Material, prepare
from summer.training.seed import look_at_split, predictions_of
from summer.training.stages import StudentStage, TeacherStage
from tests.summer.made_up import LABELS, Lengths
from tests.summer.made_up_training import LENGTHS, SETTINGS, made_learnable, made_material
from tests.summer.training.test_stages import made_stages

FIRST_OF_DEV, FIRST_OF_TEST = 21, 30


def look(stage: TeacherStage | StudentStage, material: Material, split: Split, size: int = 2) -> SplitOutlook:
    outlook = look_at_split(material, stage, split, batch_dialogues=size, accelerator=Accelerator(cpu=True))
    assert outlook is not None
    return outlook


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


@pytest.mark.parametrize("which", [0, 1])
def test_an_utterance_without_any_modality_is_predicted_and_scored(which: int) -> None:
    holes = {m: [FIRST_OF_TEST + 1] for m in (Modality.TEXT, Modality.AUDIO)}
    material = made_material(holes=holes)
    stage = made_stages()[which]
    outlook = look(stage, material, Split.TEST)
    predictions = predictions_of(material, outlook, stage, seed=7)
    assert material.conversations.utterances[FIRST_OF_TEST + 1].id == predictions.ids[1]
    assert predictions.truths[1] >= 0
    assert np.isfinite(predictions.probabilities).all()
    assert (predictions.seed, predictions.split, predictions.stage) == (7, Split.TEST, stage.name)
    assert predictions.dialogues[:5] == ("dia0",) * 4 + ("dia1",)


@pytest.mark.parametrize("which", [0, 1])
def test_a_modality_that_a_whole_split_lacks_has_no_mean_and_breaks_nothing(which: int) -> None:
    dev = range(FIRST_OF_DEV, FIRST_OF_TEST)
    material = made_material(holes={Modality.TEXT: dev, Modality.AUDIO: dev})
    outlook = look(made_stages()[which], material, Split.DEV)
    assert outlook.kept_experts == {}
    assert outlook.modality_weights == {}
    assert np.isfinite(outlook.loss)
    assert outlook.weighted_f1 is not None
    json.dumps([outlook.kept_experts, outlook.loss], allow_nan=False)


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
            alone = stage.outlook(batch)
            assert alone.modality_weights is not None
            for turn in range(batch.rows.shape[1]):
                if batch.usable[Modality.TEXT][0, turn]:
                    kept += alone.kept[Modality.TEXT][0, turn].tolist()
                if any(usable[0, turn] for usable in batch.usable.values()):
                    weights.append(alone.modality_weights[0, turn].tolist())
    assert len(weights) == 8
    assert outlook.kept_experts[Modality.TEXT] == pytest.approx(sum(kept) / len(kept))
    assert list(outlook.modality_weights.values()) == pytest.approx(
        [sum(column) / 8 for column in zip(*weights, strict=True)], rel=1e-4
    )
    assert sum(outlook.modality_weights.values()) == pytest.approx(1, rel=1e-4)


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
    predictions = predictions_of(material, outlook, stage, seed=0)
    assert (predictions.truths == -1).sum() == 2


def scored(truths: Sequence[int], guesses: Sequence[int]) -> float | None:
    nothing = np.zeros((len(truths), 1), dtype=np.float32)
    return SplitOutlook(
        rows=np.arange(len(truths)),
        truths=np.array(truths, dtype=np.int64),
        probabilities=np.eye(3, dtype=np.float32)[list(guesses)],
        features=nothing,
        loss=0.0,
        kept_experts={},
        modality_weights={},
    ).weighted_f1


def test_weighted_f1_counts_known_truths_alone() -> None:
    # class 0: 2 of 3 found, none else called so: F1 = 4/5; class 1: found, one too many: F1 = 2/3
    assert scored([0, 0, 0, 1], [0, 0, 1, 1]) == pytest.approx(0.75 * 4 / 5 + 0.25 * 2 / 3)
    assert scored([0, 0, 0, 1, UNKNOWN_LABEL], [0, 0, 1, 1, 2]) == scored([0, 0, 0, 1], [0, 0, 1, 1])
    assert scored([UNKNOWN_LABEL], [0]) is None


def test_a_split_that_is_not_there_is_nothing() -> None:
    lengths: Lengths = {split: those for split, those in LENGTHS.items() if split is not Split.TEST}
    material = made_material(lengths=lengths)
    found = look_at_split(
        material, made_stages()[0], Split.TEST, batch_dialogues=2, accelerator=Accelerator(cpu=True)
    )
    assert found is None


def test_the_loss_is_the_mean_over_batches() -> None:
    material = made_material()
    stage = made_stages()[0].eval()
    batches = material.dealer.deal(Split.DEV, size=2, generator=None)
    assert len(batches) == 2
    dealer: ConversationDealer = material.dealer
    with torch.no_grad():
        losses = [float(stage(dealer.batch(batch))["total"]) for batch in batches]
    outlook = look_at(stage, dealer, batches, Accelerator(cpu=True))
    assert outlook.loss == pytest.approx(sum(losses) / 2, rel=1e-6)
