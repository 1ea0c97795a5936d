"""The voice encoder: what is read of an utterance, and that real weights tell two voices apart."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from extraction.extractor import MediaSpan
from extraction.media import read_pcm
from extraction.speakers import VoiceEncoder, load_voice_encoder, voice_vector
from extraction.speakers.spectrum import SAMPLING_RATE, mel_spectra
from extraction.weights import Weights, WeightsUnavailable
from extraction.weights.voice import load_voice, voice_model
from tests.places import DEMO, SHARED

SECOND = SAMPLING_RATE


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    """Of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return VoiceEncoder().eval()


@pytest.fixture(scope="module")
def trained() -> VoiceEncoder:
    try:
        return load_voice_encoder(voice_model())
    except WeightsUnavailable as problem:
        pytest.skip(str(problem))


def noise(seconds: float, *, loudness: float = 0.1) -> NDArray[np.float32]:
    samples = np.random.default_rng(1).normal(0, loudness, int(seconds * SECOND))
    return samples.clip(-0.99, 0.99).astype(np.float32)


def by_hand(encoder: VoiceEncoder, samples: NDArray[np.float32], starts: list[int]) -> NDArray[np.float32]:
    """The mean of windows that begin at these frames."""
    spectra = np.pad(mel_spectra(samples), ((0, 200), (0, 0)))
    windows = torch.from_numpy(np.stack([spectra[start : start + 160] for start in starts]))
    with torch.no_grad():
        _, (hidden, _) = encoder.lstm(windows)
        raw = torch.relu(encoder.linear(hidden[-1]))
    mean = (raw / raw.norm(dim=1, keepdim=True)).mean(dim=0)
    return (mean / mean.norm()).numpy()


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [(0.5, [0]), (1.6, [0]), (2.0, [0, 77]), (2.5, [0, 77]), (3.2, [0, 77, 154])],
)
def test_windows_of_1_6_s_are_read_every_0_77_s(
    encoder: VoiceEncoder, seconds: float, starts: list[int]
) -> None:
    samples = noise(seconds)
    found = voice_vector(encoder, samples)
    assert found is not None
    np.testing.assert_allclose(found, by_hand(encoder, samples, starts), atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_quiet_sound_is_made_louder_and_loud_sound_is_left(encoder: VoiceEncoder) -> None:
    quiet, loud = noise(1.0, loudness=0.005), noise(1.0, loudness=0.2)
    found = voice_vector(encoder, quiet)
    brought = quiet * (10 ** (-30 / 20) / np.sqrt(np.mean(quiet.astype(np.float64) ** 2)))
    np.testing.assert_allclose(found, by_hand(encoder, brought.astype(np.float32), [0]), atol=1e-5)
    np.testing.assert_allclose(voice_vector(encoder, loud), by_hand(encoder, loud, [0]), atol=1e-5)


def test_silence_and_what_is_too_short_have_no_voice(encoder: VoiceEncoder) -> None:
    assert voice_vector(encoder, np.zeros(2 * SECOND, dtype=np.float32)) is None
    assert voice_vector(encoder, noise(0.3)) is None
    assert voice_vector(encoder, np.zeros(0, dtype=np.float32)) is None


def test_weights_of_another_network_are_refused(tmp_path, encoder: VoiceEncoder) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"linear.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsUnavailable, match="give the weights of the voice encoder"):
        load_voice(Weights(path=path, sha256="", source="given"), encoder)
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsUnavailable, match="cannot be read as weights"):
        load_voice(Weights(path=path, sha256="", source="given"), encoder)


@pytest.mark.weights
def test_lines_of_one_made_up_voice_are_more_alike_than_those_of_two(trained: VoiceEncoder) -> None:
    with (DEMO / "train_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] in ("0", "1")]
    found: list[tuple[str, NDArray[np.float32]]] = []
    for row in rows:
        path = DEMO / "train_splits" / f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.mp4"
        samples = read_pcm(MediaSpan(path=path), sampling_rate=SECOND).samples
        vector = voice_vector(trained, samples)
        assert vector is not None
        found.append((row["Speaker"], vector))
    pairs = [(a == b, float(v @ w)) for k, (a, v) in enumerate(found) for b, w in found[:k]]
    same, other = ([likeness for is_same, likeness in pairs if is_same is kind] for kind in (True, False))
    assert np.mean(same) > np.mean(other) + 0.1


@pytest.mark.weights
@pytest.mark.real
def test_six_emotions_of_one_real_voice_are_alike_and_unlike_another(trained: VoiceEncoder) -> None:
    clips = sorted((SHARED / "media" / "crema_d").glob("*.wav"))
    song = SHARED / "media" / "short_hamilton_clip.mp4"
    if not clips or not song.is_file():
        pytest.skip(f"{SHARED} has no clips of CREMA-D and no {song.name}")
    voices = [
        voice_vector(trained, read_pcm(MediaSpan(path=path), sampling_rate=SECOND).samples) for path in clips
    ]
    other = voice_vector(trained, read_pcm(MediaSpan(path=song), sampling_rate=SECOND).samples)
    assert all(voice is not None for voice in voices)
    likeness = np.stack(voices) @ np.stack(voices).T  # type: ignore[arg-type]
    assert likeness.min() > 0.55
    assert max(float(voice @ other) for voice in voices) < likeness.min()  # type: ignore[operator]
