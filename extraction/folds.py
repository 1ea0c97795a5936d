"""Reading out of fold, as text and faces have it: how clips are dealt, and what a head shall say of vectors.

Each training row is read by a network that was tuned without its dialogue; dev, test and new rows are read by
the "mean" of all these networks, or by one more, tuned on the "whole" training split. `summer.folds` deals
the dialogues and rotates the vectors x of fold k to common axes, x'; there

    x'' = x' + W^+ (l - W x' - b)

W, b are the head of the network whose axes they are, l the logits that the fold's own head gives x: the
vector moves no farther than needed for W x'' + b = l.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from extraction.extractor import Clip
from summer.corpus import Split
from summer.folds import folds_of
from summer.store import EncoderHead

NewRows = Literal["whole", "mean"]
FEWEST_FOLDS_TO_AVERAGE = 3
ROWS_TO_ALIGN_BY = 2048


def deal(clips: Sequence[Clip], folds: int, new_rows: NewRows, *, table: str) -> dict[str, int]:
    """The fold, from 0, of each training dialogue of a corpus, by its name.

    Args:
        table: of the recipe, where `folds` and `new_rows` were asked for.

    Raises:
        ValueError: fewer than two folds, or than three to average; fewer training dialogues than folds.
    """
    fold_of = folds_of((clip.dialogue for clip in clips), folds, option=f"{table}.folds")
    if new_rows == "mean" and folds < FEWEST_FOLDS_TO_AVERAGE:
        raise ValueError(
            f"{table}.folds = {folds} with {table}.new_rows 'mean': two networks share no training rows to "
            f"be aligned by; give {FEWEST_FOLDS_TO_AVERAGE} or more, or {table}.new_rows 'whole'"
        )
    return fold_of


def fold_of_clip(clip: Clip, fold_of: Mapping[str, int]) -> int | None:
    """The fold of a training clip; None for one that no network has seen."""
    return fold_of.get(clip.dialogue.name) if clip.utterance.split is Split.TRAIN else None


def dialogues_to_align_by(of_rows: Sequence[str], *, rows: int = ROWS_TO_ALIGN_BY) -> set[str]:
    """Evenly spaced dialogues with about so many rows; all where there are fewer.

    Args:
        of_rows: the dialogue of each row that both networks were tuned on.
    """
    names = list(dict.fromkeys(of_rows))
    return set(names[:: max(1, len(of_rows) // rows)])


def with_logits(
    vectors: NDArray[np.float32], logits: NDArray[np.float32], head: EncoderHead
) -> NDArray[np.float32]:
    """The nearest vectors to which a head gives the logits.

    Args:
        vectors: (rows, dim).
        logits: (rows, classes).
    """
    missing = logits - head.logits(vectors)
    moved: NDArray[np.float32] = vectors + missing @ np.linalg.pinv(head.weight).T.astype(np.float32)
    return moved
