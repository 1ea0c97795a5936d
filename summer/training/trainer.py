"""The training loop of a stage: Adam, warm-up and decay, early stopping on a split's weighted F1.

Paper: section 4.3. Hugging Face accelerate has the device, mixed precision, several devices and the files of
a checkpoint. Random numbers are seeded anew at the start of each epoch from seed, stage and epoch, and
progress is saved at its end, so a run that resumes there gives the numbers of an unbroken run.

A model that starts at the encoder's own head (`summer.model.start`) is looked at before its first step as
well: epoch 0, which is kept if no other is better.

A step reads nothing back from the device; losses are looked at every few steps (`summer.training.history`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from summer.conversations.batches import ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import Split
from summer.model.start import starts_of
from summer.options import TrainingOptions
from summer.training.history import Course, EpochRecord, LossBook, Stopped, TrainingError, Watch
from summer.training.learning import PROBE_DIALOGUES, Inside, look_inside
from summer.training.prediction import SplitOutlook, look_at
from summer.training.progress import load_best, load_progress, save_progress
from summer.training.stages import Stage, trainable_parameters


def train(
    stage: Stage,
    dealer: ConversationDealer,
    *,
    options: TrainingOptions,
    seed: int,
    accelerator: Accelerator,
    folder: Path,
    watch: Watch,
) -> Course:
    """Train a stage, from where `folder` says it stands, and leave it with the weights of its best epoch.

    Args:
        accelerator: made for this stage alone.

    Raises:
        TrainingError: no utterance with a truth to choose the epoch by, or a loss that is not finite.
        Stopped: `watch.should_stop` said so.
        DiskError: the disk is full or refuses.
    """
    parameters = trainable_parameters(stage)
    adam = torch.optim.Adam(
        _groups(parameters, options), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    limits = _limits(options, dealer, accelerator)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, _warm_up_and_decay(limits, options.warmup_share))
    wrapped, optimizer = accelerator.prepare(stage, adam)
    accelerator.register_for_checkpointing(schedule)
    course = load_progress(accelerator, folder, stage)
    chosen_by = _batches_to_choose_by(dealer, options)
    probe = dealer.of_split(Split.TRAIN)[:PROBE_DIALOGUES]

    def end_epoch(losses: LossBook) -> None:
        outlook = look_at(stage, dealer, chosen_by, device=accelerator.device, autocast=accelerator.autocast)
        inside = look_inside(stage, dealer.batch(probe).to(accelerator.device))
        record = _record(losses, outlook, options.select_on, float(schedule.get_last_lr()[0]), inside)
        is_best = course.offer(record)
        save_progress(accelerator, folder, stage, course, is_best=is_best)
        watch.on_epoch(stage.name, record)

    if not course.history and any(starts_of(stage)):
        end_epoch(LossBook(stage.name, 0))
    for epoch in range(course.last_epoch + 1, limits.most_epochs + 1):
        if course.is_patience_spent(limits.patience_epochs):
            break
        torch.manual_seed(_seed_of(seed, stage.name, epoch))
        order = torch.Generator().manual_seed(_seed_of(seed, "order", epoch))
        batches = dealer.deal(Split.TRAIN, size=options.batch_dialogues, generator=order)
        shares, weight_of = _shares(batches, accelerator), _weighing(batches, options)
        losses = LossBook(stage.name, epoch)
        wrapped.train()
        for step, dialogues in enumerate(shares, start=1):
            if watch.should_stop():
                raise Stopped
            terms = wrapped(dealer.batch(dialogues).to(accelerator.device))
            accelerator.backward(terms["total"] * weight_of(dialogues))
            accelerator.clip_grad_norm_(parameters, options.largest_gradient_norm)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.note(terms)
            watch.on_step(stage.name, epoch, step, len(shares))
        end_epoch(losses)
    load_best(folder, stage)
    return course


def _groups(parameters: Sequence[nn.Parameter], options: TrainingOptions) -> list[dict[str, Any]]:
    """Single numbers (phi, tau) have a rate of their own: Adam moves each by at most its rate a step.

    At the rate of the weight matrices phi would travel 0.004 in a whole run, whatever its gradient says.
    """
    single = [parameter for parameter in parameters if parameter.ndim == 0]
    if not single or options.scalar_rate is None:
        return [{"params": list(parameters)}]
    others = [parameter for parameter in parameters if parameter.ndim > 0]
    return [{"params": others}, {"params": single, "lr": options.scalar_rate, "weight_decay": 0.0}]


def _weighing(
    batches: Sequence[list[DialogueRows]], options: TrainingOptions
) -> Callable[[Sequence[DialogueRows]], float]:
    """How much a batch's mean loss counts, so that every utterance of an epoch counts the same.

    Batches hold dialogues of similar length: were each to count the same, an utterance of a short dialogue
    would count ten times as much as one of a long dialogue.
    """
    if options.objective == "batches":
        return lambda _: 1.0
    mean = sum(map(_utterances, batches)) / max(1, len(batches))
    return lambda dialogues: _utterances(dialogues) / mean


def _utterances(dialogues: Sequence[DialogueRows]) -> int:
    return sum(len(located.dialogue.utterances) for located in dialogues)


def _batches_to_choose_by(dealer: ConversationDealer, options: TrainingOptions) -> list[list[DialogueRows]]:
    split = options.select_on
    batches = dealer.deal(split, size=options.batch_dialogues, generator=None)
    if not any(u.label for batch in batches for located in batch for u in located.dialogue.utterances):
        other = "choose on dev"
        if split is Split.DEV:
            other = "give the corpus a dev split, or take --select-on test, which inflates the score"
        raise TrainingError(f"{split} is to choose the epoch and has no utterance with a truth; {other}")
    return batches


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a training may take on this corpus, with this many processes."""

    steps_per_epoch: int
    most_epochs: int
    patience_epochs: int


