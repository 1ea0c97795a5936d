"""The losses that compare utterances, against loops over pairs and numpy's covariances."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from summer.baselines import contrast
from summer.baselines.contrast import Contrast, focal_contrast, negative_correlation
from summer.corpus import UNKNOWN_LABEL
from tests.summer.baselines.by_hand import Array, array


def contrast_by_loops(features: Array, labels: list[int], how: Contrast) -> float:
    """Equations 1 to 3, one pair at a time."""
    rows = [row for row, label in enumerate(labels) if label != UNKNOWN_LABEL]
    normal = [feature / np.linalg.norm(feature) for feature in features]
    classes = {labels[row] for row in rows}
    rarity = {c: (len(rows) / sum(labels[row] == c for row in rows)) ** how.rarity for c in classes}
    total = 0.0
    for i in rows:
        others = [k for k in rows if k != i]
        scores = [math.exp(normal[i] @ normal[k] / how.temperature) for k in others]
        shares = dict(zip(others, (score / sum(scores) for score in scores), strict=True))
        alike = [shares[j] for j in others if labels[j] == labels[i]]
        if alike:
            focal = [(1 - s) ** how.focus * math.log(s) for s in alike]
            total -= rarity[labels[i]] / sum(rarity.values()) * sum(focal) / len(alike)
    return total / len(rows)


@pytest.mark.parametrize("at_once", [5, 512])
def test_the_contrast_is_a_sum_over_pairs_of_a_class_weighted_by_how_rare_it_is(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrast, "ANCHORS_AT_ONCE", at_once)
    torch.manual_seed(2)
    how = Contrast(temperature=0.6, focus=1.7, rarity=1.3)
    features = torch.randn(12, 5)
    labels = torch.tensor(
        [0, 1, 0, 0, UNKNOWN_LABEL, 2, 1, 0, 0, 1, 0, UNKNOWN_LABEL]
    )  # of class 2 one alone
    found = focal_contrast(features, labels, classes=5, how=how)
    assert float(found) == pytest.approx(contrast_by_loops(array(features), labels.tolist(), how), rel=1e-5)


def correlation_by_loops(features: list[Array], has: list[list[bool]]) -> float:
    """Equation 4, with numpy's covariances."""
    total = 0.0
    for a, b in combinations(range(len(features)), 2):
        both = [row for row, pair in enumerate(zip(has[a], has[b], strict=True)) if all(pair)]
        f, g = features[a][both], features[b][both]
        centred = [part - part.mean(axis=0) for part in (f, g)]
        mapping = sum(x @ y for x, y in zip(*centred, strict=True)) / (len(both) - 1)
        trace = np.trace(np.cov(f, rowvar=False) @ np.cov(g, rowvar=False))
        total -= (mapping - trace / 2) / len(both)
    return float(total)


def test_the_correlation_is_soft_hgr_of_the_rows_that_have_both() -> None:
    torch.manual_seed(3)
    features = [torch.randn(9, 4) + offset for offset in (0.0, 3.0, -1.0)]
    has = [[row not in missing for row in range(9)] for missing in ((1,), (2, 3), (8,))]
    found = negative_correlation(features, [torch.tensor(rows) for rows in has])
    expected = correlation_by_loops([array(part) for part in features], has)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_same_vector_everywhere_correlates_with_nothing() -> None:
    everyone = torch.ones(6, dtype=torch.bool)
    assert float(negative_correlation([torch.full((6, 4), 2.0)] * 2, [everyone] * 2)) == 0.0
