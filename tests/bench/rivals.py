"""An epoch of each rival at its paper's size, against the student's and against dialogue by dialogue.

Corpus, lengths and widths are those of `meld_sized`; models, rates and batches those of the recipe `meld`.
Each takes the steps of its epoch as the trainer does (its own loss, backward, clipped gradients, fused Adam)
with one thread; by default on every fourth batch, whose seconds are scaled by utterances. Dialogue by
dialogue means: the batches hold the same dialogues, but each dialogue goes through the model alone and the
gradients add up, as programs do that build a graph, or step their GRUs, per dialogue. Nothing is padded
there, and one dialogue's products are small.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from pipelines.recipe import load_recipe
from summer.baselines import BASELINES
from summer.classifier import ModelKind
from summer.conversations.dialogues import DialogueRows
from summer.corpus import Split
from summer.model.distillation import SmoothedTruthLoss
from summer.training.models import STUDENT, TEACHER, kind_of
from summer.training.optimizer import adam_of
from summer.training.preparation import Material, prepare, shape_of
from summer.training.seed import ModelSettings, Settings
from summer.training.stages import Stage, trainable_parameters
from tests.bench.alone import alone
from tests.bench.meld_sized import PAPER_DIMS, generated, meld_lengths

EVERY = int(os.environ.get("SUMMER_BENCH_EVERY", "4"))
Passes = Callable[[Stage, Material, Sequence[DialogueRows]], None]


def run() -> dict[str, float]:
    """Processor seconds an epoch of each, and times the student's and of the reading dialogue by dialogue."""
    student = alone(_epoch_seconds, STUDENT, "batch")
    figures = {"student_seconds_an_epoch": student}
    for name, kind in BASELINES.items():
        if kind.fitted is None:
            batched, single = alone(_epoch_seconds, name, "batch"), alone(_epoch_seconds, name, "single")
            figures[f"{name}_seconds_an_epoch"] = batched
            figures[f"{name}_times_the_students"] = batched / student
            figures[f"{name}_against_dialogue_by_dialogue"] = single / batched
    return figures


def _epoch_seconds(name: str, way: str) -> float:
    """Processor seconds of an epoch, scaled from the batches that are taken."""
    torch.set_num_threads(1)
    material, settings = _material(), _settings()
    own, stage = settings.of(name), _stage(name, material, settings)
    adam = adam_of(trainable_parameters(stage), own.training)
    passes = _together if way == "batch" else _one_by_one
    batches = material.dealer.deal(Split.TRAIN, size=own.training.batch_dialogues, generator=None)
    taken = batches[(min(EVERY, len(batches)) - 1) // 2 :: EVERY]
    _step(stage, material, taken[0][:2], adam, passes)  # Adam makes its state in the first
    began = time.process_time()
    for dialogues in taken:
        _step(stage, material, dialogues, adam, passes)
    return (time.process_time() - began) * _utterances(batches) / _utterances(taken)


def _step(
    stage: Stage,
    material: Material,
    dialogues: Sequence[DialogueRows],
    adam: torch.optim.Optimizer,
    passes: Passes,
) -> None:
    passes(stage, material, dialogues)
    torch.nn.utils.clip_grad_norm_(trainable_parameters(stage), 1.0)
    adam.step()
    adam.zero_grad()


def _together(stage: Stage, material: Material, dialogues: Sequence[DialogueRows]) -> None:
    stage(material.dealer.batch(dialogues))["total"].backward()


def _one_by_one(stage: Stage, material: Material, dialogues: Sequence[DialogueRows]) -> None:
    for located in dialogues:
        (stage(material.dealer.batch([located]))["total"] / len(dialogues)).backward()


def _material() -> Material:
    return prepare(generated({Split.TRAIN: meld_lengths()[Split.TRAIN]}, PAPER_DIMS), _settings().model)


def _settings() -> Settings:
    """The recipe's; models begin as drawn, for a regression takes no part in an epoch."""
    settings = load_recipe("meld").settings
    return replace(settings, model=replace(settings.model, start="drawn"))


def _stage(name: str, material: Material, settings: Settings) -> Stage:
    torch.manual_seed(0)
    kind, own = kind_of(name), settings.of(name)
    needed = () if kind.needs is None else (_built(kind_of(TEACHER), settings.of(TEACHER), material),)
    loss = SmoothedTruthLoss(epsilon=own.epsilon, class_weights=None)
    return Stage(name, _built(kind, own, material, *needed), loss).train()


def _built(
    kind: ModelKind, own: ModelSettings, material: Material, *needed: torch.nn.Module
) -> torch.nn.Module:
    return kind.build(own.options, shape_of(material, kind.reads(own.options)), *needed)


def _utterances(batches: Sequence[Sequence[DialogueRows]]) -> int:
    return sum(len(located.dialogue.utterances) for batch in batches for located in batch)


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:50} {value:.4g}", flush=True)
