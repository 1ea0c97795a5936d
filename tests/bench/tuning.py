"""Fine-tuning: an epoch of the 30M granite encoder by dialogue, by utterance, and as version 0.2 tuned it.

    0.2          60 and 20 tokens of context around each utterance, the start token's vector, Hugging Face's
                 Trainer with its batches of 32 grouped by length, freed memory given back to the kernel
    utterances   the same passages as they are tuned today: batches by utterances of `TrainingBatches`
    dialogues    whole dialogues read at once, mean vectors, batches by utterances

All tune on the same training utterances of MELD (of the demo corpus where it is not at hand), with the same
classifier and AdamW, each time in a process of its own with torch's threads, by turns. An epoch is timed from
its first batch to its last step; loading, scoring and checkpoints are not counted.
SUMMER_BENCH_UTTERANCES says how many utterances there are, about; they stand in whole dialogues.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, set_seed

from extraction import weights
from extraction.allocator import keep_freed_memory
from extraction.text import RobertaText
from extraction.text.classifier import EmotionClassifier, Row, as_row, collate
from extraction.text.pretrained import load_encoder, quiet_transformers, read_wordlist
from extraction.text.training import TuningOptions, _arguments, _ByUtterances
from summer.corpus import Split
from tests.bench.alone import alone, peak_bytes
from tests.bench.text import MODEL, NEAR_CONTEXT, clips_of

Way = Literal["0.2", "utterances", "dialogues"]
WAYS: tuple[Way, ...] = ("0.2", "utterances", "dialogues")
ROUNDS = 2
UTTERANCES = int(os.environ.get("SUMMER_BENCH_UTTERANCES", "512"))
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What an epoch took."""

    seconds: float
    processor_seconds: float
    steps: int
    tokens: int
    utterances: int
    peak_mib: float


def run() -> dict[str, float]:
    """Seconds of an epoch of each way, and how many times those of version 0.2 are ours."""
    epochs: dict[Way, list[Epoch]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            epochs[way].append(alone(_tune, way))
    seconds = {way: statistics.median(one.seconds for one in found) for way, found in epochs.items()}
    busy = {way: statistics.median(one.processor_seconds for one in found) for way, found in epochs.items()}
    figures: dict[str, float] = {"utterances": epochs["0.2"][0].utterances}
    for way, found in epochs.items():
        figures |= {
            f"{way}_tokens": found[0].tokens,
            f"{way}_steps": found[0].steps,
            f"{way}_seconds": seconds[way],
            f"{way}_processor_seconds": busy[way],
            f"{way}_peak_mib": max(one.peak_mib for one in found),
        }
    for way in WAYS[1:]:
        figures |= {
            f"{way}_ratio": seconds["0.2"] / seconds[way],
            f"{way}_ratio_in_processor_time": busy["0.2"] / busy[way],
        }
    return figures


def _tune(way: Way) -> Epoch:
    encoder = _encoder(way)
    rows = _rows(encoder)
    if way != "0.2":
        keep_freed_memory()
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        trainer = _trainer(way, encoder, rows, Path(folder))
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
    return Epoch(
        seconds=clock.seconds,
        processor_seconds=clock.processor_seconds,
        steps=int(trainer.state.global_step),
        tokens=sum(len(row["passage"].ids) for row in rows),
        utterances=sum(len(row["labels"]) for row in rows),
        peak_mib=peak_bytes() / MIB,
    )


def _encoder(way: Way) -> RobertaText:
    found, (past, future) = weights.text_model(MODEL), NEAR_CONTEXT
    if way == "dialogues":
        return RobertaText(weights=found, reading="dialogue", vector="mean")
    return RobertaText(weights=found, past_tokens=past, future_tokens=future)


def _rows(encoder: RobertaText) -> list[Row]:
    """Passages of the first training dialogues; the Trainer of 0.2 sorts rows by their `input_ids`."""
    clips = [clip for clip in clips_of(Split.TRAIN, UTTERANCES) if clip.utterance.label]
    names = sorted({clip.utterance.label for clip in clips})
    labels = [names.index(clip.utterance.label) for clip in clips]
    return [{**as_row(passage, labels), "input_ids": passage.ids} for passage in encoder.passages(clips)]


def _trainer(way: Way, encoder: RobertaText, rows: Sequence[Row], folder: Path) -> Trainer:
    """Today's Trainer, or Hugging Face's with the arguments of 0.2; one epoch without scores."""
    options = TuningOptions(epochs=1)
    set_seed(options.seed)
    arguments = replace(
        _arguments(options, folder, device=torch.device("cpu")),
        eval_strategy="no",
        save_strategy="no",
        load_best_model_at_end=False,
        **({"train_sampling_strategy": "group_by_length"} if way == "0.2" else {}),
    )
    trainer = Trainer if way == "0.2" else _ByUtterances
    return trainer(
        model=EmotionClassifier(
            load_encoder(encoder.weights.path, encoder.context.speakers),
            vector=encoder.vector,
            classes=1 + max(label for row in rows for label in row["labels"]),
        ),
        args=arguments,
        train_dataset=rows,
        data_collator=partial(collate, pad=read_wordlist(encoder.weights.path, "tokens").pad),
    )


class _Clock(TrainerCallback):
    """Reads the clock where an epoch begins and ends."""

    seconds = 0.0
    processor_seconds = 0.0

    def on_epoch_begin(self, *given: Any, **named: Any) -> None:
        del given, named
        self.started, self.busy = time.perf_counter(), time.process_time()

    def on_epoch_end(self, *given: Any, **named: Any) -> None:
        del given, named
        self.seconds = time.perf_counter() - self.started
        self.processor_seconds = time.process_time() - self.busy


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:45} {value:.6g}")
