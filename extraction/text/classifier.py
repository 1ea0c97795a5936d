"""The encoder with an emotion head, as Hugging Face's Trainer wants it: module, rows, batches, score.

Paper: 4.3 (RoBERTa, fine-tuned). The head is one linear layer over the very vector that is extracted
afterwards, so that this vector, not some hidden layer of a head, has to tell the emotions apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import EvalPrediction, PreTrainedModel

from extraction.text.batches import pad_passages
from extraction.text.encoding import summary
from extraction.text.passages import Passage
from summer.metrics import confusion_of, weighted_f1

DROPOUT = 0.1
INITIAL_SPREAD = 0.02  # of the head's weights, as in BERT
WEIGHTED_F1 = "weighted_f1"
Row = Mapping[str, Any]


class EmotionClassifier(nn.Module):
    """Encoder, vector, dropout, linear layer.

    Args:
        classes: how many emotions there are.
    """

    def __init__(self, encoder: PreTrainedModel, *, vector: str, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.vector: str = vector
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(encoder.config.hidden_size, classes)
        nn.init.normal_(self.head.weight, std=INITIAL_SPREAD)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        input_ids: Int[Tensor, "row token"],
        attention_mask: Int[Tensor, "row token"],
        own: Bool[Tensor, "row token"],
        lengths: Int[Tensor, " utterance"],
        labels: Int[Tensor, " utterance"],
    ) -> dict[str, Tensor]:
        """Mean cross-entropy over the utterances as `loss`, and the `logits`."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        vectors = summary(states, own, lengths, self.vector)
        logits: Float[Tensor, "utterance class"] = self.head(self.dropout(vectors))
        return {"loss": nn.functional.cross_entropy(logits.float(), labels), "logits": logits}


def as_row(passage: Passage, labels: Sequence[int]) -> Row:
    """A passage and the label of each of its utterances."""
    return {"passage": passage, "labels": [labels[clip] for clip in passage.clips]}


def collate(rows: Sequence[Row], pad: int) -> dict[str, Tensor]:
    """Passages side by side, padded to the longest."""
    ids, attended, own, lengths = pad_passages([row["passage"] for row in rows], pad)
    labels = torch.tensor([label for row in rows for label in row["labels"]])
    return {"input_ids": ids, "attention_mask": attended, "own": own, "lengths": lengths, "labels": labels}


def score(prediction: EvalPrediction) -> dict[str, float]:
    """Support-weighted F1 of the predicted classes."""
    logits = np.asarray(prediction.predictions)
    counts = confusion_of(prediction.label_ids, logits.argmax(axis=-1), classes=logits.shape[-1])
    return {WEIGHTED_F1: float(weighted_f1(counts))}
