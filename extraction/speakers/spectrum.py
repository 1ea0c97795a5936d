"""Sound to mel spectra, as the voice encoder was trained on them: librosa's, of Slaney's mel scale.

    S_k,t = |sum_n w_n x_{n + 160 t} exp(-2 pi i k n / 400)|^2        w: Hann over 400 samples, 25 ms
    M_m,t = sum_k F_m,k S_k,t                                         F: 40 triangles of equal area

Frames are centred at every 160th sample (10 ms); beyond the ends there are zeros. Mel spectra are powers, not
their logarithms. Mel is linear up to 1000 Hz (200/3 Hz each) and logarithmic above (27 for a factor of 6.4).

Dimensions: sample samples of 16 kHz, frame frames, mel bands.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

SAMPLING_RATE = 16_000
WINDOW, HOP, BANDS = 400, 160, 40  # samples, samples, mel bands
KNEE_HERTZ, HERTZ_PER_MEL, MELS_OF_LOG_STEP, LOG_STEP = 1000.0, 200 / 3, 27.0, 6.4


def mel_spectra(samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, "frame mel"]:
    """The mel spectra of some sound.

    Args:
        samples: at 16 kHz, at least one.
    """
    padded = np.pad(samples.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    powers = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2
    return np.asarray(powers @ mel_filters().T, dtype=np.float32)


def mel_filters() -> Float64[np.ndarray, "mel bin"]:
    """Triangles between neighbours that lie evenly in mel, each 2 / its width in Hz high."""
    top = float(_mel_of(np.array(SAMPLING_RATE / 2)))
    edges = _hertz_of(np.linspace(0.0, top, BANDS + 2))
    bins = np.linspace(0.0, SAMPLING_RATE / 2, WINDOW // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(min=0)
    return np.asarray(triangles * 2 / (high - low))


def _mel_of(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = np.log(np.maximum(hertz, KNEE_HERTZ) / KNEE_HERTZ) / np.log(LOG_STEP) * MELS_OF_LOG_STEP
    return np.asarray(np.minimum(hertz, KNEE_HERTZ) / HERTZ_PER_MEL + logarithmic)


def _hertz_of(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = KNEE_HERTZ / HERTZ_PER_MEL
    return (
        np.minimum(mels, knee) * HERTZ_PER_MEL * LOG_STEP ** (np.maximum(mels - knee, 0) / MELS_OF_LOG_STEP)
    )
