"""How a training went: one record an epoch, the best of them, and losses that wait to be looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

STEPS_BETWEEN_LOOKS = 10


class TrainingError(ValueError):
    """A training that cannot begin or go on; the message names what was seen and the remedy."""


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked)
    """The user asked to stop; the last whole epoch is on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch, as it went.

    Args:
        losses: mean of each term over the training steps.
        dev_loss, dev_w_f1: of the split that chooses the epoch.
        kept_experts: share of experts kept on it, by modality.
        modality_weights: mean weights of equation 6 on it, by modality; empty for a teacher.
    """

    epoch: int
    losses: dict[str, float]
    learning_rate: float
    dev_loss: float
    dev_w_f1: float
    kept_experts: dict[str, float]
    modality_weights: dict[str, float]


@dataclass(slots=True, kw_only=True)
class Course:
    """How a training went so far."""

    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    best_w_f1: float = -1.0

    def offer(self, record: EpochRecord) -> bool:
        """Add an epoch; True if it is the best so far (of equals the first)."""
        self.history.append(record)
        if record.dev_w_f1 <= self.best_w_f1:
            return False
        self.best_epoch, self.best_w_f1 = record.epoch, record.dev_w_f1
        return True

    def is_patience_spent(self, patience_epochs: int) -> bool:
        """Tell whether so many epochs went by without a better one."""
        return len(self.history) - self.best_epoch >= patience_epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told of a training, and who may stop it.

    Args:
        on_step: of a stage: epoch, step and steps of the epoch.
        on_epoch: of a stage: the record of an epoch that ended.
        should_stop: asked before each step.
    """

    on_step: Callable[[str, int, int, int], None]
    on_epoch: Callable[[str, EpochRecord], None]
    should_stop: Callable[[], bool]


class LossBook:
    """Keeps an epoch's losses on the device, looks at them now and then, stops at one that is not finite."""

    def __init__(self, stage: str, epoch: int) -> None:
        self.stage, self.epoch = stage, epoch
        self._names: list[str] = []
        self._waiting: list[Tensor] = []
        self._seen: list[list[float]] = []

    def note(self, terms: dict[str, Tensor]) -> None:
        """Keep one step's losses.

        Raises:
            TrainingError: one of the steps since the last look had a loss that is not finite.
        """
        self._names = list(terms)
        self._waiting.append(torch.stack([terms[name].detach().float() for name in self._names]))
        if len(self._waiting) == STEPS_BETWEEN_LOOKS:
            self._look()

    def means(self) -> dict[str, float]:
        """Mean of each term over the epoch's steps."""
        self._look()
        columns = zip(*self._seen, strict=True)
        return {name: sum(values) / len(values) for name, values in zip(self._names, columns, strict=True)}

    def _look(self) -> None:
        for values in torch.stack(self._waiting).tolist() if self._waiting else []:
            self._seen.append(values)
            for name, value in zip(self._names, values, strict=True):
                if not math.isfinite(value):
                    raise TrainingError(
                        f"{self.stage}, epoch {self.epoch}, step {len(self._seen)}: the loss {name!r} is "
                        f"{value}; the learning rate is likely too high, or half precision overflows: "
                        f"lower it (-o {self.stage}.learning_rate=...), or take --precision no"
                    )
        self._waiting = []
