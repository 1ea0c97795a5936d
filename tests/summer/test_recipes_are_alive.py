"""The small recipes at their true size and rates learn a label that is linear in the text from the start on.

Begun as drawn they learn it; as they are shipped a linear layer knows it before the first step.

Recipes of the paper's size need more time than the tests have: no bound holds them yet.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.recipe import load_recipe
from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.training.preparation import prepare
from summer.training.seed import obtain_model
from tests.bench.meld_sized import generated
from tests.summer.made_up import LABELS
from tests.summer.made_up_training import Log, made_place

EPOCHS = 6
LEAST_W_F1 = {  # guessing has 0.17 to 0.33; measured: 0.88 and 0.88, 0.53 and 0.44 (of 30 steps)
    "demo": {"teacher": 0.8, "student": 0.8},
    "meld-text-audio": {"teacher": 0.45, "student": 0.38},
}
LEAST_CONTENT = 0.9
LEAST_AT_START, MOST_LOST = 0.85, 0.05
WIDTHS = {Modality.TEXT: 64, Modality.AUDIO: 32}
DIALOGUES = {Split.TRAIN: 160, Split.DEV: 60, Split.TEST: 1}


def told_by_words(seed: int) -> Conversations:
    """Dialogues whose label is the largest of three directions of the text's vector; audio is noise."""
    random = np.random.default_rng(seed)
    lengths = {split: random.integers(2, 20, size=count).tolist() for split, count in DIALOGUES.items()}
    corpus = generated(lengths, WIDTHS)
    directions = random.standard_normal((WIDTHS[Modality.TEXT], len(LABELS.names))).astype(np.float32)
    labels = (corpus.features[Modality.TEXT].vectors @ directions).argmax(axis=1)
    return replace(
        corpus,
        utterances=tuple(
            replace(utterance, label=LABELS.names[label])
            for utterance, label in zip(corpus.utterances, labels, strict=True)
        ),
    )


def courses(recipe: str, epochs: int, folder: Path, *overrides: str) -> tuple[dict[str, list[float]], Log]:
    """Dev's weighted F1 of teacher and student at each look, and all that was logged."""
    torch.set_num_threads(1)
    limits = (f"most_epochs={epochs}", f"patience_epochs={epochs}", "least_steps=0", "patience_steps=0")
    of_both = [f"{model}.{limit}" for model in ("teacher", "student") for limit in limits]
    settings = load_recipe(recipe, [*of_both, *overrides]).settings
    material, log = prepare(told_by_words(seed=0), settings.model), Log()
    place = made_place(folder, watch=log.watch())
    teacher = obtain_model("teacher", material, settings, place)
    obtain_model("student", material, settings, place, needed=teacher)
    scores = {
        name: [record.w_f1 for of, record in log.epochs if of == name] for name in ("teacher", "student")
    }
    return scores, log


@pytest.mark.parametrize("recipe", list(LEAST_W_F1))
def test_drawn_models_of_a_recipe_learn_from_the_first_epochs(recipe: str, tmp_path: Path) -> None:
    scores, log = courses(recipe, EPOCHS, tmp_path, "model.start=drawn")
    inside = log.epochs[-1][1].inside
    for name, course in scores.items():
        assert course[-1] > LEAST_W_F1[recipe][name], f"{name}: {course}"
        assert course[-1] > course[0], f"{name}: {course}"
    assert all(norm > 0 for norm in inside["gradients"].values())
    assert min(inside["content"].values()) > LEAST_CONTENT


@pytest.mark.parametrize("recipe", list(LEAST_W_F1))
def test_as_shipped_they_know_it_before_the_first_step_and_do_not_lose_it(
    recipe: str, tmp_path: Path
) -> None:
    scores, log = courses(recipe, 1, tmp_path)
    for name, (start, after) in scores.items():
        assert start > LEAST_AT_START, f"{name}: {start}"
        assert after > start - MOST_LOST, f"{name}: {start}, {after}"
    assert all(alpha != 0 for alpha in log.epochs[-1][1].inside["alpha"].values())
