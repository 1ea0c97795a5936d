"""A vector for a voice, whatever it says.

Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification", as Resemblyzer does it. Sound below
-30 dBFS is brought there. It is read in windows of 1.6 s, every 0.77 s; the last one is filled up with
silence, and left out where that would be more than a quarter of it and it is not the only one:

    e   = ReLU(W h + b) / |ReLU(W h + b)|       h: last state of three LSTMs over 160 mel spectra
    v   = mean of e / |mean of e|

Departure: Resemblyzer first cuts out long silences, by a detector of its own; an utterance has few.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from extraction.speakers.spectrum import BANDS, HOP, SAMPLING_RATE, mel_spectra
from extraction.weights import Weights
from extraction.weights.voice import load_voice

WIDTH, LAYERS = 256, 3
WINDOW_FRAMES, STEP_FRAMES = 160, 77
LEAST_COVERED = 0.75
LEAST_RMS = 10 ** (-30 / 20)
SILENCE = 10 ** (-60 / 20)
LEAST_SECONDS = 0.4  # of sound; of less there is no voice to tell


class VoiceEncoder(nn.Module):
    """Mel spectra of windows to unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, windows: Float[Tensor, "window frame mel"]) -> Float[Tensor, "window width"]:
        """One vector each."""
        _, (hidden, _) = self.lstm(windows)
        raw: Tensor = torch.relu(self.linear(hidden[-1]))
        unit: Tensor = raw / raw.norm(dim=1, keepdim=True).clamp(min=torch.finfo(raw.dtype).tiny)
        return unit


@lru_cache(maxsize=1)
def load_voice_encoder(weights: Weights) -> VoiceEncoder:
    """Build the network and load its weights.

    Raises:
        WeightsUnavailable: the file is not such weights.
    """
    encoder = VoiceEncoder()
    encoder.load_state_dict(load_voice(weights, encoder), strict=True)
    return encoder.eval().requires_grad_(False)


def voice_vector(
    encoder: VoiceEncoder, samples: Float32[np.ndarray, " sample"]
) -> Float32[np.ndarray, " width"] | None:
    """The unit vector of an utterance's voice; None where it is too short or silent.

    Args:
        samples: at 16 kHz.
    """
    loudness = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
    if len(samples) < LEAST_SECONDS * SAMPLING_RATE or loudness < SILENCE:
        return None
    spectra = mel_spectra((samples * max(1.0, LEAST_RMS / loudness)).astype(np.float32))
    with torch.inference_mode():
        vectors = encoder(torch.from_numpy(_windows(spectra, len(samples)))).numpy()
    mean = vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def _windows(
    spectra: Float32[np.ndarray, "frame mel"], samples: int
) -> Float32[np.ndarray, "window length mel"]:
    starts = list(range(0, max(1, len(spectra) - WINDOW_FRAMES + STEP_FRAMES), STEP_FRAMES))
    covered = (samples - starts[-1] * HOP) / (WINDOW_FRAMES * HOP)
    if covered < LEAST_COVERED and len(starts) > 1:
        starts.pop()
    padded = np.pad(spectra, ((0, max(0, starts[-1] + WINDOW_FRAMES - len(spectra))), (0, 0)))
    return np.stack([padded[start : start + WINDOW_FRAMES] for start in starts])
