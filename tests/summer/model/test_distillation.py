"""Equations 11 to 15 against scipy, scikit-learn and torch; which rows a loss counts, and who is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax
from sklearn.metrics import log_loss, mean_squared_error
from torch import Tensor, nn
from torch.nn import functional as F

from summer.corpus import UNKNOWN_LABEL, Modality
from summer.model.distillation import (
    SmoothedTruthLoss,
    align_loss,
    cross_loss,
    distillation_losses,
    inner_loss,
    mean_of_counted,
    smooth_loss,
)
from summer.options import LossWeights

CLASSES, WIDTH = 5, 6
TEXT, AUDIO, VIDEO = Modality
COUNTED = torch.tensor([[True, True, False, True], [True, False, True, False]])
LABELS = torch.tensor([[0, 4, 2, 1], [3, 2, 4, UNKNOWN_LABEL]])
KAPPAS = LossWeights(cross=0.3, align=0.5, inner=0.7, smooth=1.5, epsilon=0.9)
CLASS_WEIGHTS = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        yield


def logits() -> Tensor:
    return 2 * torch.randn(2, 4, CLASSES, dtype=torch.float64)


def test_equation_11_is_scipys_relative_entropy_of_the_student_from_the_teacher() -> None:
    student, teacher = logits(), logits()
    p, q = (softmax(each[COUNTED].numpy(), axis=-1) for each in (student, teacher))
    expected = rel_entr(p, q).sum(axis=-1).mean()
    np.testing.assert_allclose(cross_loss(student, teacher, COUNTED).item(), expected)
    assert not np.isclose(expected, rel_entr(q, p).sum(axis=-1).mean())  # the direction is told apart
    assert cross_loss(student, student, COUNTED).item() == pytest.approx(0, abs=1e-12)


def test_equation_12_is_scikit_learns_log_loss() -> None:
    student = logits()
    probabilities = softmax(student[COUNTED].numpy(), axis=-1)
    expected = log_loss(LABELS[COUNTED].numpy(), probabilities, labels=range(CLASSES))
    np.testing.assert_allclose(align_loss(student, LABELS, COUNTED).item(), expected)


def test_equation_13_is_scikit_learns_mean_squared_error() -> None:
    student, teacher = (torch.randn(2, 4, WIDTH, dtype=torch.float64) for _ in range(2))
    expected = mean_squared_error(teacher[COUNTED].numpy(), student[COUNTED].numpy())
    np.testing.assert_allclose(inner_loss(student, teacher, COUNTED).item(), expected)


@pytest.mark.parametrize("epsilon", [1.0, 0.9, 0.55])
def test_equation_14_is_torchs_smoothed_cross_entropy_with_its_epsilon_translated(epsilon: float) -> None:
    """torch gives the truth 1 - s + s / C: its s is (1 - epsilon) C / (C - 1)."""
    own = logits()
    smoothing = (1 - epsilon) * CLASSES / (CLASSES - 1)
    expected = F.cross_entropy(own[COUNTED], LABELS[COUNTED], label_smoothing=smoothing)
    torch.testing.assert_close(smooth_loss(own, LABELS, COUNTED, epsilon=epsilon), expected)


def test_equation_14_by_hand() -> None:
    own = logits()
    total, count = 0.0, 0
    for place in COUNTED.nonzero().tolist():
        surprises = -log_softmax(own[tuple(place)].numpy())
        for one, surprise in enumerate(surprises):
            total += (0.9 if one == LABELS[tuple(place)] else 0.1 / (CLASSES - 1)) * surprise
        count += 1
    np.testing.assert_allclose(smooth_loss(own, LABELS, COUNTED, epsilon=0.9).item(), total / count)


def test_class_weights_make_a_weighted_mean_like_torchs() -> None:
    own = logits()
    expected = F.cross_entropy(own[COUNTED], LABELS[COUNTED], weight=CLASS_WEIGHTS)
    weighted = smooth_loss(own, LABELS, COUNTED, epsilon=1.0, class_weights=CLASS_WEIGHTS)
    torch.testing.assert_close(weighted, expected)
    same = smooth_loss(own, LABELS, COUNTED, epsilon=0.9, class_weights=torch.ones_like(CLASS_WEIGHTS))
    torch.testing.assert_close(same, smooth_loss(own, LABELS, COUNTED, epsilon=0.9))


@pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS])
def test_no_loss_reads_rows_that_do_not_count(weights: Tensor | None) -> None:
    first, second = logits(), logits()
    spoiled = first.masked_fill(~COUNTED.unsqueeze(-1), torch.nan)
    other_labels = torch.where(COUNTED, LABELS, 0)
    assert torch.equal(cross_loss(spoiled, second, COUNTED), cross_loss(first, second, COUNTED))
    assert torch.equal(inner_loss(spoiled, second, COUNTED), inner_loss(first, second, COUNTED))
    smooth = smooth_loss(first, LABELS, COUNTED, epsilon=0.9, class_weights=weights)
    assert torch.equal(
        smooth_loss(spoiled, other_labels, COUNTED, epsilon=0.9, class_weights=weights), smooth
    )
    aligned = align_loss(first, LABELS, COUNTED, weights)
    assert torch.equal(align_loss(spoiled, other_labels, COUNTED, weights), aligned)


def test_an_unknown_truth_counts_in_no_loss_of_labels() -> None:
    own, everywhere = logits(), torch.ones_like(COUNTED)
    known = LABELS != UNKNOWN_LABEL
    expected = F.cross_entropy(own[known], LABELS[known])
    torch.testing.assert_close(align_loss(own, LABELS, everywhere), expected)


@pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS])
def test_losses_of_no_utterance_at_all_are_zero(weights: Tensor | None) -> None:
    nobody = torch.zeros_like(COUNTED)
    assert mean_of_counted(torch.full((2, 4), torch.nan), nobody).item() == 0
    assert smooth_loss(logits(), LABELS, nobody, epsilon=0.9, class_weights=weights).item() == 0
    assert cross_loss(logits(), logits(), nobody).item() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cross": -0.1}, "give 0 or more"),
        ({"cross": 0.0, "align": 0.0, "inner": 0.0, "smooth": 0.0}, "at least one above 0"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"epsilon": 1.1}, "epsilon is 1.1"),
    ],
)
def test_weights_that_mean_nothing_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(KAPPAS, **change)


USABLE = {
    TEXT: torch.tensor([[True, True, True, False], [True, True, False, False]]),
    AUDIO: torch.tensor([[True, False, True, False], [True, True, True, False]]),
}
TEACHER_USABLE = torch.tensor([[True, True, False, False], [True, False, True, False]])


def situation() -> dict[str, Any]:
    def features() -> Tensor:
        return torch.randn(2, 4, WIDTH, dtype=torch.float64, requires_grad=True)

    return {
        "logits": logits().requires_grad_(),
        "classifier": nn.Linear(WIDTH, CLASSES).double().requires_grad_(False),
        "branches": {TEXT: features(), AUDIO: features()},
        "usable": USABLE,
        "teacher_features": features().detach(),
        "teacher_usable": TEACHER_USABLE,
        "labels": LABELS,
        "class_weights": None,
    }


def test_equation_15_sums_the_terms_over_modalities_and_utterances() -> None:
    """Pooled by loops over every (modality, utterance), by equations of their own."""
    given = situation()
    matrix, bias = given["classifier"].weight.numpy(), given["classifier"].bias.numpy()
    found: dict[str, list[float]] = {"cross": [], "align": [], "inner": [], "smooth": []}
    for place in np.ndindex(2, 4):
        truth, teacher = int(LABELS[place]), given["teacher_features"][place].numpy()
        q = log_softmax(matrix @ teacher + bias)
        for m in (TEXT, AUDIO):
            student = given["branches"][m][place].detach().numpy()
            p = log_softmax(matrix @ student + bias)
            if USABLE[m][place] and truth != UNKNOWN_LABEL:
                found["align"].append(-p[truth])
            if USABLE[m][place] and TEACHER_USABLE[place] and truth != UNKNOWN_LABEL:
                found["cross"].append(np.sum(np.exp(p) * (p - q)))
                found["inner"].append(np.mean((teacher - student) ** 2))
        if (USABLE[TEXT] | USABLE[AUDIO])[place] and truth != UNKNOWN_LABEL:
            delta = np.full(CLASSES, 0.1 / (CLASSES - 1))
            delta[truth] = 0.9
            found["smooth"].append(-delta @ log_softmax(given["logits"][place].detach().numpy()))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    terms = distillation_losses(KAPPAS, **given)
    for name, mean in means.items():
        np.testing.assert_allclose(terms[name].item(), mean, err_msg=name)
    total = 0.3 * means["cross"] + 0.5 * means["align"] + 0.7 * means["inner"] + 1.5 * means["smooth"]
    np.testing.assert_allclose(terms["total"].item(), total)
    assert list(terms) == ["cross", "align", "inner", "smooth", "total"]


def test_class_weights_reach_both_losses_of_labels() -> None:
    given = situation()
    one = distillation_losses(KAPPAS, **given)
    other = distillation_losses(KAPPAS, **{**given, "class_weights": CLASS_WEIGHTS})
    changed = {name for name in one if not torch.allclose(one[name], other[name])}
    assert changed == {"align", "smooth", "total"}


@pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS])
def test_the_loss_that_a_model_is_handed_is_equation_14_and_leaves_nothing_in_a_checkpoint(
    weights: Tensor | None,
) -> None:
    own = logits()
    loss = SmoothedTruthLoss(epsilon=0.9, class_weights=weights)
    expected = smooth_loss(own, LABELS, COUNTED, epsilon=0.9, class_weights=weights)
    assert torch.equal(loss(own, LABELS, COUNTED), expected)
    assert isinstance(loss, nn.Module)
    assert "class_weights" not in loss.state_dict()


def test_the_student_is_trained_by_every_usable_branch_and_the_teachers_classifier_is_not() -> None:
    given = situation()
    distillation_losses(KAPPAS, **given)["total"].backward()
    assert all(parameter.grad is None for parameter in given["classifier"].parameters())
    for m, branch in given["branches"].items():
        moved = branch.grad.abs().sum(dim=-1) > 0
        counts = USABLE[m] & (LABELS != UNKNOWN_LABEL)
        assert torch.equal(moved, counts)
    anything = (USABLE[TEXT] | USABLE[AUDIO]) & (LABELS != UNKNOWN_LABEL)
    assert torch.equal(given["logits"].grad.abs().sum(dim=-1) > 0, anything)
