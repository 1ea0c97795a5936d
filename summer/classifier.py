"""What every model of emotion in conversation meets, whatever it is called.

    output  = model(batch)                              one pass over a batch
    losses  = model.losses(output, batch, truth_loss)   by name, their weighted sum as "total"
    outlook = model.outlook(output, batch)              logits, features, and what it wants drawn

A model is known by its name, a string. Its `ModelKind` says how it is made: a dataclass of options, what a
recipe decides, and a builder that takes these options and a `CorpusShape`, what the corpus decides. Trainer,
checkpoints, predictions, tables and figures know no more of a model than this page.

Dimensions: batch dialogues, seq utterances in a dialogue (padded), cls emotion classes, width of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from summer.conversations.batches import ConversationBatch
from summer.conversations.heads import LinearLayer
from summer.corpus import Modality
from summer.options import TrainingOptions

Fit = Literal["majority", "regression", "head"]  # how a linear layer is found: summer.training.fitting


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusShape:
    """What a corpus decides of a model.

    Args:
        feature_dims: width of each modality's features; the modalities that the model reads, in order.
        classes: emotion classes.
        identities: speakers who are told apart, the one that stands for everyone else included.
        linear_reads: modalities that the linear layer reads at which models may begin; none: there is none.
    """

    feature_dims: Mapping[Modality, int]
    classes: int
    identities: int
    linear_reads: tuple[Modality, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that a model wants drawn: the mean of `values` over the utterances that count.

    Args:
        values: one or several per utterance.
        counted: utterances that have any.
    """

    values: Float[Tensor, "batch seq ..."] | Bool[Tensor, "batch seq ..."]
    counted: Bool[Tensor, "batch seq"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a trained model says of a batch.

    Args:
        features: the last hidden state before the classifier.
        drawn: what it wants drawn over the epochs: a panel per name, a line per entry.
    """

    logits: Float[Tensor, "batch seq cls"]
    features: Float[Tensor, "batch seq width"]
    drawn: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """How much each utterance was read with others of its dialogue, and itself, in view.

    Args:
        weights: by modality that is looked at; of each utterance (query) they sum to 1 at most over keys and
            modalities, and are 0 for keys that lack the modality, the padding among them.
    """

    weights: Mapping[Modality, Float[Tensor, "batch query key"]]


@runtime_checkable
class TruthLoss(Protocol):
    """Mean loss of logits against the truth; it is handed to the model, so that all are judged alike.

    Attributes:
        epsilon: share of the right class where labels are smoothed; 1 is no smoothing.
        class_weights: (cls,) how much an utterance of each class counts; None: all the same.
    """

    epsilon: float

    @property
    def class_weights(self) -> Float[Tensor, " cls"] | None: ...

    def __call__(
        self,
        logits: Float[Tensor, "batch seq cls"],
        labels: Int[Tensor, "batch seq"],
        counted: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, ""]:
        """Over utterances that are `counted` and have a truth; 0 where there is none."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """A model of emotion in conversation; besides this it is an `nn.Module`, whose call is the pass.

    Attributes:
        modalities: what it reads, in order.
    """

    modalities: tuple[Modality, ...]

    def losses(self, output: Any, batch: ConversationBatch, truth_loss: TruthLoss) -> dict[str, Tensor]:
        """Each term of the loss by name, scalars, and what is minimised as "total".

        Several processes may each have a share of a batch: a mean over utterances other than `truth_loss` is
        to be taken by `summer.sharing.mean_over_batch`.

        Args:
            output: what the model's call made of `batch`.
        """
        ...

    def outlook(self, output: Any, batch: ConversationBatch) -> Outlook:
        """What it says of `batch`, of which its call made `output`."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A model that can tell what it attends to. Those that have no attention, or do not tell, lack this."""

    def with_attention(self, batch: ConversationBatch) -> tuple[Any, Attention]:
        """What its call makes of `batch`, and the attention of that very pass."""
        ...


@runtime_checkable
class LinearClassifier(Protocol):
    """A model that is one linear layer, and is found instead of trained."""

    def take(self, layer: LinearLayer) -> None:
        """Become this layer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKind:
    """How a model is made.

    Args:
        options: a frozen dataclass of numbers and names; what a recipe may change.
        build: options and shape to a module with new weights that meets `Classifier`; where `needs` is set,
            the trained module of that name comes third.
        reads: modalities that the model takes where the corpus has them.
        training: how it is trained where the recipe does not say.
        needs: name of the model that must be trained before, or None.
        fitted: the model is one linear layer, is found this way, and takes no step; its module also meets
            `LinearClassifier`.
    """

    options: type[Any]
    build: Callable[..., nn.Module]
    reads: Callable[[Any], tuple[Modality, ...]]
    training: TrainingOptions
    needs: str | None = None
    fitted: Fit | None = None
