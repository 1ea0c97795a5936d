"""Global mixture of experts: how much each modality counts for each utterance.

Paper: section 3.4, equation 6; F_m is the SDMoE output of modality m, H_m its HCMF branch.

    G_global = V_g x F_o              a learned adapter of all modalities' F
    H_fuse   = V_g x F_o x H_m        which is G_global x H_m:                          (6)

    g      = softmax over usable modalities of V_g [F_t, F_a, F_v]
    H_fuse = sum_m g_m H_m

Dimensions: batch dialogues, seq utterances, modality modalities in a fixed order, width of the model.

Departures from the paper: without any modality H_fuse is 0. Two ablations: `product` multiplies by F_m once
more, sum_m g_m F_m H_m element by element, which counts F twice and loses rare classes; `mean` is without
GMoE, every usable modality counts the same.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.options import Form


class GlobalMixture(nn.Module):
    """GMoE.

    Args:
        modalities: how many.
        width: of the model.
        form: what is summed, see above.
    """

    def __init__(self, *, modalities: int, width: int, form: Form) -> None:
        super().__init__()
        self.router = None if form == "mean" else nn.Linear(modalities * width, modalities)
        self.form = form

    def forward(
        self,
        experts: Float[Tensor, "batch seq modality width"],
        branches: Float[Tensor, "batch seq modality width"],
        usable: Bool[Tensor, "batch seq modality"],
    ) -> tuple[Float[Tensor, "batch seq width"], Float[Tensor, "batch seq modality"]]:
        """Returns H_fuse, and the weight g of each modality: they sum to 1 over the usable ones.

        Args:
            experts: F_m, zeros where not usable.
            branches: H_m.
        """
        logits = usable.to(experts.dtype) if self.router is None else self.router(experts.flatten(2))
        lowest = torch.finfo(logits.dtype).min  # -inf would make NaN of an utterance without any modality
        weights = logits.masked_fill(~usable, lowest).softmax(dim=-1) * usable
        summed = experts * branches if self.form == "product" else branches
        return (weights.unsqueeze(-1) * summed).sum(dim=2), weights  # (6)
