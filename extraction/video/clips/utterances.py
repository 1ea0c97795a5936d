"""The faces of a corpus' utterances as clips whose class is the emotion.

The extractor has found whose face it is and has kept the crops (crops.py); its store says which rows have
any. An epoch trains on a stretch of successive keyframes of every training utterance; the dev utterances are
looked at whole, as the extractor will. Rows of the test split are never looked at.

A network that is tuned so has seen the labels of the rows that it trains on: vectors of these look surer than
those of new ones. Without a fold of the dialogues (`without`) another is tuned, to read that fold
(extraction/video/folds.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from extraction.video.clips.labelled import ClipsError, FaceClip, ScoreName
from extraction.video.faces.crops import crop_folder
from summer.corpus import LabelSet, Split, Utterance
from summer.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """The face of a labelled utterance; None where none was found."""

    utterance: Utterance
    clip: FaceClip | None


@dataclass(frozen=True, kw_only=True)  # without slots: the clips are listed once
class Utterances:
    """Clips of utterances, to tune on.

    Args:
        classes: labels, in their official order.
        faces: of the labelled rows of train and dev, in corpus order.
        extractor: fingerprint of what found them.

    Raises:
        ClipsError: no training or no dev row with a face.
    """

    classes: Sequence[str]
    faces: Sequence[Face]
    extractor: str
    score: ScoreName = "weighted F1"

    @classmethod
    def of_store(cls, store: Path, crops: Path, labels: LabelSet) -> Utterances:
        """The utterances of a store whose crops were kept.

        Args:
            store: of the extractor.
            crops: the folder that it kept crops in.

        Raises:
            ClipsError: as the class, or crops that are gone.
            StoreError: the store cannot be read.
        """
        with FeatureStore(store) as opened:
            rows, fingerprint = opened.rows, opened.header.fingerprint
        faces = []
        for utterance, usable in zip(rows.utterances, rows.usable, strict=True):
            if utterance.split is Split.TEST or not utterance.label:
                continue
            clip = None
            if usable:
                found = _crops_in(crop_folder(crops, utterance.id), store)
                clip = FaceClip(crops=found, label=labels.index(utterance.label))
            faces.append(Face(utterance=utterance, clip=clip))
        return cls(classes=labels.names, faces=faces, extractor=fingerprint)

    def __post_init__(self) -> None:
        for split, clips, use in (
            ("train", self.training, "to train on"),
            ("dev", self.dev, "to choose the epoch by"),
        ):
            if not clips:
                raise ClipsError(
                    f"0 {split} utterances have a label and a face, and tuning needs some {use}; see "
                    "summer-data check, or use the network as it is"
                )

    def without(self, dialogues: Collection[str]) -> Utterances:
        """All but the training utterances of some dialogues.

        Raises:
            ClipsError: no training row with a face is left.
        """
        kept = [
            face
            for face in self.faces
            if face.utterance.split is not Split.TRAIN or face.utterance.dialogue not in dialogues
        ]
        return replace(self, faces=kept)

    @property
    def training(self) -> Sequence[tuple[Utterance, FaceClip]]:
        """The utterances that are trained on, and their clips."""
        return self._with_faces[Split.TRAIN]

    @property
    def dev(self) -> Sequence[FaceClip]:
        """The clips that choose the epoch."""
        return [clip for _, clip in self._with_faces[Split.DEV]]

    @cached_property
    def _with_faces(self) -> Mapping[Split, Sequence[tuple[Utterance, FaceClip]]]:
        found = [(face.utterance, face.clip) for face in self.faces if face.clip is not None]
        return {
            split: [(utterance, clip) for utterance, clip in found if utterance.split is split]
            for split in (Split.TRAIN, Split.DEV)
        }

    @property
    def content(self) -> Any:
        """Who found the faces, and of each utterance its id, its label and the names of its crops."""
        told = [
            [face.utterance.id, face.utterance.label, [path.name for path in face.clip.crops]]
            for face in self.faces
            if face.clip is not None
        ]
        return [self.extractor, *told]

    @property
    def counts(self) -> Mapping[str, int]:
        """What there is to train on and to choose the epoch by."""
        return {
            "training utterances": len(self.training),
            "dev utterances": len(self.dev),
            "training and dev utterances without a face": sum(face.clip is None for face in self.faces),
        }

    def of_epoch(self, random: np.random.Generator, *, frames: int) -> list[FaceClip]:
        """A stretch of every training utterance, half of them mirrored."""
        clips = []
        for _, clip in self.training:
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
