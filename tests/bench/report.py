"""A report of MELD's size: what it takes to write, how large it is, and how soon a browser shows it.

Three modalities of the paper's widths, kept crops, two models and three seeds. Words, speakers and times are
MELD's where its annotations are at hand.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

from extraction.video.faces.crops import crop_folder
from pipelines.report.command import app
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split, Status, Utterance
from summer.durable import write_aside
from summer.evaluation.predictions import Predictions, write_predictions
from summer.evaluation.scores import results
from summer.store import Header, Rows, new_store
from tests.bench.meld_sized import MELD, PAPER_DIMS, generated, meld_lengths
from tests.browser.chromium import CHROMIUM, opened
from tests.browser.looks import wait_until

LABELS = LabelSet(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
SHARES = (0.47, 0.12, 0.03, 0.07, 0.18, 0.03, 0.10)  # of MELD's utterances
SEEDS, EPOCHS, FAILING, PICTURES = 3, 60, 0.03, 50
SECONDS_TO_DRAW = 20.0


def run() -> dict[str, float]:
    """Write the report, open it in Chromium where there is one; bytes in MB, times in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        stores, made = made_things(place)
        started = time.monotonic()
        written = CliRunner().invoke(app, [str(stores), str(made), "--out", str(place / "report.html")])
        took = time.monotonic() - started
        assert written.exit_code == 0, written.output
        size = (place / "report.html").stat().st_size / 1e6
        figures = {"MELD-sized report, MB": size, "MELD-sized report, seconds to write": took}
        return figures | (painted(place / "report.html") if CHROMIUM else {})


def painted(page: Path) -> dict[str, float]:
    """When a browser has painted anything of a page, and when the first conversations stand in it."""
    script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    with opened(page) as tab:
        tab.wait_for_selector(".conversations article", timeout=1000 * SECONDS_TO_DRAW)
        drawn = tab.evaluate("performance.now()")
        wait_until(tab, script)
        first = tab.evaluate(script)
    return {"first paint, seconds": first / 1000, "conversations drawn, seconds, at most": drawn / 1000}


def made_things(place: Path) -> tuple[Path, Path]:
    """A folder of stores and a run of them."""
    random = np.random.default_rng(0)
    conversations = generated(meld_lengths(), PAPER_DIMS)
    utterances = tuple(dressed(conversations.utterances, random))
    conversations = replace(conversations, utterances=utterances, labels=LABELS)
    for modality in Modality:
        write_one(place / "stores", conversations, modality, random)
    keep_faces(place / "stores" / "crops", utterances, random)
    write_run(place / "run", utterances, random)
    return place / "stores", place / "run"


def dressed(utterances: tuple[Utterance, ...], random: np.random.Generator) -> Iterator[Utterance]:
    """The same with words, speakers, labels and times."""
    rows = [row for split in Split for row in annotated(split)] if MELD.is_dir() else []
    for place, one in enumerate(utterances):
        start = 3.0 * one.turn
        words, speaker = f"{'word ' * random.integers(1, 16)}.", one.speaker
        if place < len(rows):
            words, speaker = rows[place]["Utterance"], rows[place]["Speaker"]
        label = LABELS.names[random.choice(len(SHARES), p=SHARES)]
        yield replace(
            one, text=words, speaker=speaker, label=label, start_seconds=start, end_seconds=start + 2.8
        )


