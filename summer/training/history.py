"""How a training went: one record per epoch, the best of them, and losses that wait to be looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from summer.durable import json_of
from summer.metrics import best_epoch
from summer.processes import alike

STEPS_BETWEEN_LOOKS = 10


class TrainingError(ValueError):
    """A training that cannot begin or go on; the message names what was seen and the remedy."""


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked)
    """The user asked to stop; the last whole epoch is on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch, as it went.

    Args:
        epoch: from 1 on; 0 is a start that was looked at before any step.
        losses: mean of each term over the training steps; {} of epoch 0.
        selected_on: the split that chooses the epoch.
        loss, w_f1: of that split, after the epoch.
        drawn: means on it of what the model wants drawn, such as `kept_experts` by modality.
        inside: what `summer.training.learning` saw of the model's parts; empty in histories of before 0.3.0.
        test_w_f1: of the test split, where a curve of it was asked for; it chooses nothing.
    """

    epoch: int
    losses: Mapping[str, float]
    learning_rate: float
    selected_on: str
    loss: float
    w_f1: float
    drawn: Mapping[str, Mapping[str, float]]
    inside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    test_w_f1: float | None = None


@dataclass(slots=True, kw_only=True)
class Course:
    """How a training went so far."""

    history: list[EpochRecord] = field(default_factory=list)

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch; 0 before the first."""
        return self.history[-1].epoch if self.history else 0

    @property
    def best(self) -> EpochRecord:
        """The epoch with the highest w-F1, of equals the first.

        Raises:
            ValueError: there is no epoch yet.
        """
        return self.history[best_epoch([record.w_f1 for record in self.history]) - 1]

    def offer(self, record: EpochRecord) -> bool:
        """Add an epoch; True if it is the best so far."""
        self.history.append(record)
        return self.best is record

    def is_patience_spent(self, patience_epochs: int) -> bool:
        """Tell whether so many epochs went by without a better one."""
        return bool(self.history) and self.last_epoch - self.best.epoch >= patience_epochs

    def to_json(self) -> list[dict[str, Any]]:
        """A list of records, as `read_history` reads them."""
        return [_told(record) for record in self.history]


def _told(record: EpochRecord) -> dict[str, Any]:
    entry = asdict(record)
    if record.test_w_f1 is None:
        del entry["test_w_f1"]
    return entry


def read_history(path: Path, *, selected_on: str) -> Course:
    """Read the history of a model, of this version or of the one before.

    Args:
        selected_on: the split that chose the epoch, where the file does not say: it is of the version before.

    Raises:
        TrainingError: no such file, or not a history.
    """
    try:
        entries = json_of(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list) or not entries:
            raise ValueError("it lists no epochs")
        return Course(history=[_record_of(entry, selected_on) for entry in entries])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(
            f"{path} cannot be read as the history of a training ({error}); train that model again"
        ) from error


def _record_of(entry: dict[str, Any], selected_on: str) -> EpochRecord:
    if "dev_w_f1" not in entry:
        return EpochRecord(**entry)
    drawn = {name: entry[name] for name in ("kept_experts", "modality_weights") if entry.get(name)}
    return EpochRecord(
        epoch=entry["epoch"],
        losses=entry["losses"],
        learning_rate=entry["learning_rate"],
        selected_on=selected_on,
        loss=entry["dev_loss"],
        w_f1=entry["dev_w_f1"],
        drawn=drawn,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told of a training, and who may stop it.

    Args:
        on_step: of a model by name: epoch, step and steps of the epoch.
        on_epoch: of a model by name: the record of an epoch that ended.
        should_stop: asked before each step; of several processes one that says so stops all.
    """

    on_step: Callable[[str, int, int, int], None]
    on_epoch: Callable[[str, EpochRecord], None]
    should_stop: Callable[[], bool]


class LossBook:
    """Keeps an epoch's losses on the device, looks at them now and then, stops at one that is not finite.

    Args:
        mean: over the processes that share a batch, so that all see the same and stop together.
    """

    def __init__(self, stage: str, epoch: int, *, mean: Callable[[Tensor], Tensor] = lambda own: own) -> None:
        self.stage, self.epoch = stage, epoch
        self._mean = mean
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
        for values in self._mean(torch.stack(self._waiting)).tolist() if self._waiting else []:
            self._seen.append(values)
            with alike():
                self._check_is_finite(values)
        self._waiting = []

    def _check_is_finite(self, values: Sequence[float]) -> None:
        for name, value in zip(self._names, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"{self.stage}, epoch {self.epoch}, step {len(self._seen)}: the loss {name!r} is "
                    f"{value}; the learning rate is likely too high, or half precision overflows: "
                    f"lower it (-o {self.stage}.learning_rate=...), or take --precision no"
                )
