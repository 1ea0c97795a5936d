"""A model in training: what it must have, that one pass tells all of it, and how much a class counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from summer.corpus import Modality
from summer.model.distillation import SmoothedTruthLoss
from summer.training.stages import Stage, weights_of_classes
from tests.summer.made_up_training import batch_of, made_material, made_stages

TRUTHS = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # 6 and 2 of 8


class WithoutLosses(nn.Module):
    modalities = (Modality.TEXT,)

    def outlook(self) -> None: ...


class WithoutOutlook(nn.Module):
    modalities = (Modality.TEXT,)

    def losses(self) -> None: ...


class WithoutModalities(nn.Module):
    def losses(self) -> None: ...

    def outlook(self) -> None: ...


@pytest.mark.parametrize("kind", [WithoutLosses, WithoutOutlook, WithoutModalities, nn.Identity])
def test_a_model_that_lacks_any_part_of_the_protocol_is_refused(kind: type[nn.Module]) -> None:
    message = f"{kind.__name__} is no classifier: it needs `modalities`, `losses` and `outlook`, see summer/"
    with pytest.raises(TypeError, match=message):
        Stage("mine", kind(), SmoothedTruthLoss(epsilon=1.0, class_weights=None))


@pytest.mark.parametrize("which", [0, 1])
def test_a_look_is_what_the_model_says_and_the_loss_that_its_call_gives(which: int) -> None:
    batch = batch_of(made_material())
    stage = made_stages()[which].eval()
    outlook, loss = stage.look(batch)
    assert torch.equal(loss, stage(batch)["total"])
    output = stage.model(batch)
    assert torch.equal(outlook.logits, output.logits if which == 0 else output.student.logits)


def test_rare_classes_count_more_and_an_utterance_1_on_average() -> None:
    balanced = weights_of_classes(TRUTHS, classes=2, weighting="balanced")
    root = weights_of_classes(TRUTHS, classes=2, weighting="root")
    assert balanced is not None
    assert root is not None
    # rarity is 8/6 and 8/2; its mean over the 8 utterances is (6 * 8/6 + 2 * 8/2) / 8 = 2
    assert balanced.tolist() == pytest.approx([4 / 6, 2.0])
    # the roots are sqrt(4/3) and 2; their mean is (6 * sqrt(4/3) + 2 * 2) / 8
    mean = (6 * math.sqrt(4 / 3) + 4) / 8
    assert root.tolist() == pytest.approx([math.sqrt(4 / 3) / mean, 2 / mean])
    for weights in (balanced, root):
        assert float(weights[torch.tensor(TRUTHS)].mean()) == pytest.approx(1)


@pytest.mark.parametrize("weighting", ["balanced", "root"])
def test_a_class_without_utterances_counts_as_a_rarest_one_and_moves_no_mean(weighting: str) -> None:
    truths = np.array([0, 0, 0, 1, 2, 2])
    weights = weights_of_classes(truths, classes=4, weighting=weighting)  # type: ignore[arg-type]
    assert weights is not None
    assert torch.isfinite(weights).all()
    assert float(weights[3]) == pytest.approx(float(weights[1]))
    assert float(weights[torch.tensor(truths)].mean()) == pytest.approx(1)


def test_no_weighting_is_no_weights() -> None:
    assert weights_of_classes(TRUTHS, classes=3, weighting="none") is None


def test_the_teachers_loss_is_cross_entropy_against_smoothed_labels_where_it_has_a_vector() -> None:
    material = made_material(holes={Modality.TEXT: [1, 6]})
    batch = batch_of(material)
    stage = made_stages()[0].eval().requires_grad_(False)
    logits = stage.look(batch)[0].logits.double()
    counted = batch.usable[Modality.TEXT] & (batch.labels >= 0)
    surprises = []
    for row, truth in zip(logits[counted].tolist(), batch.labels[counted].tolist(), strict=True):
        log_sum = math.log(sum(math.exp(value) for value in row))
        shares = [0.9 if cls == truth else 0.05 for cls in range(3)]
        surprises.append(sum(-share * (value - log_sum) for share, value in zip(shares, row, strict=True)))
    losses = stage(batch)
    assert len(surprises) == 21 - 2
    assert float(losses["total"]) == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)
    assert losses.keys() == {"smooth", "total"}


@pytest.mark.parametrize("which", [0, 1])
def test_class_weights_change_the_loss_and_equal_ones_do_not(which: int) -> None:
    batch = batch_of(made_material())
    totals = [
        made_stages(class_weights=weights)[which].eval()(batch)["total"].item()
        for weights in (None, torch.ones(3), torch.tensor([3.0, 1.0, 0.2]))
    ]
    assert totals[1] == pytest.approx(totals[0], rel=1e-5)
    assert abs(totals[2] - totals[0]) > 1e-4
