"""Losses that compare the utterances of a batch: a contrast of classes, a correlation of modalities.

Source: Shi and Huang 2023 (`summer.baselines.multi_emo`); the second from Wang et al. 2019, "An Efficient
Approach to Informative Feature Extraction from Multimodal Data" (Soft-HGR). Numbers of equations are ours.
Over the N utterances of a batch, of which n_c are of class c and P_i those of the class of i but i:

    s_ij   = exp(z_i z_j / tau) / sum_(k not i) exp(z_i z_k / tau)          z normalised               (1)
    w_c    = (N / n_c)^alpha, their sum over classes 1                                                 (2)
    L_SWFC = -1/N sum_i w_(y_i) 1/|P_i| sum_(j in P_i) (1 - s_ij)^gamma log s_ij                       (3)
    L_HGR  = -1/N sum_(m before n) (E[f_m f_n] - tr(cov f_m cov f_n) / 2)   f_m: F_m less its mean     (4)

An utterance that is alone of its class has no pair and counts as 0.

Dimensions: row all utterances of a batch, of whatever dialogue, width of their vectors, cls classes.

Departures: the authors' program counts n_c in the training split; a loss is not told of it, and these are of
the batch. In (4) the program takes covariances between utterances and no mean away, with which equal vectors
everywhere are best; here it is Soft-HGR as it was published, whose 1/N is the program's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from summer.corpus import UNKNOWN_LABEL

ANCHORS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Numbers of equations 1 to 3.

    Args:
        temperature: tau, above 0.
        focus: gamma, how much less a pair counts that is close already.
        rarity: alpha, how much more a rare class counts.
    """

    temperature: float
    focus: float
    rarity: float


def focal_contrast(
    features: Float[Tensor, "row width"],
    labels: Int[Tensor, " row"],
    *,
    classes: int,
    how: Contrast,
) -> Float[Tensor, ""]:
    """L_SWFC of all utterances of a batch; rows of an unknown label are not among them.

    The pairs of some anchors at a time, computed anew for the gradient: all at once they would take 1 GiB
    and more on batches of 64 dialogues as long as IEMOCAP's.
    """
    normal, counted = nn.functional.normalize(features, dim=-1), labels != UNKNOWN_LABEL
    of_anchors = torch.cat(
        [
            checkpoint(
                _of_anchors,
                slice(start, start + ANCHORS_AT_ONCE),
                normal,
                labels,
                how,
                use_reentrant=False,
                preserve_rng_state=False,  # nothing is drawn
            )
            for start in range(0, len(labels), ANCHORS_AT_ONCE)
        ]
    )
    weights = rarity_of_classes(labels, classes=classes, exponent=how.rarity)
    weighted = weights[labels.clamp(min=0)] * of_anchors
    return -weighted.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)  # (3)


def _of_anchors(anchors: slice, normal: Tensor, labels: Tensor, how: Contrast) -> Tensor:
    """Mean of (1 - s)^gamma log s over the pairs of each anchor; 0 of one that is alone of its class."""
    rows, counted = torch.arange(len(labels), device=labels.device), labels != UNKNOWN_LABEL
    is_other = counted & (rows != rows[anchors].unsqueeze(1))
    scores = normal[anchors] @ normal.T / how.temperature
    log_shares = scores.masked_fill(~is_other, torch.finfo(scores.dtype).min).log_softmax(dim=-1)  # (1)
    focus = (1 - log_shares.exp()).clamp(min=torch.finfo(scores.dtype).eps) ** how.focus
    is_alike = is_other & (labels[anchors].unsqueeze(1) == labels)
    of_pairs = (focus * log_shares).masked_fill(~is_alike, 0.0).sum(dim=1)
    return of_pairs / is_alike.sum(dim=1).clamp(min=1)


def rarity_of_classes(labels: Int[Tensor, " row"], *, classes: int, exponent: float) -> Float[Tensor, " cls"]:
    """w_c of the classes that there are, 0 of the others."""
    every = torch.arange(classes, device=labels.device)
    counts = (labels.unsqueeze(1) == every).sum(dim=0)
    rarity = (counts.sum() / counts.clamp(min=1)) ** exponent * (counts > 0)
    return rarity / rarity.sum().clamp(min=torch.finfo(rarity.dtype).tiny)  # (2)


def negative_correlation(
    features: Sequence[Float[Tensor, "row width"]], counted: Sequence[Bool[Tensor, " row"]]
) -> Float[Tensor, ""]:
    """L_HGR of the modalities' features, each pair over the rows that count for both."""
    total = features[0].new_zeros(())
    for (first, has_first), (second, has_second) in combinations(zip(features, counted, strict=True), 2):
        both = (has_first & has_second).unsqueeze(1)
        count = both.sum()
        left, right = (_less_its_mean(part, both) for part in (first, second))
        degrees = (count - 1).clamp(min=1)
        mapping = (left * right).sum() / degrees
        covariance = (left.T @ left) * (right.T @ right)  # its sum is the trace of their product
        total = total - (mapping - covariance.sum() / degrees**2 / 2) / count.clamp(min=1)  # (4)
    return total


def _less_its_mean(features: Tensor, counted: Tensor) -> Tensor:
    """Zeros in the rows that do not count."""
    mean = features.masked_fill(~counted, 0.0).sum(dim=0) / counted.sum().clamp(min=1)
    return (features - mean).masked_fill(~counted, 0.0)