def annotated(split: Split) -> list[dict[str, str]]:
    with (MELD / f"{split.value}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_one(
    folder: Path, conversations: Conversations, modality: Modality, random: np.random.Generator
) -> None:
    """One store; some rows fail, and some that are ok have a remark."""
    count, vectors = len(conversations.utterances), conversations.features[modality].vectors
    failing = random.random(count) < FAILING
    vectors[failing] = 0
    columns = {
        Modality.TEXT: {"tokens": random.integers(3, 40, count).tolist()},
        Modality.AUDIO: {
            "duration_seconds": random.gamma(3, 1, count).tolist(),
            "peak_dbfs": (-random.gamma(3, 2, count)).tolist(),
        },
        Modality.VIDEO: {
            "keyframes": random.integers(3, 40, count).tolist(),
            "confidence": random.random(count).tolist(),
            "face_share": random.random(count).tolist(),
        },
    }[modality]
    rows = Rows(
        utterances=conversations.utterances,
        statuses=[Status.MISSING if bad else Status.OK for bad in failing],
        reasons=[
            f"no file dia{k}_utt0.mp4" if bad else f"{k} s, annotated are 3 s" if k % 20 == 0 else ""
            for k, bad in enumerate(failing)
        ],
        columns=columns,
    )
    header = Header(
        corpus=conversations.corpus,
        protocol=conversations.protocol,
        modality=modality,
        labels=LABELS.names,
        dim=vectors.shape[1],
        fingerprint="f" * 64,
        corpus_digest="d" * 64,
        complete=True,
    )
    with new_store(folder / f"{modality.value}.h5", header, rows) as writer:
        writer.write_raw(0, vectors)


def keep_faces(crops: Path, utterances: tuple[Utterance, ...], random: np.random.Generator) -> None:
    """Three crops of each utterance of test and dev: blurred colours, about as hard to pack as faces."""
    pictures = []
    for _ in range(PICTURES):
        rough = random.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        smooth = cv2.resize(rough, (160, 160), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        noisy = (smooth + random.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
        pictures.append(cv2.imencode(".png", noisy)[1].tobytes())
    for number, one in enumerate(utterances):
        if one.split is not Split.TRAIN:
            folder = crop_folder(crops, one.id)
            folder.mkdir(parents=True)
            for frame in range(3):
                (folder / f"{frame:06d}.png").write_bytes(pictures[(number + frame) % PICTURES])


def write_run(folder: Path, utterances: tuple[Utterance, ...], random: np.random.Generator) -> None:
    """Predictions, results and histories as summer-train leaves them."""
    found = [
        predicted(utterances, random, model=model, seed=seed, split=split)
        for seed in range(SEEDS)
        for split in (Split.DEV, Split.TEST)
        for model in ("teacher", "student")
    ]
    write_predictions(folder / "predictions.csv", found, LABELS)
    summary = {"corpus": "meld-sized", "protocol": "none", "selected_on": "dev", **results(found, LABELS)}
    write_aside(folder / "results.json", json.dumps(summary).encode())
    for seed in range(SEEDS):
        for model in ("teacher", "student"):
            epochs = [epoch(number, random) for number in range(1, EPOCHS + 1)]
            write_aside(folder / f"seed{seed}" / f"{model}-history.json", json.dumps(epochs).encode())


def predicted(
    utterances: tuple[Utterance, ...], random: np.random.Generator, *, model: str, seed: int, split: Split
) -> Predictions:
    rows = [one for one in utterances if one.split is split]
    return Predictions(
        model=model,
        seed=seed,
        split=split,
        ids=tuple(one.id for one in rows),
        dialogues=tuple(one.dialogue for one in rows),
        truths=np.array([LABELS.index(one.label) for one in rows], dtype=np.int64),
        probabilities=random.dirichlet(np.full(len(LABELS), 0.4), len(rows)).astype(np.float32),
    )


def epoch(number: int, random: np.random.Generator) -> dict[str, object]:
    terms = ("truth", "unimodal", "distilled", "features", "total")
    pairs = [f"{a} from {b}" for a in Modality for b in Modality if a is not b]
    return {
        "epoch": number,
        "losses": {term: float(random.random() / number) for term in terms},
        "learning_rate": 1e-4,
        "selected_on": "dev",
        "loss": float(random.random()),
        "w_f1": float(random.random()),
        "drawn": {
            "modality_weights": {m.value: float(random.random()) for m in Modality},
            "kept_experts": {m.value: float(random.random()) for m in Modality},
        },
        "inside": {
            "tau": {m.value: float(random.random()) for m in Modality},
            "phi": {pair: float(random.random()) for pair in pairs},
            "masked": {pair: float(random.random()) for pair in pairs},
            "gradients": {term: float(random.random()) for term in terms},
        },
    }


if __name__ == "__main__":
    for name, value in run().items():
        sys.stdout.write(f"{name}: {value:.3g}\n")
