"""Dialogues to padded tensors and masks.

Paper: section 3.1. Rows of a store stand in corpus order, so a dialogue is one slice of them. A batch is some
dialogues, each padded at its end to the longest:

    features    batch x seq x dim    zeros where there is no vector
    speakers    batch x seq          slot in the dialogue, by first turn; 0 in the padding
    labels      batch x seq          index in the label set; UNKNOWN_LABEL without a truth and in the padding
    usable      batch x seq          True where the utterance has a vector: its status is ok

Positions count the rows, not `turn`, whose numbering has gaps in real corpora.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from summer.corpus import UNKNOWN_LABEL, Dialogue, LabelSet, Utterance, group_dialogues


class BatchError(ValueError):
    """Rows that cannot be made into dialogues; the message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueRows:
    """A dialogue and where its utterances stand in the store: rows [first_row, first_row + length)."""

    dialogue: Dialogue
    first_row: int

    @property
    def rows(self) -> slice:
        """The dialogue's rows."""
        return slice(self.first_row, self.first_row + len(self.dialogue.utterances))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some dialogues, padded to the longest of them."""

    features: Float[Tensor, "batch seq dim"]
    speakers: Int[Tensor, "batch seq"]
    labels: Int[Tensor, "batch seq"]
    usable: Bool[Tensor, "batch seq"]


def locate_dialogues(utterances: Sequence[Utterance]) -> list[DialogueRows]:
    """Find each dialogue's rows.

    Args:
        utterances: all of a store's, in the order of its rows.

    Raises:
        BatchError: the rows of a dialogue do not stand together.
    """
    found: list[DialogueRows] = []
    seen: set[tuple[str, str]] = set()
    first_row = 0
    for dialogue in group_dialogues(utterances):
        if (dialogue.split, dialogue.name) in seen:
            raise BatchError(
                f"the rows of dialogue {dialogue.split}/{dialogue.name} do not stand together: it starts "
                f"again at row {first_row}; order the rows by dialogue"
            )
        seen.add((dialogue.split, dialogue.name))
        found.append(DialogueRows(dialogue=dialogue, first_row=first_row))
        first_row += len(dialogue.utterances)
    return found


def make_batch(
    dialogues: Sequence[DialogueRows],
    *,
    features: NDArray[np.float32],
    usable: NDArray[np.bool_],
    labels: LabelSet | None,
) -> Batch:
    """Pad dialogues to the longest of them.

    Args:
        features: (rows, dim) of the whole store; a row that is not usable is not read.
        usable: (rows,) True where the row holds a vector.
        labels: the classes that labels are counted in; None leaves every label unknown.

    Raises:
        BatchError: no dialogue is given.
        ValueError: a label is not of the set.
    """
    if not dialogues:
        raise BatchError("a batch of 0 dialogues has no shape; give at least 1")
    masks = [torch.from_numpy(usable[dialogue.rows].copy()) for dialogue in dialogues]
    vectors = [
        torch.from_numpy(np.where(mask.numpy()[:, None], features[dialogue.rows], np.float32(0)))
        for dialogue, mask in zip(dialogues, masks, strict=True)
    ]
    truths = [torch.tensor(_label_indices(dialogue.dialogue, labels)) for dialogue in dialogues]
    return Batch(
        features=pad_sequence(vectors, batch_first=True),
        speakers=pad_sequence([torch.tensor(d.dialogue.speaker_slots) for d in dialogues], batch_first=True),
        labels=pad_sequence(truths, batch_first=True, padding_value=UNKNOWN_LABEL),
        usable=pad_sequence(masks, batch_first=True),
    )


def chunk_dialogues(
    dialogues: Sequence[DialogueRows], *, size: int, generator: torch.Generator | None
) -> Iterator[list[DialogueRows]]:
    """Deal dialogues out in groups of at most `size`: as they stand, or shuffled by `generator`."""
    order = range(len(dialogues)) if generator is None else shuffled(len(dialogues), generator)
    for start in range(0, len(dialogues), size):
        yield [dialogues[position] for position in order[start : start + size]]


def shuffled(count: int, generator: torch.Generator) -> list[int]:
    """The numbers from 0 to count - 1 in an order drawn by `generator`."""
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def _label_indices(dialogue: Dialogue, labels: LabelSet | None) -> list[int]:
    if labels is None:
        return [UNKNOWN_LABEL] * len(dialogue.utterances)
    return [labels.index_or_unknown(utterance.label) for utterance in dialogue.utterances]
