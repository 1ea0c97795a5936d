"""What is looked at when an epoch ends: the split that chooses the epoch, and the inside of the model.

Of several processes the main one looks; all of them hear the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from summer.conversations.batches import ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import Split
from summer.options import TrainingOptions
from summer.processes import alike, processes_of
from summer.training.history import EpochRecord, TrainingError
from summer.training.learning import PROBE_DIALOGUES, Inside, look_inside
from summer.training.portraits import is_portrayed, keep_portrait
from summer.training.prediction import SplitOutlook, look_at
from summer.training.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the main process sees after an epoch; fields are those of `EpochRecord`."""

    loss: float
    w_f1: float
    drawn: Mapping[str, Mapping[str, float]]
    inside: Inside
    test_w_f1: float | None


class EpochJudge:
    """Looks at a stage after each of its epochs.

    Args:
        portraits: folder in which features of some epochs are kept; None: nowhere.

    Raises:
        TrainingError: no utterance with a truth to choose the epoch by.
    """

    def __init__(
        self,
        stage: Stage,
        dealer: ConversationDealer,
        *,
        options: TrainingOptions,
        accelerator: Accelerator,
        portraits: Path | None = None,
    ) -> None:
        self.stage, self.dealer, self.accelerator = stage, dealer, accelerator
        self.selected_on, self.portraits = options.select_on, portraits
        with alike():
            self.chosen_by = _batches_to_choose_by(dealer, options)
        self.curve_of = _test_batches(dealer, options) if options.test_curve else []

    def record(self, epoch: int, losses: Mapping[str, float], *, learning_rate: float) -> EpochRecord:
        """What is to be known of an epoch that ended; the stage is left in evaluation mode.

        Args:
            losses: means of the epoch's steps; {} before any.

        Raises:
            TrainingError: score or loss is not finite.
        """
        seen = processes_of(self.accelerator).by_main(partial(self._look, epoch))
        with alike():
            _check_is_finite(seen, self.stage.name, epoch)
        return EpochRecord(
            epoch=epoch,
            losses=losses,
            learning_rate=learning_rate,
            selected_on=self.selected_on.value,
            loss=seen.loss,
            w_f1=seen.w_f1,
            drawn=seen.drawn,
            inside=seen.inside,
            test_w_f1=seen.test_w_f1,
        )

    def _look(self, epoch: int) -> _Seen:
        device = self.accelerator.device
        outlook = self._outlook(self.chosen_by)
        if self.portraits is not None and is_portrayed(epoch):
            keep_portrait(self.portraits, epoch, outlook)
        probe = self.dealer.of_split(Split.TRAIN)[:PROBE_DIALOGUES]
        inside = look_inside(self.stage, self.dealer.batch(probe).to(device))
        score = outlook.weighted_f1
        return _Seen(
            loss=outlook.loss,
            w_f1=math.nan if score is None else score,
            drawn=outlook.drawn,
            inside=inside,
            test_w_f1=self._outlook(self.curve_of).weighted_f1 if self.curve_of else None,
        )

    def _outlook(self, batches: list[list[DialogueRows]]) -> SplitOutlook:
        accelerator = self.accelerator
        return look_at(
            self.stage, self.dealer, batches, device=accelerator.device, autocast=accelerator.autocast
        )


def _batches_to_choose_by(dealer: ConversationDealer, options: TrainingOptions) -> list[list[DialogueRows]]:
    split = options.select_on
    batches = dealer.deal(split, size=options.batch_dialogues, generator=None)
    if not any(u.is_labelled for batch in batches for located in batch for u in located.dialogue.utterances):
        other = "choose on dev"
        if split is Split.DEV:
            other = "give the corpus a dev split, or take --select-on test, which inflates the score"
        raise TrainingError(f"{split} is to choose the epoch and has no utterance with a truth; {other}")
    return batches


def _test_batches(dealer: ConversationDealer, options: TrainingOptions) -> list[list[DialogueRows]]:
    return dealer.deal(Split.TEST, size=options.batch_dialogues, generator=None)


def _check_is_finite(seen: _Seen, stage: str, epoch: int) -> None:
    if not (math.isfinite(seen.w_f1) and math.isfinite(seen.loss)):
        raise TrainingError(
            f"{stage}, epoch {epoch}: after it the loss on the split that chooses the epoch is "
            f"{seen.loss}; the learning rate is likely too high: lower it "
            f"(-o {stage}.learning_rate=...)"
        )
