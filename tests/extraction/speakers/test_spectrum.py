"""Mel spectra against those of transformers, which follows librosa."""

from __future__ import annotations

import numpy as np
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from extraction.speakers.spectrum import BANDS, HOP, SAMPLING_RATE, WINDOW, mel_filters, mel_spectra


def librosas_filters() -> np.ndarray:
    return mel_filter_bank(
        num_frequency_bins=WINDOW // 2 + 1,
        num_mel_filters=BANDS,
        min_frequency=0.0,
        max_frequency=SAMPLING_RATE / 2,
        sampling_rate=SAMPLING_RATE,
        norm="slaney",
        mel_scale="slaney",
    )


def test_filters_are_slaneys() -> None:
    np.testing.assert_allclose(mel_filters().T, librosas_filters(), atol=1e-12)


def test_spectra_are_those_of_the_field() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 4321).astype(np.float32)
    expected = spectrogram(
        samples,
        window_function(WINDOW, "hann"),
        frame_length=WINDOW,
        hop_length=HOP,
        power=2.0,
        center=True,
        pad_mode="constant",
        mel_filters=librosas_filters(),
    )
    found = mel_spectra(samples)
    assert found.shape == (1 + 4321 // HOP, BANDS)
    np.testing.assert_allclose(found, expected.T, rtol=1e-4, atol=1e-7)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLING_RATE) / SAMPLING_RATE).astype(np.float32)
    loudest = mel_filters()[int(mel_spectra(tone)[50].argmax())]
    assert abs(int(loudest.argmax()) - 1000 * WINDOW // SAMPLING_RATE) <= 1
