"""The faces of a corpus' utterances as clips whose class is the emotion.

The extractor has found whose face it is and has kept the crops (crops.py); its store says which rows have
any. An epoch trains on a stretch of successive keyframes of every training utterance; the dev utterances are
looked at whole, as the extractor will. Rows of the test split are never looked at.

A network that is tuned so has seen the labels of the rows that it trains on: vectors of these look surer than
those of new ones (docs/video.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from extraction.video.clips.labelled import ClipsError, FaceClip, ScoreName
from extraction.video.faces.crops import crop_folder
from summer.corpus import LabelSet, Split
from summer.store import FeatureStore


class Utterances:
    """Clips of a store whose crops were kept.

    Args:
        store: of the extractor.
        crops: the folder that it kept crops in.

    Raises:
        ClipsError: no training or no dev row with a face and a label, or crops that are gone.
        StoreError: the store cannot be read.
    """

    score: ScoreName = "weighted F1"

    def __init__(self, store: Path, crops: Path, labels: LabelSet) -> None:
        with FeatureStore(store) as opened:
            rows, fingerprint = opened.rows, opened.header.fingerprint
        self.classes = labels.names
        clips: dict[Split, list[FaceClip]] = {split: [] for split in Split}
        content: list[Any] = [fingerprint]
        without = 0
        for utterance, usable in zip(rows.utterances, rows.usable, strict=True):
            if utterance.split is Split.TEST or not utterance.label:
                continue
            if not usable:
                without += 1
                continue
            place = crop_folder(crops, utterance.id)
            clip = FaceClip(crops=_crops_in(place, store), label=labels.index(utterance.label))
            clips[utterance.split].append(clip)
            content.append([utterance.id, utterance.label, [path.name for path in clip.crops]])
        self._training, self.dev = clips[Split.TRAIN], clips[Split.DEV]
        self._check()
        self.content: Any = content
        self.counts: Mapping[str, int] = {
            "training utterances": len(self._training),
            "dev utterances": len(self.dev),
            "training and dev utterances without a face": without,
        }

    def _check(self) -> None:
        for split, clips, use in (
            ("train", self._training, "to train on"),
            ("dev", self.dev, "to choose the epoch by"),
        ):
            if not clips:
                raise ClipsError(
                    f"0 {split} utterances have a label and a face, and tuning needs some {use}; see "
                    "summer-data check, or use the network as it is"
                )

    def of_epoch(self, random: np.random.Generator, *, frames: int) -> list[FaceClip]:
        """A stretch of every training utterance, half of them mirrored."""
        clips = []
        for clip in self._training:
            start = int(random.integers(0, max(0, len(clip.crops) - frames) + 1))
            clips.append(
                FaceClip(
                    crops=clip.crops[start : start + frames],
                    label=clip.label,
                    mirrored=bool(random.random() < 0.5),
                )
            )
        return [clips[k] for k in random.permutation(len(clips))]


def _crops_in(place: Path, store: Path) -> tuple[Path, ...]:
    crops = tuple(sorted(place.glob("*.png")))
    if not crops:
        raise ClipsError(
            f"{store} has a face of this row and {place} has no crop of it; delete {store.parent} and run "
            "the same command again"
        )
    return crops
