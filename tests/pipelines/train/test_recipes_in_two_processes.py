"""Every shipped recipe, its numbers made small and all else as it is, trains in two processes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.recipe import load_recipe, shipped_recipes
from summer.corpus import Modality, Split
from summer.runs.experiment import accelerators
from summer.training.models import STUDENT
from summer.training.preparation import prepare
from summer.training.seed import Settings
from tests.summer.battery import trained
from tests.summer.made_up import Lengths
from tests.summer.made_up_training import Log, made_learnable, made_place, weights_of
from tests.summer.two_processes import in_two_processes

SMALL = ("width=8", "heads=2", "layers=2", "experts=2", "speaker_slots=4", "longest_dialogue=8")
SHORT = ("batch_dialogues=3", "most_epochs=2", "least_steps=0", "patience_steps=0")
WITHOUT_VIDEO = ("meld-text-audio",)
LENGTHS: Lengths = {Split.TRAIN: (1, 4, 1, 5, 2, 1, 7), Split.DEV: (3, 1, 2), Split.TEST: (4, 1)}
HOLES = {Modality.TEXT: (0, 3), Modality.AUDIO: (0, 1, 2, 3, 4, 5), Modality.VIDEO: (0, 7, 8, 14)}


def small_twin(recipe: str, *overrides: str) -> Settings:
    """The recipe with other sizes and lengths."""
    numbers = [f"model.{number}" for number in SMALL]
    numbers += [f"{model}.{number}" for model in ("teacher", "student") for number in SHORT]
    return load_recipe(recipe, [*numbers, *overrides]).settings


def train_both(index: int, *, settings: Settings, modalities: tuple[Modality, ...], folder: Path) -> Any:
    """Weights of the student with its teacher, and the losses and scores of each epoch."""
    del index
    conversations, log = made_learnable(LENGTHS, modalities=modalities, holes=HOLES), Log()
    place = replace(made_place(folder, watch=log.watch()), accelerator=accelerators("cpu", "no"))
    model = trained(STUDENT, prepare(conversations, settings.model), settings, place)
    return weights_of(model.model), [
        (name, dict(record.losses), record.loss, record.w_f1) for name, record in log.epochs
    ]


@pytest.mark.parametrize("recipe", shipped_recipes())
def test_a_recipes_small_twin_trains_in_two_processes(recipe: str, tmp_path: Path) -> None:
    modalities = tuple(m for m in Modality if m is not Modality.VIDEO or recipe not in WITHOUT_VIDEO)
    work = partial(train_both, settings=small_twin(recipe), modalities=modalities, folder=tmp_path)
    (first, epochs), (second, same_epochs) = in_two_processes(work)
    assert [name for name, *_ in epochs] == ["teacher"] * 3 + ["student"] * 3  # epoch 0 is the start
    assert epochs == same_epochs
    losses = [loss for _, terms, of_dev, _ in epochs for loss in (*terms.values(), of_dev)]
    assert all(math.isfinite(loss) for loss in losses)
    trained_epochs = [terms for _, terms, _, _ in epochs if terms]
    assert len(trained_epochs) == 4
    assert all("total" in terms for terms in trained_epochs)
    assert all(torch.equal(first[name], second[name]) for name in first)
