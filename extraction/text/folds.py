"""Out-of-fold vectors: training rows are read by encoders that were not tuned on them.

Paper: 4.3 tunes RoBERTa on the training split and reads that same split with it. Such vectors look far surer
than those of new rows (on MELD the head's weighted F1 is 72 on training rows, 59 on test), and whatever is
trained on them learns to trust them too much. So the training dialogues are dealt into K folds, an encoder is
tuned on all folds but one, and reads that one. Dev, test and new rows are seen by none of the K: they get the
mean of what all K read, or are read by one more encoder, tuned on all.

Vectors of different encoders do not share axes. Those of fold k become, with Q orthogonal,

    x' = (x - m_k) Q + m + W^+ (l - W ((x - m_k) Q + m) - b)

in the axes of the reference, which is the encoder tuned on all where there is one, else that of the first
fold. Q and the means m_k, m fit both encoders' vectors of rows that both were tuned on (`summer.folds`, which
also deals the folds; dev and test take no part); W, b are the reference's head, l the logits that the fold's
own head gives x: the last term moves x' no farther than needed for W x' + b = l, so that the one head in the
store gives every row's out-of-fold logits, and the mean of x' over the folds the mean of their logits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from extraction.extractor import Clip, Outcome, fingerprint_of
from extraction.folds import dialogues_to_align_by, fold_of_clip, with_logits
from extraction.text.described import TextModelError
from extraction.text.encoder import RobertaText
from summer.corpus import Modality, Split
from summer.folds import Alignment, procrustes
from summer.store import EncoderHead


def without_fold(clips: Sequence[Clip], fold_of: Mapping[str, int], fold: int) -> list[Clip]:
    """The clips but those of a fold's training dialogues."""
    return [clip for clip in clips if fold_of_clip(clip, fold_of) != fold]


def fit_alignment(fold: RobertaText, reference: RobertaText, clips: Sequence[Clip]) -> Alignment:
    """Fit the rotation on training clips that both encoders were tuned on.

    Args:
        clips: that both were tuned on; evenly spaced dialogues of the training split serve.
    """
    training = [clip for clip in clips if clip.utterance.split is Split.TRAIN]
    kept = dialogues_to_align_by([clip.dialogue.name for clip in training])
    chosen = [clip for clip in training if clip.dialogue.name in kept]
    pairs = [
        (own.vector, other.vector)
        for own, other in zip(fold(chosen), reference(chosen), strict=True)
        if own.vector is not None and other.vector is not None
    ]
    of_fold, of_reference = (np.stack(vectors) for vectors in zip(*pairs, strict=True))
    return procrustes(of_fold, of_reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """An encoder that was tuned without a fold, and the way to the axes of the reference.

    Args:
        alignment: None of the reference itself.
    """

    encoder: RobertaText
    alignment: Alignment | None


class OutOfFoldText:
    """Text extractor that reads each clip with encoders that have not seen it.

    Args:
        folds: by number.
        fold_of: fold of each training dialogue.
        whole: tuned on the whole training split, to read all else; None: all else gets the mean of the folds.

    Raises:
        TextModelError: a tuned encoder without its head.
    """

    modality = Modality.TEXT

    def __init__(
        self, *, folds: Sequence[Fold], fold_of: Mapping[str, int], whole: RobertaText | None = None
    ) -> None:
        self.whole = whole
        self.folds = folds
        self.block_rows = RobertaText.block_rows * len(folds)  # each block may have to load every encoder
        self.fold_of = fold_of
        reference = folds[0].encoder if whole is None else whole
        self.dim = reference.dim
        self.columns: Mapping[str, str] = {**reference.columns, "fold": "int"}
        self.settings: Mapping[str, str] = {
            **reference.settings,
            "folds": str(len(folds)),
            **({"new_rows": "mean"} if whole is None else {}),
            **{f"fold_{number}": _description(fold) for number, fold in enumerate(folds, start=1)},
        }
        self.fingerprint = fingerprint_of(self.settings)
        self.assets: Mapping[str, str] = (
            whole.assets
            if whole is not None
            else {f"encoder_{k}": fold.encoder.assets["encoder"] for k, fold in enumerate(folds, start=1)}
        )
        self.head = _head_of(reference)
        self._heads = [_head_of(fold.encoder) for fold in folds]

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order; column `fold` counts from 1, 0 for clips that no fold has seen."""
        outcomes: dict[int, Outcome] = {}
        folds = [fold_of_clip(clip, self.fold_of) for clip in clips]
        for fold in dict.fromkeys(folds):
            rows = [row for row, of in enumerate(folds) if of == fold]
            chosen = [clips[row] for row in rows]
            read = self._read_new(chosen) if fold is None else self._read(fold, chosen)
            outcomes |= zip(rows, read, strict=True)
        return [outcomes[row] for row in range(len(clips))]

    @property
    def learned_settings(self) -> Collection[str]:
        """All that says which encoders there are."""
        return ("weights", "tuned_on", *(f"fold_{number}" for number in range(1, len(self.folds) + 1)))

    def reads(self, clip: Clip) -> Sequence[object]:
        """Words and speakers in reach, and by which encoder they are read."""
        fold = fold_of_clip(clip, self.fold_of)
        return (-1 if fold is None else fold, *self.folds[0].encoder.reads(clip))  # -1: as in stores of old

    def _read_new(self, clips: Sequence[Clip]) -> list[Outcome]:
        if self.whole is not None:
            return list(self.whole(clips))
        readings = [self._read(fold, clips) for fold in range(len(self.folds))]
        return [_mean(of_clip) for of_clip in zip(*readings, strict=True)]

    def _read(self, fold: int, clips: Sequence[Clip]) -> list[Outcome]:
        """What a fold's encoder reads, in the axes of the reference."""
        read = self.folds[fold].encoder(clips)
        found = [outcome.vector for outcome in read if outcome.vector is not None]
        moved = iter(self._moved(fold, np.stack(found)) if found else ())
        return [
            outcome
            if outcome.vector is None
            else replace(outcome, vector=next(moved), columns={**outcome.columns, "fold": fold + 1})
            for outcome in read
        ]

    def _moved(self, fold: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        align = self.folds[fold].alignment
        if align is None:
            return vectors
        return with_logits(align(vectors), self._heads[fold].logits(vectors), self.head)


def _mean(readings: Sequence[Outcome]) -> Outcome:
    """What all encoders make of a clip; whether it has words they cannot disagree about."""
    vectors = [reading.vector for reading in readings if reading.vector is not None]
    if not vectors:
        return readings[0]
    mean: NDArray[np.float32] = np.mean(np.stack(vectors), axis=0, dtype=np.float32)
    return replace(readings[0], vector=mean, columns={**readings[0].columns, "fold": 0})


def _description(fold: Fold) -> str:
    weights = fold.encoder.settings["weights"]
    if fold.alignment is None:
        return f"{weights}, the reference"
    return f"{weights}, aligned by {fold.alignment.sha256}"


def _head_of(encoder: RobertaText) -> EncoderHead:
    if encoder.head is None:
        raise TextModelError(
            f"{encoder.weights.path} has no head for its vectors; delete the folder and tune again"
        )
    return encoder.head
