"""PCA of the training rows against the singular value decomposition, and what must not move it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from summer.conversations.standardisation import fit_standardisation
from summer.corpus import Split
from summer.reduction import RawRows, Reducer, ReductionError, RowSource, fit_reducer
from tests.places import REPOSITORY
from tests.summer.reduction.made_rows import LABELS, RAW_DIM, MadeRows, made_rows

ROWS = made_rows()
TRAINING = ROWS.of(Split.TRAIN) & ROWS.usable


def fitted(rows: RawRows = ROWS, *, width: int = 5) -> Reducer:
    return fit_reducer("pca", rows, labels=LABELS, width=width, seed=0)


def with_features(features: RowSource) -> RawRows:
    return RawRows(features=features, usable=ROWS.usable, utterances=ROWS.utterances)


def wide_rows() -> MadeRows:
    """More raw columns than training rows, as a small corpus has with ComParE."""
    features = np.random.default_rng(5).standard_normal((len(ROWS.features), 400)).astype(np.float32)
    return MadeRows(features=features, usable=ROWS.usable, utterances=ROWS.utterances)


@pytest.mark.parametrize(
    "rows", [ROWS, wide_rows()], ids=["more rows than columns", "more columns than rows"]
)
def test_the_components_are_those_of_the_singular_value_decomposition(rows: MadeRows) -> None:
    reduced = fitted(rows, width=4).apply(rows)
    training = rows.features[TRAINING]
    standardised = fit_standardisation(training).apply(training).astype(np.float64)
    centred = standardised - standardised.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :4] * sizes[:4]
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(np.abs(reduced[TRAINING]), np.abs(expected), atol=2e-4)


def test_at_full_width_all_distances_between_standardised_rows_are_kept() -> None:
    reduced = fitted(width=RAW_DIM).apply(ROWS)[ROWS.usable]
    standardised = fit_standardisation(ROWS.features[TRAINING]).apply(ROWS.features[ROWS.usable])
    np.testing.assert_allclose(
        np.linalg.norm(reduced[1:] - reduced[:-1], axis=1),
        np.linalg.norm(standardised[1:] - standardised[:-1], axis=1),
        rtol=1e-4,
    )


def test_rows_of_dev_and_test_cannot_move_the_reducer(tmp_path: Path) -> None:
    expected = fitted()
    expected.save(tmp_path / "expected")
    for name, poison in (("NaN", np.nan), ("huge", 1e38), ("absent", 0.0)):
        features = np.where(ROWS.of(Split.TRAIN)[:, None], ROWS.features, np.float32(poison))
        reducer = fitted(with_features(features))
        reducer.save(tmp_path / name)
        assert reducer.fingerprint == expected.fingerprint
        assert (tmp_path / name).read_bytes() == (tmp_path / "expected").read_bytes()


def test_training_rows_that_are_not_usable_cannot_move_it_and_one_that_is_does() -> None:
    features = ROWS.features.copy()
    features[~ROWS.usable] = np.nan
    assert fitted(with_features(features)).fingerprint == fitted().fingerprint
    features[np.flatnonzero(TRAINING)[0], 0] += 0.5
    assert fitted(with_features(features)).fingerprint != fitted().fingerprint


def test_rows_that_are_not_usable_come_out_as_zeros_and_the_others_do_not() -> None:
    reduced = fitted().apply(ROWS)
    assert not reduced[~ROWS.usable].any()
    assert reduced[ROWS.usable].any(axis=1).all()


def test_outliers_of_dev_come_out_finite_and_bounded() -> None:
    features = ROWS.features.copy()
    features[ROWS.of(Split.DEV)] = np.finfo(np.float32).max
    reduced = fitted().apply(with_features(features))
    assert np.isfinite(reduced).all()
    assert np.abs(reduced).max() < 5 * 2 * np.sqrt(RAW_DIM)


def test_a_dataset_on_disk_reduces_like_the_array_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "store.h5", "w") as file:
        dataset = file.create_dataset("raw", data=ROWS.features)
        from_disk = fitted(with_features(dataset))
        reduced = from_disk.apply(with_features(dataset))
    assert from_disk.fingerprint == fitted().fingerprint
    np.testing.assert_array_equal(reduced, fitted().apply(ROWS))


def test_rows_beyond_one_block_are_read_once_each() -> None:
    rows = RawRows(
        features=np.tile(ROWS.features, (12, 1)),
        usable=np.tile(ROWS.usable, 12),
        utterances=[*ROWS.utterances] * 12,
    )
    assert len(rows.usable) > 1024
    reduced = fitted().apply(rows)
    once = fitted().apply(ROWS)
    np.testing.assert_allclose(reduced, np.tile(once, (12, 1)), atol=1e-5)


def test_a_direction_in_which_the_training_rows_do_not_vary_gives_zero() -> None:
    features = ROWS.features.copy()
    features[:, 6:] = features[:, :6]  # six columns twice over: rank 6
    reduced = fitted(with_features(features), width=8).apply(ROWS)
    assert reduced[:, :6].any(axis=0).all()
    assert not reduced[:, 6:].any()


def test_the_description_tells_what_it_was_fitted_on() -> None:
    description = fitted().description
    assert description["method"] == "pca"
    assert description["width"] == "5"
    assert description["fitted_rows"] == str(TRAINING.sum())
    assert 0 < float(description["explained_variance"]) <= 1


def test_what_cannot_be_reduced_is_an_error_that_names_value_limit_and_remedy() -> None:
    count = int(TRAINING.sum())
    with pytest.raises(ReductionError, match=rf"{count} usable .* width {count + 1} .* at most {count}"):
        fitted(wide_rows(), width=count + 1)
    with pytest.raises(ReductionError, match=r"12 raw columns are fewer than .* 13 .* dialogue-rnn"):
        fitted(width=RAW_DIM + 1)
    with pytest.raises(ReductionError, match="width 0 is below 1"):
        fitted(width=0)
    with pytest.raises(ReductionError, match="all 12 raw columns are the same"):
        fitted(with_features(np.ones_like(ROWS.features)))
    with pytest.raises(ReductionError, match="features are 11 wide, the reducer was fitted on 12"):
        fitted().apply(with_features(ROWS.features[:, 1:]))


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_usable_row_that_is_not_finite_is_an_error_that_names_the_row(poison: float) -> None:
    features = ROWS.features.copy()
    row = int(np.flatnonzero(TRAINING)[3])
    features[row, 7] = poison
    for act in (
        lambda: fitted(with_features(features)),
        lambda: fitted().apply(with_features(features)),
    ):
        with pytest.raises(ReductionError, match=f"row {ROWS.utterances[row].id} holds NaN or infinity"):
            act()


def test_the_package_and_pca_work_without_loading_torch() -> None:
    program = """
import sys
import numpy as np
import summer.store
from summer.corpus import LabelSet, Split, Utterance
from summer.reduction import RawRows, fit_reducer
assert "sklearn" not in sys.modules
rows = [Utterance(id=f"{n}", split=Split.TRAIN, dialogue="d", turn=n, speaker="s", text="", label="")
        for n in range(9)]
features = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
raw_rows = RawRows(features=features, usable=np.ones(9, dtype=bool), utterances=rows)
reducer = fit_reducer("pca", raw_rows, labels=LabelSet(()), width=2, seed=0)
assert reducer.apply(raw_rows).shape == (9, 2)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