def _limits(options: TrainingOptions, dealer: ConversationDealer, accelerator: Accelerator) -> Limits:
    batches = math.ceil(len(dealer.of_split(Split.TRAIN)) / options.batch_dialogues)
    steps = max(1, math.ceil(batches / accelerator.num_processes))
    return Limits(
        steps_per_epoch=steps,
        most_epochs=max(options.most_epochs, math.ceil(options.least_steps / steps)),
        patience_epochs=max(options.patience_epochs, math.ceil(options.patience_steps / steps)),
    )


def _warm_up_and_decay(limits: Limits, warmup_share: float) -> Callable[[int], float]:
    """Share of the learning rate at a step: up over the warm-up, then down to 0 at the last epoch's end."""
    steps = limits.steps_per_epoch * limits.most_epochs
    warm_up_steps = max(1, round(steps * warmup_share))

    def share(step: int) -> float:
        left = (steps - step) / max(1, steps - warm_up_steps)
        return float(min((step + 1) / warm_up_steps, left, 1.0))

    return share


def _seed_of(seed: int, name: str, epoch: int) -> int:
    """A number for the random generators, another one for each of the three, the same everywhere."""
    return zlib.crc32(f"{seed}/{name}/{epoch}".encode())


def _shares(batches: Sequence[list[DialogueRows]], accelerator: Accelerator) -> Sequence[list[DialogueRows]]:
    """This process's batches: as many for each; the first are given twice where they are not even."""
    count = accelerator.num_processes
    even = math.ceil(len(batches) / count) * count
    dealt = [batches[number % len(batches)] for number in range(even)]
    return dealt[accelerator.process_index :: count]


def _record(
    losses: LossBook, outlook: SplitOutlook, selected_on: Split, learning_rate: float, inside: Inside
) -> EpochRecord:
    means, score = losses.means(), outlook.weighted_f1
    if score is None or not math.isfinite(outlook.loss):
        raise TrainingError(
            f"{losses.stage}, epoch {losses.epoch}: after it the loss on the split that chooses the epoch is "
            f"{outlook.loss}; the learning rate is likely too high: lower it "
            f"(-o {losses.stage}.learning_rate=...)"
        )
    return EpochRecord(
        epoch=losses.epoch,
        losses=means,
        learning_rate=learning_rate,
        selected_on=selected_on.value,
        loss=outlook.loss,
        w_f1=score,
        drawn=outlook.drawn,
        inside=inside,
    )
