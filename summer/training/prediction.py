"""What a trained stage says of a whole split: probabilities, losses, the share of experts kept.

Every utterance with a truth is scored, also one that has none of the model's modalities: for it the
classifier sees zeros and says what is likely before anything is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from summer.conversations.batches import NO_ROW, ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import UNKNOWN_LABEL, Modality
from summer.metrics import confusion_of, weighted_f1
from summer.training.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOutlook:
    """What a stage says of some dialogues, one row an utterance in corpus order.

    Args:
        rows: (rows,) where the utterances stand in the corpus.
        truths: (rows,) class indices, UNKNOWN_LABEL without a truth.
        probabilities: (rows, cls).
        features: (rows, width) last hidden states.
        loss: mean of the stage's whole loss over batches.
        kept_experts: share of (utterance, expert) pairs kept, by modality that some utterance has.
        modality_weights: mean g of equation 6 over utterances with any modality; empty for a teacher, or
            where no utterance has any.
    """

    rows: NDArray[np.int64]
    truths: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    loss: float
    kept_experts: dict[Modality, float]
    modality_weights: dict[Modality, float]

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
    accelerator: Accelerator,
) -> SplitOutlook:
    """Run a stage, without noise or dropout, over some batches."""
    columns: dict[str, list[torch.Tensor]] = defaultdict(list)
    losses: list[torch.Tensor] = []
    kept: dict[Modality, list[torch.Tensor]] = defaultdict(list)
    stage.eval()
    with torch.inference_mode(), accelerator.autocast():
        for dialogues in batches:
            batch = dealer.batch(dialogues).to(accelerator.device)
            outlook, present = stage.outlook(batch), batch.rows != NO_ROW
            losses.append(stage(batch)["total"])
            columns["rows"].append(batch.rows[present])
            columns["truths"].append(batch.labels[present])
            columns["probabilities"].append(outlook.logits[present].float().softmax(dim=-1))
            columns["features"].append(outlook.features[present].float())
            if outlook.modality_weights is not None:
                columns["modality_weights"].append(outlook.modality_weights[present].float())
            for modality, of_modality in outlook.kept.items():
                kept[modality].append(of_modality[batch.usable[modality]])
    joined = {name: torch.cat(parts).cpu().numpy() for name, parts in columns.items()}
    order = joined["rows"].argsort()
    return SplitOutlook(
        rows=joined["rows"][order],
        truths=joined["truths"][order],
        probabilities=joined["probabilities"][order],
        features=joined["features"][order],
        loss=float(torch.stack(losses).mean()),
        kept_experts=_mean_kept({modality: torch.cat(parts) for modality, parts in kept.items()}),
        modality_weights=_mean_weights(stage, joined.get("modality_weights")),
    )


def _mean_kept(kept: Mapping[Modality, torch.Tensor]) -> dict[Modality, float]:
    return {modality: float(pairs.float().mean()) for modality, pairs in kept.items() if pairs.numel()}


def _mean_weights(stage: Stage, weights: NDArray[np.float32] | None) -> dict[Modality, float]:
    if weights is None:
        return {}
    weighed = weights[weights.sum(axis=1) > 0]
    if not len(weighed):
        return {}
    means = weighed.mean(axis=0)
    return {modality: float(mean) for modality, mean in zip(stage.modalities, means, strict=True)}
