"""What a trained model attended to, utterance by utterance; None of a model that does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from summer.classifier import Attentive
from summer.conversations.batches import NO_ROW, ConversationBatch, ConversationDealer
from summer.corpus import Modality, Split
from summer.threads import computing_for
from summer.training.checkpoints import TrainedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What one utterance was read with in view (`summer.model.attended` has the equation).

    Args:
        row: of the utterance in the corpus.
        rows: (seq,) of the utterances of its dialogue, in order.
        weights: (seq,) of each of these, by modality; 0 where it lacks the modality.
        usable: (seq,) which of these have the modality.
    """

    row: int
    rows: NDArray[np.int64]
    weights: Mapping[Modality, NDArray[np.float32]]
    usable: Mapping[Modality, NDArray[np.bool_]]


def attended_in(
    trained: TrainedModel, dealer: ConversationDealer, splits: Iterable[Split], *, device: torch.device
) -> list[Attended] | None:
    """What each utterance of some splits was read with in view, in order of rows."""
    model = trained.model.to(device).eval()
    if not isinstance(model, Attentive):
        return None
    found: list[Attended] = []
    with torch.inference_mode(), computing_for(model):
        for split in splits:
            for dialogues in dealer.deal(split, size=trained.origin.batch_dialogues, generator=None):
                batch = dealer.batch(dialogues).to(device)
                _, attention = model.with_attention(batch)
                found += _by_utterance(attention.weights, batch)
    return sorted(found, key=lambda one: one.row)


def _by_utterance(weights: Mapping[Modality, torch.Tensor], batch: ConversationBatch) -> Iterator[Attended]:
    on_host = {modality: of_one.float().cpu().numpy() for modality, of_one in weights.items()}
    usable = {modality: batch.usable[modality].cpu().numpy() for modality in weights}
    for place, rows in enumerate(_rows_of(batch)):
        length = len(rows)
        for turn in range(length):
            yield Attended(
                row=int(rows[turn]),
                rows=rows,
                weights={modality: one[place, turn, :length] for modality, one in on_host.items()},
                usable={modality: one[place, :length] for modality, one in usable.items()},
            )


def _rows_of(batch: ConversationBatch) -> Sequence[NDArray[np.int64]]:
    """The rows of each dialogue; padding stands at the end."""
    return [rows[rows != NO_ROW] for rows in batch.rows.cpu().numpy()]
