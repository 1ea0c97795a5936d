"""Mel-frequency cepstra of sound, 100 a second: what the active speaker network hears.

Source: Davis and Mermelstein (1980), with the constants that LR-ASD was trained with, which are those of
python_speech_features: frames of 25 ms every 10 ms, not windowed; a first difference of 0.97 before; the
power spectrum of 512 points through 26 triangles, evenly spaced in mel up to half the rate; an orthonormal
cosine transform of their logarithms, liftered by 22; the first of the 13 is the logarithm of the energy.

    mel(f) = 2595 log10(1 + f / 700)        lifter_n = 1 + 11 sin(pi n / 22)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

SAMPLING_RATE = 16_000  # Hz
FRAME_SAMPLES, STEP_SAMPLES = 400, 160
FRAMES_PER_SECOND = SAMPLING_RATE // STEP_SAMPLES
SPECTRUM_POINTS = 512
TRIANGLES = 26
CEPSTRA = 13
LIFTER = 22
EMPHASIS = 0.97
FULL_SCALE = 32768.0  # it was trained on whole numbers of 16 bits
LEAST_ENERGY = np.finfo(np.float64).eps


def cepstra(samples: Float32[np.ndarray, " sample"], *, frames: int) -> Float32[np.ndarray, "frame 13"]:
    """Cepstra of so many frames; frame k begins at sample 160 k.

    Args:
        samples: sound at 16 kHz, full scale 1; beyond its end there is silence.
        frames: how many to give, at least 1.
    """
    from scipy.fft import dct  # takes half a second, which a clip of one face need not wait for

    needed = STEP_SAMPLES * (frames - 1) + FRAME_SAMPLES
    heard = FULL_SCALE * samples[:needed].astype(np.float64)
    heard[1:] -= EMPHASIS * heard[:-1]
    sound = np.pad(heard, (0, needed - len(heard)))
    framed = np.lib.stride_tricks.sliding_window_view(sound, FRAME_SAMPLES)[::STEP_SAMPLES]
    power = np.abs(np.fft.rfft(framed, SPECTRUM_POINTS)) ** 2 / SPECTRUM_POINTS
    energy = power.sum(axis=1)
    bands = np.log(np.maximum(power @ _triangles().T, LEAST_ENERGY))
    found: NDArray[np.float64] = dct(bands, type=2, axis=1, norm="ortho")[:, :CEPSTRA]
    found *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER)
    found[:, 0] = np.log(np.maximum(energy, LEAST_ENERGY))
    return found.astype(np.float32)


def _triangles() -> Float64[np.ndarray, "band bin"]:
    """Weights of each band over the bins of the spectrum; corners lie on bins, as they did in training."""
    highest = 2595 * np.log10(1 + SAMPLING_RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, TRIANGLES + 2) / 2595) - 1)
    corners = np.floor((SPECTRUM_POINTS + 1) * corners / SAMPLING_RATE)
    bins = np.arange(SPECTRUM_POINTS // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    weights: NDArray[np.float64] = np.where(bins < middle, rising, falling) * ((bins >= low) & (bins < high))
    return weights
