"""Equation 6 against loops, and what becomes of a missing modality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from summer.model.global_moe import GlobalMixture
from summer.options import Form

WIDTH, MODALITIES = 4, 3
USABLE = torch.tensor(
    [[[True, True, True], [True, False, True], [False, False, True], [False, False, False]]]
)
FORMS: tuple[Form, ...] = get_args(Form)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        yield


def network(form: Form) -> GlobalMixture:
    return GlobalMixture(modalities=MODALITIES, width=WIDTH, form=form).double()


def inputs() -> tuple[Tensor, Tensor]:
    """F_m, zeros where not usable, and H_m, which is not."""
    experts, branches = torch.randn(2, 1, 4, MODALITIES, WIDTH, dtype=torch.float64)
    return experts * USABLE.unsqueeze(-1), branches


def weights_by_loops(part: GlobalMixture, experts: Tensor) -> np.ndarray:
    weights = np.zeros((4, MODALITIES))
    for row in range(4):
        there = np.flatnonzero(USABLE[0, row].numpy())
        logits = np.zeros(MODALITIES)
        if part.router is not None:
            side_by_side = np.concatenate([experts[0, row, m].numpy() for m in range(MODALITIES)])
            logits = part.router.weight.detach().numpy() @ side_by_side + part.router.bias.detach().numpy()
        for m in there:
            weights[row, m] = np.exp(logits[m]) / sum(np.exp(logits[n]) for n in there)
    return weights


@pytest.mark.parametrize("form", FORMS)
def test_equation_6_sums_the_modalities_by_their_weights(form: Form) -> None:
    part, (experts, branches) = network(form), inputs()
    fused, weights = part(experts, branches, USABLE)
    expected = weights_by_loops(part, experts)
    np.testing.assert_allclose(weights[0].detach().numpy(), expected, atol=1e-12)
    for row in range(4):
        summed = np.zeros(WIDTH)
        for m in range(MODALITIES):
            factor = experts[0, row, m].numpy() if form == "product" else 1.0
            summed += expected[row, m] * factor * branches[0, row, m].numpy()
        np.testing.assert_allclose(fused[0, row].detach().numpy(), summed, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_weights_sum_to_one_over_usable_modalities_and_a_missing_one_has_none(form: Form) -> None:
    _, weights = network(form)(*inputs(), USABLE)
    torch.testing.assert_close(weights.sum(dim=-1), USABLE.any(dim=-1).double())
    assert not weights[~USABLE].any()
    assert (weights[USABLE] > 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_what_a_missing_modalitys_branch_holds_changes_nothing(form: Form) -> None:
    part, (experts, branches) = network(form), inputs()
    other = torch.where(USABLE.unsqueeze(-1), branches, 7.0)
    assert torch.equal(part(experts, branches, USABLE)[0], part(experts, other, USABLE)[0])


@pytest.mark.parametrize("form", FORMS)
def test_without_any_modality_the_fusion_is_zero(form: Form) -> None:
    fused, weights = network(form)(*inputs(), USABLE)
    assert not fused[0, 3].any()
    assert not weights[0, 3].any()


def test_the_mean_of_usable_modalities_is_their_mean() -> None:
    experts, branches = inputs()
    fused, _ = network("mean")(experts, branches, USABLE)
    torch.testing.assert_close(fused[0, 0], branches[0, 0].mean(dim=0))
    torch.testing.assert_close(fused[0, 1], (branches[0, 1, 0] + branches[0, 1, 2]) / 2)
