"""A start at a linear layer: what the vectors tell by themselves, and what SUMMER adds.

Paper: none; docs/learning.md says why. What one linear layer makes of the vectors x is a good guess already:

    y = W x + b + alpha SUMMER(x)

Where the text encoder was fine-tuned (4.3), W and b are its own head over the very vector that SUMMER reads;
elsewhere they may be a logistic regression on the training rows of all that the model reads
(`summer.training.regression`). They are learned on; alpha is one number, starts at 0 and has the learning
rate of single numbers, as phi and tau have. So the first y is the linear layer's, and whatever SUMMER learns
is learned on top of it. Of an utterance that has nothing that W reads, y = alpha SUMMER(x).

Equations 11 to 13 are as they were: they compare features, and features through the teacher's classifier
C_tr alone, which is what the teacher adds to its linear layer. alpha may take either sign, and C_tr then
speaks for the opposite; with W x + alpha C_tr f in its place the branches learned more slowly on generated
corpora.

Dimensions: batch dialogues, seq utterances, cls emotion classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch
from summer.conversations.heads import LinearLayer
from summer.corpus import Modality


class LinearStart(nn.Module):
    """W of each modality, b and alpha; all zeros until `begin_at` or a file fills them.

    Args:
        dims: width of the features of each modality that W reads.
    """

    def __init__(self, *, dims: Mapping[Modality, int], classes: int) -> None:
        super().__init__()
        self.modalities = tuple(dims)
        self.weights = nn.ParameterDict(  # no nn.Linear: it would draw random numbers
            {m.value: nn.Parameter(torch.zeros(classes, dim)) for m, dim in dims.items()}
        )
        self.bias = nn.Parameter(torch.zeros(classes))
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(
        self, added: Float[Tensor, "batch seq cls"], batch: ConversationBatch
    ) -> Float[Tensor, "batch seq cls"]:
        """y, from what SUMMER says of a batch."""
        anything = batch.any_usable(self.modalities)
        own = self.bias * anything.unsqueeze(-1)
        for modality in self.modalities:
            said = nn.functional.linear(batch.features[modality], self.weights[modality.value])
            own = own + said.masked_fill(~batch.usable[modality].unsqueeze(-1), 0.0)
        return own + self.alpha * added


def build_start(shape: CorpusShape) -> LinearStart | None:
    """A start over what the shape says that a linear layer reads; None where a model starts as drawn."""
    if not shape.linear_reads:
        return None
    dims = {modality: shape.feature_dims[modality] for modality in shape.linear_reads}
    return LinearStart(dims=dims, classes=shape.classes)


def starts_of(model: nn.Module) -> Iterator[LinearStart]:
    """The starts in a model that learn; a frozen teacher's is not one of them."""
    for part in model.modules():
        if isinstance(part, LinearStart) and part.alpha.requires_grad:
            yield part


def begin_at(model: nn.Module, layer: LinearLayer) -> None:
    """Give the starts that learn their linear layer."""
    with torch.no_grad():
        for start in starts_of(model):
            for modality, weight in layer.weights.items():
                start.weights[modality.value].copy_(weight)
            start.bias.copy_(layer.bias)
