"""Equations 3 to 5 against loops in numpy; that experts do get dropped, and when there is noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import gumbel_r, kstest
from torch import Tensor

from summer.layers.bigru import reading_order
from summer.model import routing
from summer.model.routing import (
    KEPT_OF_TOP_K,
    SMALLEST_TEMPERATURE,
    SparseDynamicMixture,
    build_mixture,
    dialogue_moments,
    gumbel_noise,
    kept_experts,
    shares_of_kept,
)
from summer.options import Rule

WIDTH, EXPERTS = 6, 4
USABLE = torch.tensor([[True] * 8, [True, False, True, True, True, False, False, False], [False] * 8])
Array = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def gates_with_outliers() -> Tensor:
    """Normal logits; a very high one, a very low one, and an utterance all of whose logits are low."""
    gates = torch.randn(3, 8, EXPERTS, dtype=torch.float64)
    gates[0, 2, 1], gates[1, 0, 3] = 30.0, -25.0
    gates[0, 5] = torch.tensor([-41.0, -40.0, -42.0, -43.0])
    return gates


def kept_by_loops(gates: Array, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Equation 3 as it is read: moments over the gates of one dialogue."""
    kept = np.zeros(gates.shape, dtype=bool)
    for dialogue, there in enumerate(usable):
        values = [g for row, is_there in zip(gates[dialogue], there, strict=True) if is_there for g in row]
        for row in np.flatnonzero(there):
            mean, sigma = np.mean(values), np.std(values)
            for expert, gate in enumerate(gates[dialogue, row]):
                kept[dialogue, row, expert] = mean - 2 * sigma < gate < mean + 2 * sigma
            if not kept[dialogue, row].any():
                kept[dialogue, row, np.argmax(gates[dialogue, row])] = True
    return kept


def shares_by_loops(gates: Array, kept: NDArray[np.bool_], temperature: float) -> Array:
    """Equation 4 without noise; an expert that is dropped is not in the sum."""
    shares = np.zeros(gates.shape)
    for place in np.ndindex(*gates.shape[:2]):
        powers = {e: np.exp(gates[place][e] / temperature) for e in np.flatnonzero(kept[place])}
        for expert, power in powers.items():
            shares[place][expert] = power / sum(powers.values())
    return shares


def mixture(rule: Rule = "sparse") -> SparseDynamicMixture:
    return build_mixture(width=WIDTH, experts=EXPERTS, rule=rule).double().eval()


def embedded(usable: Tensor = USABLE) -> Tensor:
    vectors = torch.randn(*usable.shape, WIDTH, dtype=torch.float64)
    vectors[0, 2] *= 12  # an utterance unlike the others of its dialogue
    return vectors * usable.unsqueeze(-1)


def test_equation_3_keeps_what_lies_within_two_sigma_of_its_dialogue() -> None:
    gates = gates_with_outliers()
    kept = kept_experts(gates, USABLE).numpy()
    np.testing.assert_array_equal(kept, kept_by_loops(gates.numpy(), USABLE.numpy()))


def test_outliers_on_either_side_are_dropped_and_nothing_else() -> None:
    gates = torch.zeros(1, 8, EXPERTS) + 0.01 * torch.randn(1, 8, EXPERTS)
    gates[0, 2, 1], gates[0, 6, 0] = 5.0, -5.0
    dropped = ~kept_experts(gates, torch.ones(1, 8, dtype=torch.bool))
    assert dropped.nonzero().tolist() == [[0, 2, 1], [0, 6, 0]]


def test_an_utterance_that_would_lose_all_its_experts_keeps_its_best() -> None:
    gates = gates_with_outliers()
    mean, spread = dialogue_moments(gates, USABLE)
    assert ((gates - mean).abs() > 2 * spread)[0, 5].all()
    assert kept_experts(gates, USABLE)[0, 5].tolist() == [False, True, False, False]


