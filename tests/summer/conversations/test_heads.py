"""An encoder's own head, over standardised vectors: what it says there is what it says of the raw ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from summer.conversations.heads import LinearLayer, folded
from summer.conversations.reading import read_conversations
from summer.conversations.standardisation import Standardisation, fit_standardisation
from summer.corpus import Modality
from summer.store import EncoderHead
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable, with_head

RANDOM = np.random.default_rng(5)
TEXT, AUDIO = Modality.TEXT, Modality.AUDIO


def odd_vectors() -> np.ndarray:
    """Columns of many sizes, far from 0; outliers beyond the clip, and one that is the same in most rows."""
    sizes = np.array([1e-3, 0.1, 1.0, 30.0, 1.0, 1.0])
    vectors = RANDOM.standard_normal((200, 6)) * sizes + 3 * sizes
    vectors[7, 2] += 40
    vectors[:, 5] = 2.0
    vectors[3, 5] = 2.5
    return vectors.astype(np.float32)


def a_head() -> EncoderHead:
    weight, bias = RANDOM.standard_normal((3, 6)), RANDOM.standard_normal(3)
    return EncoderHead(weight=weight.astype(np.float32), bias=bias.astype(np.float32))


def test_of_standardised_vectors_it_says_what_it_says_of_those_before() -> None:
    vectors, head = odd_vectors(), a_head()
    scale = fit_standardisation(vectors).without_loss()
    standardised, ours = scale.apply(vectors), folded(head, scale)
    assert abs(standardised[7, 2]) > 20  # nothing was clipped
    assert standardised[3, 5] == pytest.approx(0.5)  # and what has no robust scale is kept
    weight = ours.weights[Modality.TEXT].double().numpy()
    logits = standardised.astype(np.float64) @ weight.T + ours.bias.double().numpy()
    expected = vectors.astype(np.float64) @ head.weight.astype(np.float64).T + head.bias
    sizes = np.abs(vectors).astype(np.float64) @ np.abs(head.weight).T.astype(np.float64)
    assert (np.abs(logits - expected) <= 4 * np.finfo(np.float32).eps * (sizes + 1)).all()


def test_with_class_weights_it_says_what_minimises_the_weighted_loss() -> None:
    counts, weights = torch.tensor([60.0, 30.0, 10.0]), torch.tensor([0.5, 1.0, 4.0])
    layer = LinearLayer(weights={Modality.TEXT: torch.zeros(3, 2)}, bias=(counts / counts.sum()).log())
    bias = layer.weighted(weights).bias.clone().requires_grad_()
    loss = -(weights * counts * bias.log_softmax(dim=-1)).sum()
    loss.backward()
    assert bias.grad is not None
    assert bias.grad.abs().max().item() < 1e-4 * loss.item()
    assert layer.weighted(None) is layer


def test_without_loss_changes_only_outliers_and_columns_that_say_nothing() -> None:
    vectors = odd_vectors()
    scale = fit_standardisation(vectors)
    plain, whole = scale.apply(vectors), scale.without_loss().apply(vectors)
    usual = np.ones_like(plain, dtype=bool)
    usual[7, 2], usual[:, 5] = False, False
    np.testing.assert_array_equal(plain[usual], whole[usual])
    assert plain[7, 2] == 5.0
    assert not plain[:, 5].any()


@pytest.mark.parametrize(
    "scale",
    [
        Standardisation(centre=np.zeros(6), spread=np.ones(6)),
        Standardisation(centre=np.zeros(6), spread=np.array([1.0, 1, 1, 0, 1, 1]), clipped=False),
    ],
)
def test_a_standardisation_that_loses_something_is_refused(scale: Standardisation) -> None:
    with pytest.raises(ValueError, match="which no head can undo; use without_loss"):
        folded(a_head(), scale)


def test_conversations_carry_the_head_of_raw_text_and_none_of_reduced(tmp_path: Path) -> None:
    made = with_head(made_learnable())
    own = made.features[TEXT].head
    assert own is not None
    raw = write_store(tmp_path / "raw.h5", made, TEXT)
    reduced = write_store(tmp_path / "reduced.h5", made, TEXT, reduced=made.features[TEXT].vectors[:, :2])
    audio = write_store(tmp_path / "audio.h5", made, AUDIO)
    read = read_conversations([raw, audio])
    head = read.features[TEXT].head
    assert head is not None
    np.testing.assert_array_equal(head.weight, own.weight)
    np.testing.assert_array_equal(head.bias, own.bias)
    assert read.features[AUDIO].head is None
    assert read_conversations([reduced, audio]).features[TEXT].head is None
