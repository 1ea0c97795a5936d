"""What it costs to ask who talks and who that is, in processor seconds of one process with one thread.

Clips with two people side by side and the same people each alone, of ../shared/media (else the demo corpus'
clips); each clip is extracted by every rule, after one that warms up. `motion` is talking without LR-ASD's
weights. The second look of `speaker` is timed on as many rows as MELD has, with 1.8 candidates each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from extraction.extractor import Clip
from extraction.video.by_speaker import EMBEDDING_DIM, BySpeaker
from extraction.video.extractor import LFNet3D
from extraction.video.faces.identity import Faces, learn, recognise
from extraction.weights import Weights, WeightsUnavailable, active_speaker, vggface2
from tests.bench.alone import alone
from tests.extraction.video.conftest import clip
from tests.extraction.video.faces.side_by_side import talking_pairs
from tests.places import DEMO, SHARED

PAIRS = 6
ROWS, CANDIDATES, NAMES = 13_708, 24_674, 300
PUBLISHED = SHARED / "weights" / "lr_asd" / "finetuning_TalkSet.model"


def run() -> dict[str, float]:
    """Seconds a clip by rule, with two faces and with one; seconds of the second look."""
    with tempfile.TemporaryDirectory() as folder:
        two, one = _clips(Path(folder))
        return alone(_seconds, "two_faces", two) | alone(_seconds, "one_face", one) | alone(_second_look)


def _clips(folder: Path) -> tuple[list[Path], list[Path]]:
    media = SHARED / "media"
    if not media.is_dir():
        train = DEMO / "train_splits"
        return [train / "dia2_utt4.mp4"], [train / "dia0_utt0.mp4"]
    pairs = [pair.path for pair in islice(talking_pairs(media, folder), PAIRS)]
    return pairs, sorted(media.glob("crema_d/*.flv"))


def _seconds(name: str, paths: Sequence[Path]) -> dict[str, float]:
    torch.set_num_threads(1)
    clips = [clip(path, audio=path) for path in paths]
    seconds = {rule: _timed(extractor, clips) for rule, extractor in _extractors().items()}
    return {f"{name}_{rule}_seconds_a_clip": value / len(clips) for rule, value in seconds.items()}


def _extractors() -> dict[str, LFNet3D]:
    network, speaking = vggface2(), _speaking()
    rules = {
        "largest": LFNet3D(weights=network, face_choice="largest"),
        "motion": LFNet3D(weights=network),
        "speaker": BySpeaker(weights=network, speaking=speaking),
    }
    return rules if speaking is None else {**rules, "lr_asd": LFNet3D(weights=network, speaking=speaking)}


def _speaking() -> Weights | None:
    try:
        return active_speaker(PUBLISHED if PUBLISHED.is_file() else None)
    except WeightsUnavailable:
        return None


def _timed(extractor: LFNet3D, clips: Sequence[Clip]) -> float:
    extractor(clips[:1])
    start = time.process_time()
    extractor(clips)
    return time.process_time() - start


def _second_look() -> dict[str, float]:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    embeddings = random.standard_normal((CANDIDATES, EMBEDDING_DIM)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    rows = np.sort(random.integers(ROWS, size=CANDIDATES))
    people = np.minimum(random.zipf(1.3, size=ROWS), NAMES)  # a few speak often, most seldom
    of_person = embeddings[:NAMES][people[rows] - 1]
    near = (of_person + 0.02 * embeddings).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    faces = Faces(clip=rows, embeddings=near, talking=random.random(CANDIDATES))
    names = [f"name {person}" for person in people]
    start = time.process_time()
    known, weights = learn(faces, names), faces.weights()
    for row in np.unique(rows):
        person = known.get(names[row])
        if person is not None:
            own = slice(*np.searchsorted(rows, [row, row + 1]).tolist())
            recognise(person, near[own], weights[own])
    return {"second_look_seconds": time.process_time() - start, "second_look_names_known": float(len(known))}


if __name__ == "__main__":
    print(run())
