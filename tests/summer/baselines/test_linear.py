"""The rivals that are one linear layer: what they become, on what, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from summer.baselines.linear import LinearOptions
from summer.corpus import Modality, Split
from summer.options import ClassWeighting
from summer.training.checkpoints import TrainedModel
from summer.training.history import TrainingError, read_history
from summer.training.preparation import Material, prepare
from summer.training.seed import ModelSettings, Settings, look_at_split, obtain_model
from tests.summer.battery import CPU, EVERY_MODALITY, TINY
from tests.summer.made_up import LABELS
from tests.summer.made_up_training import LENGTHS, TRAINING, made_learnable, made_place, with_head

HOLES = {Modality.TEXT: (1, 6), Modality.AUDIO: (1, 4), Modality.VIDEO: (1, 9)}


def fitted(
    name: str, material: Material, folder: Path, *, class_weights: ClassWeighting = "none", **options: object
) -> TrainedModel:
    """One of the three, in a run of its own."""
    settings = ModelSettings(
        options=LinearOptions(**options) if options else _options_of(name),  # type: ignore[arg-type]
        training=replace(TRAINING, class_weights=class_weights),
    )
    return obtain_model(name, material, Settings(rivals={name: settings}), made_place(folder))


def _options_of(name: str) -> object:
    return Settings().of(name).options


def probabilities(trained: TrainedModel, material: Material, split: Split) -> np.ndarray:  # type: ignore[type-arg]
    """What it says of a split."""
    outlook = look_at_split(trained, material.dealer, split, device=CPU)
    assert outlook is not None
    return outlook.probabilities


@pytest.mark.parametrize("holes", [{}, HOLES])
def test_majority_says_the_shares_of_the_training_split_whatever_it_is_shown(
    holes: dict[Modality, tuple[int, ...]], tmp_path: Path
) -> None:
    made = made_learnable(modalities=EVERY_MODALITY, holes=holes)
    said = probabilities(fitted("majority", prepare(made, TINY), tmp_path), prepare(made, TINY), Split.TEST)
    training = [row for row, u in enumerate(made.utterances) if u.split is Split.TRAIN]
    counted = [row for row in training if any(one.usable[row] for one in made.features.values())]
    shares = np.array([sum(made.utterances[row].label == name for row in counted) for name in LABELS.names])
    np.testing.assert_allclose(said, np.tile(shares / shares.sum(), (len(said), 1)), rtol=1e-5)


def test_with_balanced_class_weights_majority_prefers_no_class(tmp_path: Path) -> None:
    material = prepare(made_learnable(), TINY)
    said = probabilities(
        fitted("majority", material, tmp_path, class_weights="balanced"), material, Split.DEV
    )
    np.testing.assert_allclose(said, 1 / len(LABELS), rtol=1e-5)


@pytest.mark.parametrize("modalities", [(Modality.AUDIO,), (Modality.TEXT, Modality.VIDEO), EVERY_MODALITY])
def test_the_regression_is_scikit_learns_on_what_it_reads_and_nothing_else(
    modalities: tuple[Modality, ...], tmp_path: Path
) -> None:
    lengths = {**LENGTHS, Split.TRAIN: (5,) * 12}
    material = prepare(made_learnable(lengths, modalities=EVERY_MODALITY, signal=1.0, holes=HOLES), TINY)
    said = probabilities(
        fitted("regression", material, tmp_path, modalities=modalities), material, Split.TEST
    )
    conversations = material.conversations
    vectors = np.hstack([conversations.features[m].vectors for m in modalities])
    usable = np.any([conversations.features[m].usable for m in modalities], axis=0)
    truths = np.array([LABELS.index(u.label) for u in conversations.utterances])
    splits = np.array([u.split for u in conversations.utterances])
    training, test = (splits == Split.TRAIN) & usable, splits == Split.TEST
    closest = min(
        np.abs(
            LogisticRegression(C=strength, max_iter=1000)
            .fit(vectors[training], truths[training])
            .predict_proba(vectors[test])
            - said
        ).max()
        for strength in np.geomspace(1e-4, 1.0, num=9)
    )
    assert closest < 1e-3


def test_the_encoders_head_says_what_the_encoder_said_of_the_raw_vectors(tmp_path: Path) -> None:
    made = with_head(made_learnable())
    head, raw = made.features[Modality.TEXT].head, made.features[Modality.TEXT].vectors.copy()
    assert head is not None
    material = prepare(made, TINY)
    said = probabilities(fitted("encoder-head", material, tmp_path), material, Split.TEST)
    test = np.array([u.split is Split.TEST for u in made.utterances])
    expected = torch.from_numpy(raw[test] @ head.weight.T + head.bias).softmax(dim=-1).numpy()
    np.testing.assert_allclose(said, expected, atol=1e-5)


def test_a_head_that_is_not_there_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no head of its encoder.*take regression"):
        fitted("encoder-head", prepare(made_learnable(), TINY), tmp_path)
    clipped = prepare(with_head(made_learnable()), replace(TINY, start="regression"))
    with pytest.raises(TrainingError, match="give -o model.start=head"):
        fitted("encoder-head", clipped, tmp_path)


def test_what_takes_no_step_has_one_epoch_of_number_0_and_the_same_weights_for_every_seed(
    tmp_path: Path,
) -> None:
    material = prepare(made_learnable(), TINY)
    first = fitted("regression", material, tmp_path / "first")
    other = obtain_model("regression", material, Settings(), made_place(tmp_path / "other", seed=7))
    (record,) = read_history(tmp_path / "first" / "regression-history.json", selected_on="dev").history
    assert (record.epoch, record.losses) == (0, {})
    assert first.origin.epoch == 0
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name])


def test_modalities_given_twice_or_none_are_refused() -> None:
    for modalities in ((), (Modality.TEXT, Modality.TEXT)):
        with pytest.raises(ValueError, match="give each once, at least one"):
            LinearOptions(modalities=modalities)
