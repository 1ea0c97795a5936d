"""What a trained stage says of a whole split: probabilities, loss, and what the model wants drawn.

Every utterance with a truth is scored, also one that has none of the model's modalities: for it the
classifier sees zeros and says what is likely before anything is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from summer.conversations.batches import NO_ROW, ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import UNKNOWN_LABEL
from summer.metrics import confusion_of, weighted_f1
from summer.threads import computing_for
from summer.training.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOutlook:
    """What a stage says of some dialogues, one row per utterance in corpus order.

    Args:
        rows: (rows,) where the utterances stand in the corpus.
        truths: (rows,) class indices, UNKNOWN_LABEL without a truth.
        probabilities: (rows, cls).
        features: (rows, width) last hidden states.
        loss: mean of the stage's whole loss over batches.
        drawn: means of what the model wants drawn, over the utterances that count; without those lines for
            which none does.
    """

    rows: NDArray[np.int64]
    truths: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    loss: float
    drawn: dict[str, dict[str, float]]

    @property
    def weighted_f1(self) -> float | None:
        """Support-weighted F1 over utterances with a truth; None where there is none."""
        if not (self.truths != UNKNOWN_LABEL).any():
            return None
        guesses, classes = self.probabilities.argmax(axis=1), self.probabilities.shape[1]
        return float(weighted_f1(confusion_of(self.truths, guesses, classes=classes)))


def look_at(
    stage: Stage,
    dealer: ConversationDealer,
    batches: Sequence[Sequence[DialogueRows]],
    *,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> SplitOutlook:
    """Run a stage, without noise or dropout, over some batches: one pass each.

    Args:
        autocast: makes the context of mixed precision.
    """
    columns: dict[str, list[torch.Tensor]] = defaultdict(list)
    drawn: dict[str, dict[str, list[torch.Tensor]]] = defaultdict(lambda: defaultdict(list))
    stage.eval()
    with torch.inference_mode(), autocast(), computing_for(stage):  # as in training
        for dialogues in batches:
            batch = dealer.batch(dialogues).to(device)
            (outlook, loss), present = stage.look(batch), batch.rows != NO_ROW
            columns["losses"].append(loss.float().unsqueeze(0))
            columns["rows"].append(batch.rows[present])
            columns["truths"].append(batch.labels[present])
            columns["probabilities"].append(outlook.logits[present].float().softmax(dim=-1))
            columns["features"].append(outlook.features[present].float())
            for panel, lines in outlook.drawn.items():
                for line, measure in lines.items():
                    drawn[panel][line].append(measure.values[measure.counted])
    joined = {name: torch.cat(parts).cpu().numpy() for name, parts in columns.items()}
    order = joined["rows"].argsort()
    return SplitOutlook(
        rows=joined["rows"][order],
        truths=joined["truths"][order],
        probabilities=joined["probabilities"][order],
        features=joined["features"][order],
        loss=float(torch.cat(columns["losses"]).mean()),
        drawn={panel: _means(lines) for panel, lines in drawn.items()},
    )


def _means(lines: Mapping[str, list[torch.Tensor]]) -> dict[str, float]:
    joined = {line: torch.cat(parts) for line, parts in lines.items()}
    return {line: float(values.float().mean()) for line, values in joined.items() if values.numel()}
