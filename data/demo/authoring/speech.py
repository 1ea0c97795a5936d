"""Speech of the demo corpus: espeak-ng, one voice a speaker, emotion in rate, pitch and volume.

No part of the paper. espeak-ng 1.51 renders 22.05 kHz; everything after it is 48 kHz float, as in MELD.
A little noise, 60 dB down, keeps the pauses from being digital zeros, which no microphone records.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE_HERTZ = 48_000
ESPEAK_RATE_HERTZ = 22_050
PAUSE_SECONDS = 0.12  # before and after the words
LOUDEST = 0.9  # keeps the loudest clip clear of full scale
NOISE_AMPLITUDE = 0.001
SILENCE_AMPLITUDE = 0.004

VOICES = {
    "Nora": ("en-us+f3", 0),
    "Felix": ("en-us+m3", 0),
    "Mira": ("en-gb+f2", 4),
    "June": ("en-gb-scotland+f4", -12),
    "Theo": ("en-gb-x-rp+m7", -6),
}
"""Voice of each speaker, and what it adds to the pitch of an emotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How an emotion is spoken: espeak-ng's own units, and the peak of the sound as a share of full scale."""

    words_per_minute: int
    pitch: int
    pitch_range_percent: int
    peak: float


DELIVERIES = {
    "neutral": Delivery(words_per_minute=175, pitch=48, pitch_range_percent=90, peak=0.40),
    "surprise": Delivery(words_per_minute=180, pitch=78, pitch_range_percent=220, peak=0.62),
    "fear": Delivery(words_per_minute=215, pitch=84, pitch_range_percent=120, peak=0.34),
    "sadness": Delivery(words_per_minute=128, pitch=34, pitch_range_percent=45, peak=0.22),
    "joy": Delivery(words_per_minute=192, pitch=66, pitch_range_percent=190, peak=0.56),
    "disgust": Delivery(words_per_minute=140, pitch=28, pitch_range_percent=150, peak=0.44),
    "anger": Delivery(words_per_minute=205, pitch=56, pitch_range_percent=170, peak=LOUDEST),
}


def spoken(words: str, *, speaker: str, emotion: str, seed: int) -> NDArray[np.float32]:
    """Say words as a speaker in an emotion.

    Args:
        words: plain text; curly quotes are fine.
        speaker: a key of `VOICES`.
        emotion: a key of `DELIVERIES`.
        seed: of the room noise.

    Returns:
        Mono samples at 48 kHz in [-1, 1], with a short pause at both ends.

    Raises:
        KeyError: unknown speaker or emotion.
        subprocess.CalledProcessError: espeak-ng failed.
    """
    voice, pitch_offset = VOICES[speaker]
    delivery = DELIVERIES[emotion]
    raw = _trimmed(_espeak(words, voice=voice, pitch=delivery.pitch + pitch_offset, delivery=delivery))
    sound = resample_poly(raw, RATE_HERTZ // 150, ESPEAK_RATE_HERTZ // 150)
    sound *= delivery.peak / max(float(np.abs(sound).max()), 1e-9)
    padded = np.pad(sound, round(PAUSE_SECONDS * RATE_HERTZ))
    noise = np.random.default_rng(seed).standard_normal(padded.size) * NOISE_AMPLITUDE
    return np.clip(padded + noise, -1.0, 1.0).astype(np.float32)


def loudness(sound: NDArray[np.float32], *, frames: int, frame_rate_hertz: int) -> NDArray[np.float64]:
    """Loudness of a sound at each video frame, 0 in pauses and about 1 in its loudest syllables.

    Args:
        sound: mono samples at 48 kHz.
        frames: how many video frames.
        frame_rate_hertz: of the video.

    Returns:
        One number in [0, 1] a frame.

    Raises:
        ValueError: a sound without samples.
    """
    step = RATE_HERTZ // frame_rate_hertz
    padded = np.pad(sound.astype(np.float64), (0, max(0, frames * step - sound.size)))[: frames * step]
    level = np.sqrt((padded.reshape(frames, step) ** 2).mean(axis=1))
    loud = max(float(np.quantile(level, 0.9)), 0.01)
    return np.asarray(np.clip((level - 4 * NOISE_AMPLITUDE) / loud, 0.0, 1.0), np.float64)


def surround(voice: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """5.1 sound as in most of MELD: the voice in the centre, other sound in the other channels.

    Args:
        voice: mono samples at 48 kHz.
        seed: of the laughter-like noise around the voice.

    Returns:
        Six rows: left, right, centre, low, back left, back right.

    Raises:
        ValueError: never.
    """
    seconds = np.arange(voice.size) / RATE_HERTZ
    bursts = 0.5 + 0.5 * np.sin(2 * np.pi * 4.5 * seconds)
    crowd = np.random.default_rng(seed).standard_normal((5, voice.size)) * bursts * 0.05
    left, right, low, back_left, back_right = crowd
    return np.stack([left, right, voice, low * 0.2, back_left, back_right]).astype(np.float32)


def _espeak(words: str, *, voice: str, pitch: int, delivery: Delivery) -> NDArray[np.float64]:
    """Raw 22.05 kHz samples of espeak-ng."""
    escaped = words.replace("’", "'").replace("&", "&amp;").replace("<", "&lt;")
    markup = f'<speak><prosody range="{delivery.pitch_range_percent}%">{escaped}</prosody></speak>'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-m", "-v", voice, "-s", str(delivery.words_per_minute)]
        command += ["-p", str(min(99, max(0, pitch))), "-w", str(path), markup]
        subprocess.run(command, check=True)
        with wave.open(str(path)) as file:
            if file.getframerate() != ESPEAK_RATE_HERTZ:
                raise ValueError(f"espeak-ng gave {file.getframerate()} Hz, expected {ESPEAK_RATE_HERTZ}")
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return samples.astype(np.float64) / 32768


def _trimmed(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sound without the silence at its ends."""
    heard = np.flatnonzero(np.abs(sound) > SILENCE_AMPLITUDE)
    return sound[heard[0] : heard[-1] + 1]
