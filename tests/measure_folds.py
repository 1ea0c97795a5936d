"""How much surer a network's own training rows look, in sample and out of fold: the numbers of docs/video.md.

    python -m tests.measure_folds [MEDIA]

MEDIA (default: that of SUMMER_SHARED) holds crema_d: one speaker, one clip for each of six emotions. A
manifest makes a corpus of them: each clip is cut into eight utterances, the k-th of all six are dialogue k;
dialogues 1 to 6 train, 7 and 8 are dev. Labels are the emotions, or drawn anew for each utterance, so that
nothing can be learned but by heart.

For each the face network is tuned by `summer-tune` on all of the training split, and without each of three
folds, and the rows are extracted by `summer-extract`. What is told of the vectors is the share of rows whose
label is right: by the head of the network tuned on all, and by a logistic regression that is fitted on the
training rows; on these with the dialogue that is told left out of the fit.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from extraction.video.network.tuned import load_head
from extraction.weights import Weights
from pipelines.extract.command import ExtractionOrder
from pipelines.extract.run import carry_out as extract
from pipelines.tune.command import TuningOrder
from pipelines.tune.run import carry_out as tune
from summer.corpus import Split
from summer.store import FeatureStore
from tests.places import SHARED

PARTS, DEV_PARTS, FOLDS = 8, 2, 3
TUNING = ("epochs=8", "learning_rate=3e-4", "batch_clips=12", "clip_frames=2")
OPTIONS = ("video.keyframe_every=4", "video.face_choice=largest", "reduction.video.method=none")


def manifest_of(media: Path, folder: Path, *, drawn: bool) -> Path:
    """The clips in parts."""
    random = np.random.default_rng(0)
    paths = sorted((media / "crema_d").glob("*.flv"))
    emotions = [path.stem.split("_")[2] for path in paths]
    folder.mkdir(parents=True)
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        named = ("id", "split", "dialogue", "turn", "speaker", "text", "label", "media")
        writer.writerow([*named, "start_seconds", "end_seconds"])
        for part in range(PARTS):
            split = "train" if part < PARTS - DEV_PARTS else "dev"
            labels = random.permutation(emotions) if drawn else emotions
            for turn, (path, emotion, label) in enumerate(zip(paths, emotions, labels, strict=True)):
                with av.open(path) as opened:
                    seconds = (opened.duration or 0) / av.time_base
                start, end = (round(k * seconds / PARTS, 3) for k in (part, part + 1))
                name = f"{split}/{part + 1}-{emotion}"
                writer.writerow([name, split, part + 1, turn, "1001", "", label, path.resolve(), start, end])
    return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Shares of rows whose label is right."""

    head_train: float
    head_dev: float
    regression_train: float
    regression_dev: float

    def __str__(self) -> str:
        shares = (self.head_train, self.head_dev, self.regression_train, self.regression_dev)
        return " | ".join(f"{share:.0%}" for share in shares)


def tuned(manifest: Path, out: Path, *overrides: str) -> Path:
    """Tune, and find the newest file."""
    keys = (*OPTIONS, *(f"video.tuning.{number}" for number in TUNING), *overrides)
    tune(TuningOrder(dataset=str(manifest), out=out, overrides=keys, device="cpu", workers=0))
    found: Path = max(out.glob("video.*.safetensors"), key=lambda path: path.stat().st_mtime)
    return found


def told(manifest: Path, weights: Path, head: Path, out: Path) -> Told:
    """Extract with the weights, and see what the vectors tell."""
    keys = (*OPTIONS, f"video.weights={weights}")
    order = ExtractionOrder(
        dataset=str(manifest), modality="video", out=out, overrides=keys, device="cpu", workers=0
    )
    assert extract(order) == 0
    with FeatureStore(out / manifest.parent.name / "video.h5") as store:
        rows, vectors, names = store.rows, store.features(), store.header.labels
    labels = np.array([names.index(utterance.label) for utterance in rows.utterances])
    training = np.array([utterance.split is Split.TRAIN for utterance in rows.utterances])
    dialogues = np.array([utterance.dialogue for utterance in rows.utterances])
    assert rows.usable.all()
    guessed = load_head(Weights(path=head, sha256="", source="given")).logits(vectors).argmax(axis=1)
    shares = [float((guessed == labels)[part].mean()) for part in (training, ~training)]
    return Told(
        head_train=shares[0],
        head_dev=shares[1],
        regression_train=left_out(vectors[training], labels[training], dialogues[training]),
        regression_dev=float(
            (regression().fit(vectors[training], labels[training]).predict(vectors) == labels)[
                ~training
            ].mean()
        ),
    )


def regression() -> object:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))


def left_out(vectors: NDArray[np.float32], labels: NDArray[np.int64], dialogues: NDArray[np.str_]) -> float:
    told = cross_val_predict(regression(), vectors, labels, groups=dialogues, cv=LeaveOneGroupOut())
    return float((told == labels).mean())


def lines(media: Path, folder: Path) -> Iterator[str]:
    """The rows of the table of docs/video.md."""
    for kind in ("emotions", "drawn"):
        started = time.process_time()
        manifest = manifest_of(media, folder / kind / "crema_d", drawn=kind == "drawn")
        out = folder / kind / "tuned"
        one = tuned(manifest, out)
        yield f"{time.process_time() - started:.0f} s of a processor for the faces and one network"
        yield f"| {kind}, one network reads all | {told(manifest, one, one, folder / kind / 'one')} |"
        for new_rows in ("whole", "mean"):
            many = tuned(manifest, out, f"video.folds={FOLDS}", f"video.new_rows={new_rows}")
            reference = one if new_rows == "whole" else next(out.glob("video.*.without-fold-1-*"))
            name = f"| {kind}, out of fold, new rows by {new_rows} | "
            yield f"{name}{told(manifest, many, reference, folder / kind / new_rows)} |"
        yield f"{time.process_time() - started:.0f} s of a processor for all of {kind}"


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    media = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "media"
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(media, Path(folder)):
            print(f"## {line}", flush=True)


if __name__ == "__main__":
    main()
