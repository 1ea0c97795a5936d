"""How well speakers are told apart: `python -m tests.measure_speakers`. Prints what docs/predict.md says.

Voices of the demo corpus (of one synthesiser, so that all sound through one channel), a recording being a
dialogue, and each split as a whole; real ones of $SUMMER_SHARED, which are few and each of a file of its own.
Beside the encoder stand the median pitch and the 6373 numbers of openSMILE, standardised over the recording.
The threshold of each is the widest that is within 0.01 of the best on the training dialogues.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from extraction.extractor import MediaSpan
from extraction.functionals import functionals
from extraction.media import MediaError, read_pcm
from extraction.speakers import load_voice_encoder, voice_vector
from extraction.weights.voice import voice_model
from tests.places import DEMO, SHARED

SPLITS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
PITCH = slice(60, 400)  # Hz
STRETCH_SECONDS = 2.5
FILMS = ("short_hamilton_clip", "pyfeat_WolfgangLanger_Pexels", "pyfeat_single_face", "facenet_video")
Recordings = Mapping[str, Sequence[tuple[str, NDArray[np.float32]]]]


def main() -> None:
    """Print a table."""
    demo = {split: demo_recordings(split) for split in SPLITS}
    measured = {**demo["dev"], **demo["test"]}
    sets: dict[str, Recordings] = {"train dialogues": demo["train"], "dev and test dialogues": measured}
    sets["dev, and test, as one recording each"] = {
        split: [one for talk in demo[split].values() for one in talk] for split in ("dev", "test")
    }
    sets["real, together"] = {"real": list(real_stretches())}
    for name, vectors in (("voice", voices), ("openSMILE", smile), ("pitch", pitches)):
        known = {title: {k: vectors(talk) for k, talk in talks.items()} for title, talks in sets.items()}
        found = {t: score(sets["train dialogues"], known["train dialogues"], t) for t in thresholds(name)}
        near = [t for t in found if found[t] > max(found.values()) - 0.01]
        best = max(near)
        print(f"{name}: threshold {best:.2f}; as good: from {min(near):.2f}")
        for title, talks in sets.items():
            lines = sum(len(talk) for talk in talks.values())
            chance = score(talks, {k: np.zeros((len(v), len(v))) for k, v in talks.items()}, 1.0)
            told = score(talks, known[title], best)
            print(f"  {title}: pairwise F1 {told:.2f}, one speaker for all {chance:.2f}, {lines} lines")


def thresholds(name: str) -> NDArray[np.float64]:
    top = {"voice": 0.8, "openSMILE": 2.0, "pitch": 4.0}[name]
    return np.linspace(top / 40, top, 40)


def demo_recordings(split: str) -> dict[str, list[tuple[str, NDArray[np.float32]]]]:
    talks: dict[str, list[tuple[str, NDArray[np.float32]]]] = {}
    with (DEMO / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.mp4"
            for samples in heard(DEMO / SPLITS[split] / name):
                talks.setdefault(f"{split} {row['Dialogue_ID']}", []).append((row["Speaker"], samples))
    return talks


def real_stretches() -> Iterator[tuple[str, NDArray[np.float32]]]:
    for path in sorted((SHARED / "media" / "crema_d").glob("*.wav")):
        yield from (("1001", samples) for samples in heard(path))
    for name in FILMS:
        for samples in heard(SHARED / "media" / f"{name}.mp4"):
            size = int(STRETCH_SECONDS * 16_000)
            yield from ((name, samples[at : at + size]) for at in range(0, len(samples) - size + 1, size))


def heard(path: Path) -> Iterator[NDArray[np.float32]]:
    try:
        samples = read_pcm(MediaSpan(path=path), sampling_rate=16_000).samples
    except MediaError:  # the demo has broken clips on purpose
        return
    if len(samples) > 8000 and float(np.abs(samples).max()) > 0.001:
        yield samples


def voices(talk: Sequence[tuple[str, NDArray[np.float32]]]) -> NDArray[np.float64]:
    encoder = load_voice_encoder(voice_model())
    found = [voice_vector(encoder, samples) for _, samples in talk]
    stacked = np.stack([vector for vector in found if vector is not None])
    return np.asarray(1 - stacked @ stacked.T, dtype=np.float64)


def smile(talk: Sequence[tuple[str, NDArray[np.float32]]]) -> NDArray[np.float64]:
    table = np.stack([functionals(samples) for _, samples in talk]).astype(np.float64)
    scaled = (table - table.mean(axis=0)) / np.where(table.std(axis=0) > 0, table.std(axis=0), 1)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True).clip(min=1e-9)
    return 1 - unit @ unit.T


def pitches(talk: Sequence[tuple[str, NDArray[np.float32]]]) -> NDArray[np.float64]:
    values = np.log2([pitch(samples) for _, samples in talk])
    return np.abs(values[:, None] - values[None]) * 12 / 3  # in thirds of an octave


def pitch(samples: NDArray[np.float32]) -> float:
    """Median over frames that are loud of where autocorrelation is highest, in Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 800)[::400].astype(np.float64)
    loud = frames[np.square(frames).mean(axis=1) >= np.median(np.square(frames).mean(axis=1))]
    spectra = np.abs(np.fft.rfft(loud - loud.mean(axis=1, keepdims=True), 2048, axis=1)) ** 2
    lags = np.fft.irfft(spectra, axis=1)[:, 16_000 // PITCH.stop : 16_000 // PITCH.start]
    return float(np.median(16_000 / (lags.argmax(axis=1) + 16_000 // PITCH.stop)))


def score(talks: Recordings, distances: Mapping[str, NDArray[np.float64]], threshold: float) -> float:
    """F1 over all pairs of lines of a recording: said to be of one speaker, and of one speaker."""
    hits = said = true = 0
    for name, talk in talks.items():
        if len(talk) < 2:
            continue
        clustering = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=threshold
        )
        groups = clustering.fit_predict(distances[name].clip(min=0))
        for i, j in combinations(range(len(talk)), 2):
            together, same = groups[i] == groups[j], talk[i][0] == talk[j][0]
            hits, said, true = hits + (together and same), said + together, true + same
    return 2 * hits / (said + true)


if __name__ == "__main__":
    main()
