"""A store of video whose rows need no clip, and crops of one colour per candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from extraction.video.faces.crops import crop_folder
from summer.corpus import Modality, Split, Status, Utterance
from summer.store import Header, Rows, new_store

RED, BLUE, GREEN = (220, 0, 0), (0, 0, 220), (0, 220, 0)
NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row as a test wants it: faces by the colours of its candidates, the chosen one counted from 1."""

    name: str
    speaker: str = "Ann"
    text: str = "So it is."
    label: str = "joy"
    status: Status = Status.OK
    reason: str = ""
    how: str = "only face"
    faces: int = 6
    candidates: Sequence[tuple[int, int, int]] = (RED,)
    candidate: int = 1
    talking: tuple[float, float] = (NAN, NAN)
    identity: tuple[float, float] = (NAN, NAN)


def write_faces(folder: Path, rows: Sequence[Row], *, by_speaker: bool, crops: bool = True) -> Path:
    """Write `folder`/video.h5, and crops beside it as an extractor of the rule would keep them."""
    utterances = [
        Utterance(
            id=row.name,
            split=Split.TRAIN,
            dialogue="0",
            turn=turn,
            speaker=row.speaker,
            text=row.text,
            label=row.label,
        )
        for turn, row in enumerate(rows)
    ]
    ok = [row.status is Status.OK for row in rows]
    columns: dict[str, list[int | float | str]] = {
        "keyframes": [8] * len(rows),
        "faces": [row.faces * good for row, good in zip(rows, ok, strict=True)],
        "face_share": [row.faces / 8 * good for row, good in zip(rows, ok, strict=True)],
        "talking_score": [row.talking[0] for row in rows],
        "talking_margin": [row.talking[1] for row in rows],
        "face_choice": [row.how * good for row, good in zip(rows, ok, strict=True)],
    }
    if by_speaker:
        columns |= {
            "identity_distance": [row.identity[0] for row in rows],
            "identity_margin": [row.identity[1] for row in rows],
            "candidate": [row.candidate * good for row, good in zip(rows, ok, strict=True)],
        }
    header = Header(
        corpus="made-up",
        protocol="none",
        modality=Modality.VIDEO,
        labels=("joy",),
        dim=2,
        fingerprint="f" * 64,
        corpus_digest="d" * 64,
        complete=True,
    )
    told = Rows(
        utterances=utterances,
        statuses=[row.status for row in rows],
        reasons=[row.reason for row in rows],
        columns=columns,
    )
    with new_store(folder / "video.h5", header, told) as writer:
        writer.write_raw(0, np.zeros((len(rows), 2), np.float32))
    for row in rows if crops else ():
        _write_crops(folder / "crops", row, by_speaker=by_speaker)
    return folder / "video.h5"


def _write_crops(folder: Path, row: Row, *, by_speaker: bool) -> None:
    if row.status not in (Status.OK, Status.SPEAKER_ABSENT):
        return
    place = crop_folder(folder, row.name)
    for number, colour in enumerate(row.candidates, start=1):
        inside = place / str(number) if by_speaker else place
        inside.mkdir(parents=True, exist_ok=True)
        for frame in range(row.faces):
            picture = np.full((160, 160, 3), colour[::-1], dtype=np.uint8)
            cv2.imwrite(str(inside / f"{frame * 10:06d}.png"), picture)
