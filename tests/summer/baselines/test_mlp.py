"""The perceptron against its equations in numpy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from summer.baselines.mlp import Mlp, MlpOptions
from summer.corpus import Modality, Split
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with

TEXT, AUDIO = Modality.TEXT, Modality.AUDIO


def gelu(value: float) -> float:
    """value times the normal distribution's share below it."""
    return value * 0.5 * (1 + math.erf(value / math.sqrt(2)))


def test_it_reads_all_modalities_and_a_flag_of_each_through_one_hidden_layer() -> None:
    torch.manual_seed(3)
    model = Mlp(MlpOptions(hidden_dim=5), shape_with(TEXT, AUDIO)).eval()
    batch = made_batch(made_conversations({Split.TRAIN: (3, 2)}, holes={AUDIO: (1,), TEXT: (3,)}))
    weights = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    with torch.no_grad():
        logits = model(batch).logits
    for place in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]:
        there = [bool(batch.usable[m][place]) for m in (TEXT, AUDIO)]
        read = zip((TEXT, AUDIO), there, strict=True)
        parts = [batch.features[m][place].numpy() * here for m, here in read]
        x = np.concatenate([*parts, np.array(there, dtype=np.float64)])
        hidden = np.array([gelu(v) for v in weights["hidden.1.weight"] @ x + weights["hidden.1.bias"]])
        expected = weights["classifier.weight"] @ hidden + weights["classifier.bias"]
        np.testing.assert_allclose(logits[place].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{"hidden_dim": 0}, {"dropout": 1.0}, {"modalities": ()}, {"modalities": (TEXT, TEXT)}]
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(MlpOptions(), **changes)  # type: ignore[arg-type]
