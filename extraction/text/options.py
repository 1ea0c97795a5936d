"""What of the fine-tuning can be asked for, and what is told of it while it runs. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from extraction.schedule import check_schedule


class TuningError(ValueError):
    """Fine-tuning cannot be done with these rows, or on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions:
    """Numbers of the fine-tuning.

    Args:
        batch_size: utterances of a step.
        learning_rate: the highest, reached after the warm-up; it falls to 0 at the end.
        warmup_share: of all steps, over which the learning rate rises from 0.
        bfloat16: train in mixed precision; on CUDA only.
    """

    epochs: int = 4
    learning_rate: float = 2e-5
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    seed: int = 0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError(f"{self.epochs} epochs of batches of {self.batch_size}: give 1 or more of both")
        check_schedule(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_share=self.warmup_share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningProgress:
    """How far fine-tuning is.

    Args:
        epoch: epochs done, a fraction within one.
        dev_weighted_f1: of the last epoch that ended; None before.
    """

    step: int
    steps: int
    epoch: float
    epochs: int
    dev_weighted_f1: float | None

    def __str__(self) -> str:
        dev = "" if self.dev_weighted_f1 is None else f", dev weighted F1 {self.dev_weighted_f1:.3f}"
        return f"epoch {self.epoch:.1f} of {self.epochs}, step {self.step} of {self.steps}{dev}"
