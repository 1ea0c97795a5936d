"""Sparse dynamic routing: each utterance keeps the experts whose gate is not an outlier.

Paper: section 3.4, equations 3 to 5.

    E_i    = BiGRU_i(U_e)                                    (experts)
    keep_e = mu - 2 sigma < W_g[e] < mu + 2 sigma            (3)
    G      = softmax over kept experts of (W_g + g) / tau    (4)
    M      = sum_e G[e] E[e]                                 (5)

mu and sigma run over every gate logit of the usable utterances of one dialogue: over the experts of one
utterance no value of five or fewer can lie beyond two sigma. g is Gumbel noise, -log(-log R), drawn in
training only; tau is learned and positive.

Dimensions: batch dialogues, seq utterances, expert experts, width of the model.

Departures from the paper: an utterance that would lose every expert keeps its best one. `dense` (all experts)
and `top-k` are the plain mixtures that the ablation of Table 4 sets against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from summer.layers.bigru import BiGRU, reading_order
from summer.layers.precision import full_precision
from summer.options import Rule

KEPT_OF_TOP_K = 2
START_OF_TEMPERATURE = 1.0
SMALLEST_TEMPERATURE = 0.05  # below, a softmax over logits of size 1 is one-hot and its gradient dies


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What the experts of one modality made of a batch.

    Args:
        mixed: (batch, seq, width) M of equation 5, zeros where not usable.
        kept: (batch, seq, expert) True where an expert was kept; all False where not usable.
        shares: (batch, seq, expert) G of equation 4.
    """

    mixed: Float[Tensor, "batch seq width"]
    kept: Bool[Tensor, "batch seq expert"]
    shares: Float[Tensor, "batch seq expert"]


class SparseDynamicMixture(nn.Module):
    """SDMoE of one modality.

    Args:
        experts: BiGRUs of equal widths.
        gate: U_e to one logit per expert.
        rule: which experts an utterance keeps.
    """

    def __init__(self, *, experts: nn.ModuleList, gate: nn.Linear, rule: Rule) -> None:
        super().__init__()
        self.experts = experts
        self.gate = gate
        self.rule = rule
        start = torch.tensor(START_OF_TEMPERATURE - SMALLEST_TEMPERATURE)
        self.temperature_logit = nn.Parameter(start.expm1().log())  # softplus of it is the start

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """tau, above SMALLEST_TEMPERATURE."""
        return F.softplus(self.temperature_logit) + SMALLEST_TEMPERATURE

    def forward(
        self, embedded: Float[Tensor, "batch seq width"], usable: Bool[Tensor, "batch seq"]
    ) -> Routed:
        """Mix the experts of each usable utterance."""
        order = reading_order(usable)
        outputs = torch.stack([expert(embedded, order, usable) for expert in self.experts], dim=2)
        with full_precision(embedded):  # half would shift who is kept
            gates = self.gate(embedded.to(self.gate.weight.dtype))
            kept = _kept(gates, usable, self.rule)
            noisy = gates + gumbel_noise(gates) if self.training else gates
            shares = shares_of_kept(noisy, kept, self.temperature).to(outputs.dtype)
        mixed = (shares.unsqueeze(-1) * outputs).sum(dim=2)  # (5)
        return Routed(mixed=mixed, kept=kept, shares=shares)


def build_mixture(*, width: int, experts: int, rule: Rule) -> SparseDynamicMixture:
    """SDMoE of `experts` BiGRUs, as wide as the model."""
    return SparseDynamicMixture(
        experts=nn.ModuleList(BiGRU(input_dim=width, width=width) for _ in range(experts)),
        gate=nn.Linear(width, experts),
        rule=rule,
    )


def kept_experts(
    gates: Float[Tensor, "batch seq expert"], usable: Bool[Tensor, "batch seq"]
) -> Bool[Tensor, "batch seq expert"]:
    """Tell which experts each usable utterance keeps by equation 3; none where not usable."""
    mean, spread = dialogue_moments(gates, usable)
    inside = (gates - mean).abs() < 2 * spread  # (3)
    best = gates == gates.amax(dim=-1, keepdim=True)
    kept = inside | (best & ~inside.any(dim=-1, keepdim=True))
    return kept & usable.unsqueeze(-1)


def dialogue_moments(
    gates: Float[Tensor, "batch seq expert"], usable: Bool[Tensor, "batch seq"]
) -> tuple[Float[Tensor, "batch 1 1"], Float[Tensor, "batch 1 1"]]:
    """Mean and standard deviation (of the population) of each dialogue's gates, of usable utterances only."""
    counted = usable.unsqueeze(-1).to(gates.dtype)
    count = (counted.sum(dim=(1, 2), keepdim=True) * gates.shape[-1]).clamp(min=1)
    mean = (gates * counted).sum(dim=(1, 2), keepdim=True) / count
    variance = ((gates - mean).square() * counted).sum(dim=(1, 2), keepdim=True) / count
    return mean, variance.sqrt()


def shares_of_kept(
    gates: Float[Tensor, "batch seq expert"],
    kept: Bool[Tensor, "batch seq expert"],
    temperature: Float[Tensor, ""],
) -> Float[Tensor, "batch seq expert"]:
    """Softmax over the kept experts; zeros for the others, and where none is kept."""
    lowest = torch.finfo(gates.dtype).min  # -inf would make NaN where none is kept
    return (gates / temperature).masked_fill(~kept, lowest).softmax(dim=-1) * kept  # (4)


def gumbel_noise(
    like: Float[Tensor, "batch seq expert"],
) -> Float[Tensor, "batch seq expert"]:
    """-log(-log R), R uniform in (0, 1)."""
    smallest = torch.finfo(like.dtype).tiny
    uniform = torch.rand_like(like).clamp(min=smallest, max=1 - torch.finfo(like.dtype).eps)
    return -torch.log(-torch.log(uniform))


def _kept(gates: Tensor, usable: Tensor, rule: Rule) -> Tensor:
    if rule == "sparse":
        return kept_experts(gates.detach(), usable)
    kept = torch.ones_like(gates, dtype=torch.bool)
    if rule == "top-k":
        count = min(KEPT_OF_TOP_K, gates.shape[-1])
        kept = torch.zeros_like(kept).scatter(-1, gates.topk(count, dim=-1).indices, value=True)
    return kept & usable.unsqueeze(-1)
