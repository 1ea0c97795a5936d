"""Predictions made up from a seed: truths, and a model that is right as often as it is asked to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import Predictions

LABELS = LabelSet(("neutral", "joy", "anger"))


def predictions_of(
    truths: Sequence[int],
    guesses: Sequence[int],
    *,
    dialogues: Sequence[str] | None = None,
    model: str = "teacher",
    seed: int = 0,
    split: Split = Split.TEST,
    classes: int = 3,
) -> Predictions:
    """Predictions with these guesses; the rest of the probability is spread evenly."""
    probabilities = np.full((len(guesses), classes), 0.1, dtype=np.float32)
    probabilities[np.arange(len(guesses)), list(guesses)] = 1 - 0.1 * (classes - 1)
    return Predictions(
        model=model,
        seed=seed,
        split=split,
        ids=tuple(f"{split}/utt{row}" for row in range(len(guesses))),
        dialogues=tuple(dialogues or [f"dia{row // 4}" for row in range(len(guesses))]),
        truths=np.array(truths, dtype=np.int64),
        probabilities=probabilities,
    )


def made_truths(random: np.random.Generator, rows: int) -> list[int]:
    return [int(value) for value in random.choice(3, rows, p=[0.5, 0.3, 0.2])]


def made_guesses(random: np.random.Generator, truths: Sequence[int], right: float) -> list[int]:
    """Right with the probability `right`, any class otherwise."""
    return [truth if random.random() < right else int(random.integers(3)) for truth in truths]


def made_system(
    random: np.random.Generator, truths: Sequence[int], *, right: float, seeds: int, model: str = "teacher"
) -> list[Predictions]:
    return [
        predictions_of(truths, made_guesses(random, truths, right), model=model, seed=seed)
        for seed in range(seeds)
    ]


def counted_w_f1(pairs: Sequence[tuple[int, int]]) -> float:
    """w-F1 of (truth, guess) pairs, counted one by one."""
    total = 0.0
    for name in {truth for truth, _ in pairs}:
        support = sum(truth == name for truth, _ in pairs)
        guessed = sum(guess == name for _, guess in pairs)
        hits = sum(truth == guess == name for truth, guess in pairs)
        total += support * 2 * hits / (support + guessed)
    return total / len(pairs)


def pairs_by_dialogue(predictions: Predictions) -> dict[str, list[tuple[int, int]]]:
    pairs: dict[str, list[tuple[int, int]]] = {}
    for name, truth, row in zip(
        predictions.dialogues, predictions.truths, predictions.probabilities, strict=True
    ):
        if truth >= 0:
            pairs.setdefault(name, []).append((int(truth), max(range(len(row)), key=list(row).__getitem__)))
    return pairs
