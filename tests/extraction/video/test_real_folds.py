"""Real pictures of one speaker, labels that can be learned by heart only, and both commands."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from extraction.video.network.tuned import load_head
from extraction.weights import Weights, WeightsUnavailable, vggface2
from pipelines.extract.command import app as extract_app
from pipelines.tune.command import app as tune_app
from summer.corpus import Split
from summer.store import FeatureStore

NUMBERS = ("epochs=16", "learning_rate=3e-4", "batch_clips=4", "clip_frames=2")
OPTIONS = (
    *("-o", "video.keyframe_every=16"),
    *("-o", "video.face_choice=largest"),
    *(word for number in NUMBERS for word in ("-o", f"video.tuning.{number}")),
    *("--device", "cpu"),
    *("--workers", "0"),
)


@pytest.fixture(name="manifest")
def _manifest(shared: Path, tmp_path: Path) -> Path:
    """Halves of four clips: a label is drawn for the first, the second has the other one.

    Each half is a dialogue, and so a fold; dev has the same again, so that it chooses what is known by heart.
    """
    paths = sorted((shared / "media" / "crema_d").glob("*.flv"))[:4]
    if not paths:
        pytest.skip(f"{shared} has no media/crema_d")
    drawn = np.random.default_rng(1).permutation([0, 0, 1, 1])
    (tmp_path / "halves").mkdir()
    with (tmp_path / "halves" / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        named = ("id", "split", "dialogue", "turn", "speaker", "text", "label", "media")
        writer.writerow([*named, "start_seconds", "end_seconds"])
        for split in ("train", "dev"):
            for half in (0, 1):
                for turn, (path, label) in enumerate(zip(paths, drawn, strict=True)):
                    with av.open(path) as opened:
                        seconds = (opened.duration or 0) / av.time_base
                    name = [f"{split}/{half}-{path.stem}", split, half, turn, "1001", ""]
                    times = [round(seconds * k / 2, 3) for k in (half, half + 1)]
                    writer.writerow([*name, ("heads", "tails")[label ^ half], path.resolve(), *times])
    return tmp_path / "halves" / "manifest.csv"


def right(manifest: Path, weights: Path, head: Path, out: Path) -> int:
    """How many training rows have their own label, under a head."""
    words = ["--dataset", str(manifest), "--modality", "video", "--out", str(out), *OPTIONS]
    given = [*words, "-o", f"video.weights={weights}", "-o", "reduction.video.method=none"]
    assert CliRunner().invoke(extract_app, given).exit_code == 0
    with FeatureStore(out / "halves" / "video.h5") as store:
        rows, vectors, labels = store.rows, store.features(), store.header.labels
    assert rows.usable.all()
    guessed = load_head(Weights(path=head, sha256="", source="given")).logits(vectors).argmax(axis=1)
    return sum(
        labels[guess] == utterance.label
        for guess, utterance in zip(guessed, rows.utterances, strict=True)
        if utterance.split is Split.TRAIN
    )


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.weights
def test_what_is_known_by_heart_is_told_in_sample_and_not_out_of_fold(manifest: Path, tmp_path: Path) -> None:
    try:
        vggface2()
    except WeightsUnavailable as reason:
        pytest.skip(f"no VGGFace2 weights: {reason}")
    out = tmp_path / "tuned"
    words = ["--dataset", str(manifest), "--out", str(out), *OPTIONS, "-o", "video.folds=2"]
    result = CliRunner().invoke(tune_app, words)
    assert result.exit_code == 0, result.output
    [folds], [one] = (list(out.glob(f"video.halves{kind}*.safetensors")) for kind in (".2-folds-", "-"))
    in_sample = right(manifest, one, one, tmp_path / "in sample")
    out_of_fold = right(manifest, folds, one, tmp_path / "out of fold")
    assert in_sample == 8
    assert out_of_fold <= 3  # who has seen the other half of a clip says the other label
