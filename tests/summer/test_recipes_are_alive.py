"""The small recipes at their true size and rates learn a label that is linear in the text from the start on.

Begun as drawn they learn it; as they are shipped a linear layer knows it before the first step.

Recipes of the paper's size need more time than the tests have: no bound holds them yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

LEAST_CONTENT = 0.9
LEAST_AT_START, MOST_LOST = 0.85, 0.05
SMALL_WIDTHS = {Modality.TEXT: 64, Modality.AUDIO: 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recipe's corpus, and what its models shall know after some epochs.

    Args:
        most_turns: of a dialogue; the fewest are 2.
        least: dev's weighted F1 of the last epoch; guessing has 0.17 to 0.33.
    """

    widths: Mapping[Modality, int]
    training_dialogues: int
    most_turns: int
    epochs: int
    least: Mapping[str, float]


CASES = {  # measured: 0.84 and 0.86; 0.53 and 0.44 (of 30 steps)
    "demo": Case(
        widths=SMALL_WIDTHS,
        training_dialogues=160,
        most_turns=19,
        epochs=3,
        least={"teacher": 0.75, "student": 0.75},
    ),
    "meld-text-audio": Case(
        widths=SMALL_WIDTHS,
        training_dialogues=160,
        most_turns=19,
        epochs=6,
        least={"teacher": 0.45, "student": 0.38},
    ),
}


def told_by_words(case: Case, seed: int) -> Conversations:
    """Dialogues whose label is the largest of three directions of the text's vector; the rest is noise."""
    random = np.random.default_rng(seed)
    dialogues = {Split.TRAIN: case.training_dialogues, Split.DEV: 60, Split.TEST: 1}
    lengths = {
        split: random.integers(2, case.most_turns + 1, size=count).tolist()
        for split, count in dialogues.items()
    }
    corpus = generated(lengths, case.widths)
    directions = random.standard_normal((case.widths[Modality.TEXT], len(LABELS.names))).astype(np.float32)
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
    material, log = prepare(told_by_words(CASES[recipe], seed=0), settings.model), Log()
    place = made_place(folder, watch=log.watch())
    teacher = obtain_model("teacher", material, settings, place)
    obtain_model("student", material, settings, place, needed=teacher)
    scores = {
        name: [record.w_f1 for of, record in log.epochs if of == name] for name in ("teacher", "student")
    }
    return scores, log


@pytest.mark.parametrize("recipe", list(CASES))
def test_drawn_models_of_a_recipe_learn_from_the_first_epochs(recipe: str, tmp_path: Path) -> None:
    case = CASES[recipe]
    scores, log = courses(recipe, case.epochs, tmp_path, "model.start=drawn")
    inside = log.epochs[-1][1].inside
    for name, course in scores.items():
        assert course[-1] > case.least[name], f"{name}: {course}"
        assert course[-1] > course[0], f"{name}: {course}"
    assert all(norm > 0 for norm in inside["gradients"].values())
    assert min(inside["content"].values()) > LEAST_CONTENT


@pytest.mark.parametrize("recipe", list(CASES))
def test_as_shipped_they_know_it_before_the_first_step_and_do_not_lose_it(
    recipe: str, tmp_path: Path
) -> None:
    scores, log = courses(recipe, 1, tmp_path)
    for name, (start, after) in scores.items():
        assert start > LEAST_AT_START, f"{name}: {start}"
        assert after > start - MOST_LOST, f"{name}: {start}, {after}"
    assert all(alpha != 0 for alpha in log.epochs[-1][1].inside["alpha"].values())
