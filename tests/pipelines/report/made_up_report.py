"""Stores with words, faces and failures, and a run of them: all that a report can show, on a small scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from extraction.video.faces.crops import keep_crops
from summer.conversations.reading import Conversations
from summer.corpus import Modality, Status
from summer.runs.experiment import train
from summer.store import Header, Rows, new_store
from tests.summer.made_up_training import LENGTHS, SETTINGS, made_learnable, with_training
from tests.summer.report.conversation.made_up_talk import EVIL

HOLES = {Modality.VIDEO: (1, 6), Modality.AUDIO: (0,)}
REASON = f"no face in 12 keyframes {EVIL}"


class Seen:
    """A crop of one colour."""

    def __init__(self, index: int, shade: int) -> None:
        self.index = index
        self.crop = np.full((160, 160, 3), shade, dtype=np.uint8)


def made_corpus() -> Conversations:
    """Learnable conversations of three modalities; words and names hold HTML."""
    made = made_learnable(LENGTHS, modalities=tuple(Modality), holes=HOLES)
    utterances = tuple(
        replace(
            one,
            text=f"line {number} {EVIL}" if number % 5 == 0 else f"line {number}, plainly",
            speaker=f"{one.speaker}{EVIL if one.speaker == 'speaker1' else ''}",
            start_seconds=3.0 * one.turn,
            end_seconds=3.0 * one.turn + 2.5,
        )
        for number, one in enumerate(made.utterances)
    )
    return replace(made, utterances=utterances)


def made_stores(folder: Path, conversations: Conversations | None = None, **changes: Any) -> Path:
    """A folder of stores, crops of the faces beside them; `changes` are fields of the headers."""
    made = conversations or made_corpus()
    for modality in made.features:
        _write(folder / f"{modality.value}.h5", made, modality, changes)
    for number, one in enumerate(made.utterances):
        if made.features[Modality.VIDEO].usable[number]:
            keep_crops(folder / "crops", one.id, [Seen(0, 3 * number), Seen(1, 3 * number + 40)])
    return folder


def made_run(folder: Path, stores: Path, **options: Any) -> Path:
    """Two epochs of teacher and student, with the features in the plane."""
    paths = [stores / f"{modality.value}.h5" for modality in Modality]
    settings = with_training(SETTINGS, most_epochs=2)
    train(folder, paths, settings=settings, device="cpu", **{"projection": True, **options})
    return folder


def _write(path: Path, corpus: Conversations, modality: Modality, changes: dict[str, Any]) -> None:
    features, count = corpus.features[modality], len(corpus.utterances)
    fields: dict[str, Any] = {
        "corpus": corpus.corpus,
        "protocol": corpus.protocol,
        "modality": modality,
        "labels": corpus.labels.names,
        "dim": features.dim,
        "fingerprint": features.fingerprint,
        "corpus_digest": "d" * 64,
        "complete": True,
    }
    columns: dict[Modality, dict[str, list[int | float | str]]] = {
        Modality.TEXT: {"tokens": list(range(count))},
        Modality.AUDIO: {
            "duration_seconds": [2.0 + k / 10 for k in range(count)],
            "peak_dbfs": [-0.05 if k == 3 else -6.0 - k / 10 for k in range(count)],
        },
        Modality.VIDEO: {
            "faces": [2] * count,
            "keyframes": [2] * count,
            "face_share": [1.0] * count,
            "confidence": [1.0 - k / 100 for k in range(count)],
            "face_choice": ["only face"] * count,
        },
    }
    failed = Status.NO_FACE if modality is Modality.VIDEO else Status.MISSING
    rows = Rows(
        utterances=corpus.utterances,
        statuses=[Status.OK if usable else failed for usable in features.usable],
        reasons=[
            ("1.5 s, annotated are 3 s" if k == 2 else "") if usable else REASON
            for k, usable in enumerate(features.usable)
        ],
        columns=columns[modality],
        inputs=["i" * 64] * count,
    )
    with new_store(path, Header(**{**fields, **changes}), rows) as writer:
        writer.write_raw(0, features.vectors)
