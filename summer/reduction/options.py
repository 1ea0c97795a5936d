"""The numbers of the `dialogue-rnn` reducer, and the one builder that holds their defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueRnnOptions:
    """Sizes of the network and how it is trained.

    Args:
        hidden_dim: width of the first layer and of each of DialogueRNN's states.
        dropout: share dropped of layers and states in training, in [0, 1).
        learning_rate, weight_decay: of Adam.
        batch_dialogues: dialogues per step.
        most_epochs: where training ends at the latest.
        patience_epochs: epochs without a better dev w-F1 after which training ends.

    Raises:
        ValueError: a number is out of its range.
    """

    hidden_dim: int
    dropout: float
    learning_rate: float
    weight_decay: float
    batch_dialogues: int
    most_epochs: int
    patience_epochs: int

    def __post_init__(self) -> None:
        for name in ("hidden_dim", "batch_dialogues", "most_epochs", "patience_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; give a share in [0, 1)")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise ValueError(
                f"learning_rate is {self.learning_rate} and weight_decay {self.weight_decay}; "
                "give a rate above 0 and a decay of at least 0"
            )


def default_dialogue_rnn_options() -> DialogueRnnOptions:
    """What suits MELD and IEMOCAP; change single numbers with `dataclasses.replace`."""
    return DialogueRnnOptions(
        hidden_dim=128,
        dropout=0.3,
        learning_rate=1e-3,
        weight_decay=1e-5,
        batch_dialogues=32,
        most_epochs=40,
        patience_epochs=6,
    )
