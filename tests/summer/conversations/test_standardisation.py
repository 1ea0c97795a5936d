"""Robust standardisation against sorting by hand, on columns as ComParE has them."""

from __future__ import annotations

import numpy as np

from summer.conversations.standardisation import CLIP_SIGMAS, fit_standardisation

RANDOM = np.random.default_rng(11)


def quantile(sorted_values: list[float], share: float) -> float:
    """Linear interpolation between neighbours, as numpy documents it."""
    place = share * (len(sorted_values) - 1)
    below = int(place)
    above = min(below + 1, len(sorted_values) - 1)
    return sorted_values[below] + (place - below) * (sorted_values[above] - sorted_values[below])


def test_every_column_is_centred_by_its_median_and_scaled_by_its_90_percent_range() -> None:
    vectors = RANDOM.lognormal(size=(41, 300)).astype(np.float32)  # more columns than one block holds
    standardised = fit_standardisation(vectors).apply(vectors)
    for column in range(vectors.shape[1]):
        values = sorted(float(value) for value in vectors[:, column])
        spread = (quantile(values, 0.95) - quantile(values, 0.05)) / (2 * 1.6448536)
        expected = [(float(value) - values[20]) / spread for value in vectors[:, column]]
        clipped = [max(-5.0, min(5.0, value)) for value in expected]
        np.testing.assert_allclose(standardised[:, column], clipped, rtol=1e-5, atol=1e-6)


def test_a_normal_column_of_any_size_comes_out_with_deviation_1() -> None:
    scales = np.array([1e-9, 1.0, 1e11])
    vectors = (RANDOM.standard_normal((20_000, 3)) * scales + 2 * scales).astype(np.float32)
    standardised = fit_standardisation(vectors).apply(vectors)
    np.testing.assert_allclose(standardised.std(axis=0), 1, atol=0.02)
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=0.03)


def test_an_outlier_moves_neither_centre_nor_spread_and_ends_at_the_clip() -> None:
    vectors = RANDOM.standard_normal((200, 2)).astype(np.float32)
    spoilt = vectors.copy()
    spoilt[vectors.argmax(axis=0), [0, 1]] = 1e11  # the largest becomes larger
    plain, robust = fit_standardisation(vectors), fit_standardisation(spoilt)
    np.testing.assert_array_equal(plain.centre, robust.centre)
    np.testing.assert_array_equal(plain.spread, robust.spread)
    assert robust.apply(spoilt).max() == CLIP_SIGMAS


def test_the_largest_float_of_a_later_row_stays_within_the_clip() -> None:
    standardisation = fit_standardisation((RANDOM.standard_normal((50, 4)) * 1e-30).astype(np.float32))
    largest = np.finfo(np.float32).max
    standardised = standardisation.apply(np.array([[largest, -largest, 0, 1]], dtype=np.float32))
    assert standardised[0, :2].tolist() == [CLIP_SIGMAS, -CLIP_SIGMAS]
    assert np.isfinite(standardised).all()


def test_a_column_that_never_moves_is_zero_whatever_comes_later() -> None:
    vectors = np.full((40, 3), 7, dtype=np.float32)
    vectors[:, 1] = 1e11 + 8192 * (np.arange(40) % 2)  # one step of float32 at this size
    vectors[0, 2] = 9  # one row in 40: no robust scale
    standardised = fit_standardisation(vectors).apply(np.full((2, 3), 1e20, dtype=np.float32))
    assert not standardised.any()