@pytest.mark.parametrize("experts", [2, 3, 4, 5])
def test_moments_of_a_single_utterance_could_never_drop_one_of_five_or_fewer(experts: int) -> None:
    """Why the moments are the dialogue's: the largest |z| of n values is sqrt(n - 1)."""
    gates = torch.randn(2000, 1, experts, dtype=torch.float64).exp() ** 3
    assert kept_experts(gates, torch.ones(2000, 1, dtype=torch.bool)).all()
    together = gates.view(20, 100, experts)  # the same gates as dialogues
    assert not kept_experts(together, torch.ones(20, 100, dtype=torch.bool)).all()


def test_experts_whose_gates_are_all_equal_are_all_kept() -> None:
    assert kept_experts(torch.full((1, 3, EXPERTS), 0.25), torch.ones(1, 3, dtype=torch.bool)).all()


def test_moments_leave_out_what_is_not_usable() -> None:
    gates = torch.randn(3, 8, EXPERTS, dtype=torch.float64)
    mean, spread = dialogue_moments(gates, USABLE)
    for dialogue in range(2):
        values = gates[dialogue, USABLE[dialogue]].numpy()
        np.testing.assert_allclose(mean[dialogue].item(), values.mean())
        np.testing.assert_allclose(spread[dialogue].item(), values.std())
    assert torch.equal(mean[2], torch.zeros(1, 1, dtype=torch.float64))


def test_equation_4_gives_kept_experts_shares_of_one_and_dropped_ones_exactly_zero() -> None:
    gates = gates_with_outliers()
    kept = kept_experts(gates, USABLE)
    shares = shares_of_kept(gates, kept, torch.tensor(0.7, dtype=torch.float64))
    np.testing.assert_allclose(shares.numpy(), shares_by_loops(gates.numpy(), kept.numpy(), 0.7), atol=1e-12)
    assert not shares[~kept].any()
    torch.testing.assert_close(shares.sum(dim=-1), USABLE.double())


def test_equation_5_sums_the_experts_by_their_shares() -> None:
    network, vectors = mixture(), embedded()
    routed = network(vectors, USABLE)
    order = reading_order(USABLE)
    outputs = [expert(vectors, order, USABLE).detach().numpy() for expert in network.experts]
    gates = (vectors @ network.gate.weight.T + network.gate.bias).detach().numpy()
    kept = kept_by_loops(gates, USABLE.numpy())
    shares = shares_by_loops(gates, kept, network.temperature.item())
    expected = sum(shares[..., e, None] * output for e, output in enumerate(outputs))
    np.testing.assert_array_equal(routed.kept.numpy(), kept)
    np.testing.assert_allclose(routed.shares.detach().numpy(), shares, atol=1e-12)
    np.testing.assert_allclose(routed.mixed.detach().numpy(), expected, atol=1e-12)
    assert not kept[0].all()  # the mixture does drop experts here


@pytest.mark.parametrize("rule", ["sparse", "dense", "top-k"])
def test_a_padded_dialogue_routes_like_the_same_dialogue_alone(rule: Rule) -> None:
    network, vectors = mixture(rule), embedded()
    together = network(vectors, USABLE)
    alone = network(vectors[1:2, :5], USABLE[1:2, :5])
    for name in ("mixed", "kept", "shares"):
        torch.testing.assert_close(getattr(together, name)[1:2, :5], getattr(alone, name), atol=1e-5, rtol=0)
    assert not together.mixed[~USABLE].any()
    assert not together.kept[~USABLE].any()


@pytest.mark.parametrize("rule", ["sparse", "dense", "top-k"])
def test_a_hole_routes_the_others_as_if_the_utterance_were_not_there(rule: Rule) -> None:
    network, vectors = mixture(rule), embedded()
    there = USABLE[1]
    without = network(vectors[1:2, there], torch.ones(1, int(there.sum()), dtype=torch.bool))
    torch.testing.assert_close(network(vectors, USABLE).mixed[1:2, there], without.mixed)


def test_there_is_noise_in_training_and_none_in_evaluation() -> None:
    network, vectors = mixture(), embedded()
    assert torch.equal(network(vectors, USABLE).shares, network(vectors, USABLE).shares)
    network.train()
    first, second = network(vectors, USABLE), network(vectors, USABLE)
    assert not torch.allclose(first.shares, second.shares)
    assert torch.equal(first.kept, second.kept)  # the rule sees the gates without it
    assert not first.shares[~first.kept].any()


