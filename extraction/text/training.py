"""Hugging Face's Trainer, kept quiet: arguments, progress, the checkpoint to go on from.

Each epoch ends with dev's score and a checkpoint; the epoch with the best score is the one that is kept. A
checkpoint that a kill left half written is removed: `trainer_state.json` is the last file of a whole one.
The Trainer works on one device. By itself it takes the first of several; here it takes the one it is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from extraction.allocator import keep_freed_memory
from extraction.text.batches import TrainingBatches, batches_by_tokens
from extraction.text.classifier import WEIGHTED_F1, EmotionClassifier, Row, collate, score
from extraction.text.options import TuningOptions, TuningProgress
from summer.durable import json_of
from summer.threads import computing_for

STEPS_BETWEEN_REPORTS = 10
TOKENS_TO_LOOK_AT = 2048  # of a batch of dev rows
STATE = "trainer_state.json"


def train(
    build: Callable[[], EmotionClassifier],
    rows: tuple[Sequence[Row], Sequence[Row]],
    *,
    options: TuningOptions,
    pad: int,
    device: str,
    checkpoints: Path,
    on_progress: Callable[[TuningProgress], None],
) -> tuple[EmotionClassifier, list[float]]:
    """Train from the last whole checkpoint, or from the start.

    Args:
        build: makes the classifier anew; called with the random numbers seeded.
        rows: to train on, and to choose the epoch on.
        pad: token that fills short rows.
        device: as torch names it: "cpu", "cuda:1".

    Returns:
        The classifier of the best epoch, and dev's weighted F1 of each epoch.

    Raises:
        torch.OutOfMemoryError: the device is too small for the batch size.
    """
    keep_freed_memory()
    resumed = _last_whole_checkpoint(checkpoints)
    set_seed(options.seed)
    classifier = build()
    trainer = _ByUtterances(
        model=classifier,
        args=_arguments(options, checkpoints, device=torch.device(device)),
        train_dataset=rows[0],
        eval_dataset=rows[1],
        data_collator=partial(collate, pad=pad),
        compute_metrics=score,
        callbacks=[_Reporter(options.epochs, on_progress)],
    )
    trainer.remove_callback(PrinterCallback)
    with computing_for(classifier):
        trainer.train(resume_from_checkpoint=resumed)
    scores = [
        entry[f"eval_{WEIGHTED_F1}"] for entry in trainer.state.log_history if f"eval_{WEIGHTED_F1}" in entry
    ]
    return classifier, scores


class _ByUtterances(Trainer):
    """Batches by utterances to train on, by tokens to look at."""

    train_dataset: Any
    eval_dataset: Any

    def get_train_dataloader(self) -> DataLoader[Row]:
        rows: Sequence[Row] = self.train_dataset
        batches = TrainingBatches(
            [row["passage"] for row in rows],
            utterances=self.args.per_device_train_batch_size,
            seed=self.args.seed,
        )
        return self._dealt(rows, batches)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Row]:
        rows: Sequence[Row] = self.eval_dataset if eval_dataset is None else eval_dataset
        lengths = [len(row["passage"].ids) for row in rows]
        return self._dealt(rows, list(batches_by_tokens(lengths, most_tokens=TOKENS_TO_LOOK_AT)))

    def _dealt(self, rows: Any, batches: Any) -> DataLoader[Row]:
        loader = DataLoader(
            rows,
            batch_sampler=batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        prepared: DataLoader[Row] = self.accelerator.prepare(loader)
        return prepared


def _arguments(options: TuningOptions, checkpoints: Path, *, device: torch.device) -> TrainingArguments:
    on_cpu = device.type == "cpu"
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        warmup_steps=options.warmup_share,
        max_grad_norm=1.0,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        seed=options.seed,
        bf16=options.bfloat16,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,  # beside the best one
        load_best_model_at_end=True,
        metric_for_best_model=WEIGHTED_F1,
        greater_is_better=True,
        label_names=["labels"],
        remove_unused_columns=False,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # as the Trainer does: further devices multiply the batch
    if device.type == "cuda":
        torch.cuda.set_device(device)  # what accelerate moves batches to
        arguments.__dict__["_setup_devices"] = (
            device  # a cached property: cuda:0, with whatever others there are
        )
    return arguments


class _Reporter(TrainerCallback):
    def __init__(self, epochs: int, on_progress: Callable[[TuningProgress], None]) -> None:
        self.epochs = epochs
        self.on_progress = on_progress
        self.dev_weighted_f1: float | None = None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        del args, control, kwargs
        if state.global_step % STEPS_BETWEEN_REPORTS == 0:
            self._report(state)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        del args, control
        self.dev_weighted_f1 = float(kwargs["metrics"][f"eval_{WEIGHTED_F1}"])
        self._report(state)

    def _report(self, state: TrainerState) -> None:
        self.on_progress(
            TuningProgress(
                step=state.global_step,
                steps=state.max_steps,
                epoch=float(state.epoch or 0),
                epochs=self.epochs,
                dev_weighted_f1=self.dev_weighted_f1,
            )
        )


def _last_whole_checkpoint(checkpoints: Path) -> str | None:
    while checkpoints.is_dir():
        last = get_last_checkpoint(str(checkpoints))
        if last is None:
            return None
        try:
            json_of((Path(last) / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(last)
        else:
            return str(last)
    return None
