"""Cepstra against the program whose cepstra LR-ASD was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import python_speech_features
from numpy.typing import NDArray

from extraction.video.network.cepstra import FULL_SCALE, SAMPLING_RATE, cepstra


def whole_numbers(samples: int, *, loud: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """Noise that 16 bits hold exactly, a tone in it."""
    random = np.random.default_rng(seed)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(samples) / SAMPLING_RATE)
    noisy = (tone + loud * random.standard_normal(samples)).clip(-1, 0.99)
    return (np.round(noisy * FULL_SCALE) / FULL_SCALE).astype(np.float32)


@pytest.mark.parametrize("samples", [400, 401, 16_000, 33_333])
def test_they_are_those_that_the_network_was_trained_on(samples: int) -> None:
    sound = whole_numbers(samples)
    theirs = python_speech_features.mfcc((sound * FULL_SCALE).astype(np.int16), SAMPLING_RATE)
    ours = cepstra(sound, frames=len(theirs))
    assert ours.shape == theirs.shape == (len(theirs), 13)
    assert np.abs(ours - theirs).max() < 1e-4


def test_beyond_the_sound_there_is_silence_and_silence_has_numbers() -> None:
    sound = whole_numbers(1600)
    longer = cepstra(sound, frames=20)
    assert np.allclose(longer[:8], cepstra(sound, frames=8))
    assert np.isfinite(longer).all()
    assert np.allclose(longer[12:], cepstra(np.zeros(0, dtype=np.float32), frames=8))