def test_half_precision_changes_neither_who_is_kept_nor_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_mixture(width=WIDTH, experts=EXPERTS, rule="sparse")
    vectors, usable = torch.randn(200, 40, WIDTH), torch.ones(200, 40, dtype=torch.bool)
    noises: list[torch.dtype] = []

    def noise(like: Tensor) -> Tensor:
        noises.append(like.dtype)
        return torch.zeros_like(like)

    monkeypatch.setattr(routing, "gumbel_noise", noise)
    exact = network(vectors, usable)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, coarse = network(vectors, usable), network.gate(vectors)
    assert coarse.dtype == torch.bfloat16
    assert not torch.equal(kept_experts(coarse.float(), usable), exact.kept)  # so it would show here
    assert torch.equal(half.kept, exact.kept)
    assert torch.equal(half.shares.float(), exact.shares.to(half.shares.dtype).float())
    torch.testing.assert_close(half.mixed.float(), exact.mixed, atol=0.02, rtol=0.02)
    assert noises == [torch.float32] * 2


def test_a_device_without_half_precision_routes_too() -> None:
    with torch.device("meta"):
        network = build_mixture(width=WIDTH, experts=EXPERTS, rule="dense")
        routed = network(torch.randn(2, 3, WIDTH), torch.ones(2, 3, dtype=torch.bool))
    assert routed.mixed.shape == (2, 3, WIDTH)


def test_the_noise_is_gumbels() -> None:
    noise = gumbel_noise(torch.empty(40, 50, 20))
    assert noise.isfinite().all()
    assert kstest(noise.flatten().double().numpy(), gumbel_r.cdf).pvalue > 0.01


def test_a_choice_by_the_noisy_gates_falls_as_often_as_their_softmax_says() -> None:
    """The Gumbel-max trick: the largest noisy logit is a draw from the softmax."""
    gates = torch.tensor([0.5, -1.0, 1.2, 0.0]).expand(1, 40000, EXPERTS)
    chosen = (gates + gumbel_noise(gates)).argmax(dim=-1).flatten().bincount(minlength=EXPERTS) / 40000
    torch.testing.assert_close(chosen, gates[0, 0].softmax(dim=-1), atol=0.01, rtol=0)


@pytest.mark.parametrize("logit", [-1e30, -50.0, 0.0, 30.0, 1e30])
def test_the_temperature_is_positive_whatever_its_parameter(logit: float) -> None:
    network = build_mixture(width=WIDTH, experts=EXPERTS, rule="sparse")
    assert network.temperature.item() == pytest.approx(1.0)
    with torch.no_grad():
        network.temperature_logit.fill_(logit)
    assert network.temperature.item() >= SMALLEST_TEMPERATURE * (1 - 1e-6)


def test_a_hotter_mixture_is_nearer_to_equal_shares() -> None:
    gates = torch.randn(1, 8, EXPERTS)
    kept = torch.ones(1, 8, EXPERTS, dtype=torch.bool)
    cold, hot = (shares_of_kept(gates, kept, torch.tensor(t)).amax(dim=-1) for t in (0.2, 5.0))
    assert (cold > hot).all()


def test_the_ablations_keep_all_experts_or_the_best_two() -> None:
    vectors = embedded()
    assert torch.equal(mixture("dense")(vectors, USABLE).kept.all(dim=-1), USABLE)
    network = mixture("top-k")
    routed = network(vectors, USABLE)
    assert torch.equal(routed.kept.sum(dim=-1), KEPT_OF_TOP_K * USABLE)
    for place in USABLE.nonzero().tolist():
        logits = network.gate(vectors[tuple(place)]).tolist()
        best = sorted(range(EXPERTS), key=logits.__getitem__)[-KEPT_OF_TOP_K:]
        assert routed.kept[tuple(place)].nonzero().flatten().tolist() == sorted(best)
