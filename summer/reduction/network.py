"""The network of the `dialogue-rnn` reducer, and its training for emotion.

    h   = Dropout(ReLU(W_1 y + b_1))     y: the standardised raw vector of an utterance
    e   = DialogueRNN(h, speakers)       bidirectional, over the conversation
    v   = W_2 e + b_2                    the reduced vector
    P   = softmax(W_3 ReLU(v) + b_3)     emotion classes; used in training only

A.1 of the paper: DialogueRNN models the dynamics of the conversation, then a fully connected layer reduces to
the width. The classifier is that of Majumder et al. 2019, whose ReLU layer is v. Trained by cross-entropy
over the labelled, usable utterances of the training split; the epoch is chosen by weighted F1 on dev.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from summer.conversations.dialogues import Batch
from summer.corpus import UNKNOWN_LABEL
from summer.layers.dialogue_rnn import DialogueRNN
from summer.metrics import best_epoch, confusion_of, weighted_f1
from summer.reduction.options import DialogueRnnOptions

LARGEST_GRADIENT_NORM = 5.0  # recurrent gradients over 110 utterances can burst; see Pascanu et al. 2013


class ReducingNetwork(nn.Module):
    """Fully connected, DialogueRNN, fully connected; and a classifier to train it by."""

    def __init__(self, *, raw_dim: int, hidden_dim: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.Linear(raw_dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout))
        self.dialogue_rnn = DialogueRNN(
            input_dim=hidden_dim,
            global_dim=hidden_dim,
            party_dim=hidden_dim,
            emotion_dim=hidden_dim,
            bidirectional=True,
            listener_update=False,
            emotion_attention=None,
            dropout=dropout,
        )
        self.out = nn.Linear(self.dialogue_rnn.output_dim, width)
        self.classes = classes
        self.classifier = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, classes))

    def forward(
        self,
        features: Float[Tensor, "batch seq raw"],
        speakers: Int[Tensor, "batch seq"],
        usable: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch seq width"]:
        """Reduced vectors in context, zeros where `usable` is False."""
        vectors: Tensor = self.out(self.dialogue_rnn(self.into(features), speakers, usable))
        return vectors.masked_fill(~usable.unsqueeze(-1), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a training went.

    Args:
        epochs: how many were run.
        chosen_epoch: whose weights were kept, from 1.
        dev_weighted_f1: of that epoch; None where dev has no labelled, usable utterance: then it is the last.
    """

    epochs: int
    chosen_epoch: int
    dev_weighted_f1: float | None


class EpochChoice:
    """Keeps the weights of the best epoch so far, and tells when to stop waiting for a better one."""

    def __init__(self, patience_epochs: int) -> None:
        self._patience_epochs = patience_epochs
        self._scores: list[float] = []
        self._weights: dict[str, Tensor] = {}
        self.chosen_epoch = 0

    @property
    def best_f1(self) -> float | None:
        """Best dev w-F1, None if none was ever measured."""
        return max(self._scores, default=None)

    def offer(self, network: nn.Module, *, epoch: int, dev_f1: float | None) -> bool:
        """Keep the network's weights if it is the best, or the last of unmeasured ones; True to go on."""
        if dev_f1 is not None:
            self._scores.append(dev_f1)
        if dev_f1 is None or best_epoch(self._scores) == epoch:
            self.chosen_epoch = epoch
            self._weights = {name: value.clone() for name, value in network.state_dict().items()}
        return epoch - self.chosen_epoch < self._patience_epochs

    def restore(self, network: nn.Module) -> None:
        """Give the network the weights that were kept."""
        network.load_state_dict(self._weights)


def train(
    network: ReducingNetwork,
    *,
    deal_training_batches: Callable[[], Iterable[Batch]],
    dev_batches: Sequence[Batch],
    options: DialogueRnnOptions,
) -> Training:
    """Train the network and leave it with the weights of the chosen epoch.

    Args:
        deal_training_batches: the training dialogues in a new order at each call.
        dev_batches: only their labels and vectors choose the epoch; may be empty.
    """
    optimizer = torch.optim.Adam(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    choice = EpochChoice(options.patience_epochs)
    for epoch in range(1, options.most_epochs + 1):
        network.train()
        for batch in deal_training_batches():
            _step(network, batch, optimizer)
        network.eval()
        if not choice.offer(network, epoch=epoch, dev_f1=dev_weighted_f1(network, dev_batches)):
            break
    choice.restore(network)
    return Training(epochs=epoch, chosen_epoch=choice.chosen_epoch, dev_weighted_f1=choice.best_f1)


def dev_weighted_f1(network: ReducingNetwork, batches: Sequence[Batch]) -> float | None:
    """Support-weighted F1 over labelled, usable utterances; None where there is none."""
    truths: list[int] = []
    guesses: list[int] = []
    with torch.inference_mode():
        for batch in batches:
            targets = _targets(batch)
            counts = targets != UNKNOWN_LABEL
            logits = network.classifier(network(batch.features, batch.speakers, batch.usable))
            truths += targets[counts].tolist()
            guesses += logits[counts].argmax(dim=-1).tolist()
    if not truths:
        return None
    return float(weighted_f1(confusion_of(truths, guesses, classes=network.classes)))


def _step(network: ReducingNetwork, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
    targets = _targets(batch)
    if not (targets != UNKNOWN_LABEL).any():
        return  # the mean over no utterance would be NaN
    logits = network.classifier(network(batch.features, batch.speakers, batch.usable))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=UNKNOWN_LABEL)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT_NORM)
    optimizer.step()


def _targets(batch: Batch) -> Int[Tensor, "batch seq"]:
    return batch.labels.masked_fill(~batch.usable, UNKNOWN_LABEL)
