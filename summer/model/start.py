"""A start at the text encoder's own head: what the encoder knows by itself, and what SUMMER adds.

Paper: none; docs/learning.md says why. The encoder is fine-tuned (4.3) with one linear layer over the very
vector x that SUMMER reads, and its logits are a good guess already:

    y = head(x) + alpha SUMMER(x)

head starts as the encoder's own and is learned on; alpha is one number, starts at 0 and has the learning rate
of single numbers, as phi and tau have. So the first y is the encoder's, and whatever SUMMER learns is learned
on top of it. An utterance without text has no head(x): y = alpha SUMMER(x) there.

Equations 11 to 13 are as they were: they compare features, and features through the teacher's classifier C_tr
alone, which is what the teacher adds to its head. alpha may take either sign, and C_tr then speaks for the
opposite; with head(x) + alpha C_tr f in its place the branches learned more slowly on generated corpora.

Dimensions: batch dialogues, seq utterances, cls emotion classes, dim width of the text vectors.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch
from summer.conversations.heads import FoldedHead
from summer.corpus import Modality
from summer.options import ModelOptions


class EncoderStart(nn.Module):
    """The head and alpha; all zeros until `begin_at` or a file fills them."""

    def __init__(self, *, dim: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, dim))  # no nn.Linear: it would draw random numbers
        self.bias = nn.Parameter(torch.zeros(classes))
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(
        self, added: Float[Tensor, "batch seq cls"], batch: ConversationBatch
    ) -> Float[Tensor, "batch seq cls"]:
        """y, from what SUMMER says of a batch."""
        own = nn.functional.linear(batch.features[Modality.TEXT], self.weight, self.bias)
        return own.masked_fill(~batch.usable[Modality.TEXT].unsqueeze(-1), 0.0) + self.alpha * added


def build_start(options: ModelOptions, shape: CorpusShape) -> EncoderStart | None:
    """A start of the shape's text, None where the model starts as drawn."""
    if options.start == "drawn" or not shape.text_head:
        return None
    return EncoderStart(dim=shape.feature_dims[Modality.TEXT], classes=shape.classes)


def starts_of(model: nn.Module) -> Iterator[EncoderStart]:
    """The starts in a model that learn; a frozen teacher's is not one of them."""
    for part in model.modules():
        if isinstance(part, EncoderStart) and part.alpha.requires_grad:
            yield part


def begin_at(model: nn.Module, head: FoldedHead) -> None:
    """Give the starts that learn the encoder's own head."""
    with torch.no_grad():
        for start in starts_of(model):
            start.weight.copy_(head.weight)
            start.bias.copy_(head.bias)
