"""The training loop of a stage: Adam, warm-up and decay, early stopping on a split's weighted F1.

Paper: section 4.3. Hugging Face accelerate has the device, mixed precision, several devices and the files of
a checkpoint. Random numbers are seeded anew at the start of each epoch from seed, stage and epoch, and
progress is saved at its end, so a run that resumes there gives the numbers of an unbroken run.

A model that starts at the encoder's own head (`summer.model.start`) is looked at before its first step as
well: epoch 0, which is kept if no other is better.

A step reads nothing back from the device; losses are looked at every few steps (`summer.training.history`).

Several processes share each batch: its dialogues are dealt out among them, its loss is the mean over all of
it (`summer.sharing`), its noise is each process's own. Without dropout and noise they take the steps of one
process, whatever their number.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from summer.conversations.batches import ConversationBatch, ConversationDealer
from summer.conversations.dialogues import DialogueRows
from summer.corpus import UNKNOWN_LABEL, Split
from summer.model.start import starts_of
from summer.options import TrainingOptions
from summer.processes import Processes, processes_of
from summer.sharing import shared_batch
from summer.training.choosing import EpochJudge
from summer.training.history import Course, LossBook, Stopped, Watch
from summer.training.optimizer import adam_of
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
    portraits: Path | None = None,
) -> Course:
    """Train a stage, from where `folder` says it stands, and leave it with the weights of its best epoch.

    Args:
        accelerator: made for this stage alone; where several processes train it, one that looks for
            parameters without a gradient, as `summer.runs.experiment.accelerators` makes them.
        watch: of several processes each has one; any of them may stop all.
        portraits: folder in which features of some epochs are kept (`summer.training.portraits`).

    Raises:
        TrainingError: no utterance with a truth to choose the epoch by, or a loss that is not finite.
        Stopped: `watch.should_stop` said so.
        DiskError: the disk is full or refuses.
    """
    processes = processes_of(accelerator)
    parameters = trainable_parameters(stage)
    adam = adam_of(parameters, options)
    limits = _limits(options, dealer)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, _share_of_rate(limits, options))
    wrapped, optimizer = accelerator.prepare(stage, adam)
    accelerator.register_for_checkpointing(schedule)
    course = load_progress(accelerator, folder, stage)
    judge = EpochJudge(stage, dealer, options=options, accelerator=accelerator, portraits=portraits)

    def end_epoch(epoch: int, means: Mapping[str, float]) -> None:
        record = judge.record(epoch, means, learning_rate=float(schedule.get_last_lr()[0]))
        is_best = course.offer(record)
        save_progress(accelerator, folder, stage, course, is_best=is_best)
        watch.on_epoch(stage.name, record)

    if not course.history and any(starts_of(stage)):
        end_epoch(0, {})
    for epoch in range(course.last_epoch + 1, limits.most_epochs + 1):
        if course.is_patience_spent(limits.patience_epochs):
            break
        torch.manual_seed(_seed_of_noise(seed, stage.name, epoch, processes))
        order = torch.Generator().manual_seed(_seed_of(seed, "order", epoch))
        batches = dealer.deal(Split.TRAIN, size=options.batch_dialogues, generator=order)
        weight_of = _weighing(batches, options)
        losses = LossBook(stage.name, epoch, mean=processes.mean)
        wrapped.train()
        for step, dialogues in enumerate(batches, start=1):
            if processes.any(watch.should_stop()):
                raise Stopped
            share = _share(dealer, dialogues, processes)
            with shared_batch(processes.sharing):
                terms = wrapped(share.to(accelerator.device))
            accelerator.backward(terms["total"] * weight_of(dialogues))
            accelerator.clip_grad_norm_(parameters, options.largest_gradient_norm)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.note(terms)
            watch.on_step(stage.name, epoch, step, len(batches))
        end_epoch(epoch, losses.means())
    processes.together(lambda: load_best(folder, stage))
    return course


def _weighing(
    batches: Sequence[list[DialogueRows]], options: TrainingOptions
) -> Callable[[Sequence[DialogueRows]], float]:
    """How much a batch's mean loss counts, so that every utterance of an epoch counts the same.

    Batches hold dialogues of similar length: were each to count the same, an utterance of a short dialogue
    would count ten times as much as one of a long dialogue. An utterance without a truth is in no loss.
    """
    if options.objective == "batches":
        return lambda _: 1.0
    mean = sum(map(_labelled, batches)) / max(1, len(batches))
    return lambda dialogues: _labelled(dialogues) / mean


def _labelled(dialogues: Sequence[DialogueRows]) -> int:
    return sum(u.is_labelled for located in dialogues for u in located.dialogue.utterances)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a training may take on this corpus."""

    steps_per_epoch: int
    most_epochs: int
    patience_epochs: int


def _limits(options: TrainingOptions, dealer: ConversationDealer) -> Limits:
    steps = max(1, math.ceil(len(dealer.of_split(Split.TRAIN)) / options.batch_dialogues))
    return Limits(
        steps_per_epoch=steps,
        most_epochs=max(options.most_epochs, math.ceil(options.least_steps / steps)),
        patience_epochs=max(options.patience_epochs, math.ceil(options.patience_steps / steps)),
    )


def _share_of_rate(limits: Limits, options: TrainingOptions) -> Callable[[int], float]:
    """Share of the learning rate at a step: up over the warm-up, then as it is, or down to 0 at the end."""
    steps = limits.steps_per_epoch * limits.most_epochs
    warm_up_steps = max(1, round(steps * options.warmup_share))

    def constant(step: int) -> float:
        return min((step + 1) / warm_up_steps, 1.0)

    def linear(step: int) -> float:
        left = (steps - step) / max(1, steps - warm_up_steps)
        return min(constant(step), left)

    return linear if options.schedule == "linear" else constant


def _seed_of(seed: int, name: str, epoch: int) -> int:
    """A number for the random generators, another one for each of the three, the same everywhere."""
    return zlib.crc32(f"{seed}/{name}/{epoch}".encode())


def _seed_of_noise(seed: int, name: str, epoch: int, processes: Processes) -> int:
    """Dropout and Gumbel noise are drawn anew in each process: equal draws would be fewer than they seem."""
    return _seed_of(seed, name if processes.is_main else f"{name}/{processes.index}", epoch)


def _share(
    dealer: ConversationDealer, dialogues: Sequence[DialogueRows], processes: Processes
) -> ConversationBatch:
    """This process's dialogues of a batch; where there are none, one in which nothing counts.

    A process without a dialogue has to take the step all the same: the others wait for its gradients.
    """
    own = processes.share_of(dialogues)
    return dealer.batch(own) if own else _without_weight(dealer.batch(dialogues[:1]))


def _without_weight(batch: ConversationBatch) -> ConversationBatch:
    """The same dialogues, nothing of them usable and no truth known: every loss of it is 0."""
    return replace(
        batch,
        features={m: torch.zeros_like(vectors) for m, vectors in batch.features.items()},
        usable={m: torch.zeros_like(usable) for m, usable in batch.usable.items()},
        labels=torch.full_like(batch.labels, UNKNOWN_LABEL),
    )
