"""Teacher and student on random quarters of the training dialogues, beside logistic regressions.

    python -m tests.measure_quarters RECIPE STORE... [--draws 3]

A draw keeps every fourth training dialogue of a shuffled list; dev and test stay whole. The regressions read
the same standardised vectors, text alone and all modalities, without class weights and with the recipe's;
their C is chosen on dev, as is the epoch of teacher and student (seed = draw). Prints weighted F1 of dev and
test in points. Some minutes a draw on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from pipelines.recipe import load_recipe
from summer.conversations.reading import Conversations, ModalityFeatures, read_conversations
from summer.corpus import Modality, Split
from summer.metrics import confusion_of, weighted_f1
from summer.options import ClassWeighting
from summer.runs.experiment import nobody
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import Material, prepare
from summer.training.regression import fit_regression
from summer.training.seed import Settings, Workplace, look_at_split, obtain_model
from summer.training.stages import weights_of_classes

SHARE = 4  # one in so many training dialogues stays
SPLITS = (Split.DEV, Split.TEST)


def quarter(conversations: Conversations, draw: int) -> Conversations:
    """The conversations with one in `SHARE` training dialogues, drawn at random."""
    training = sorted({u.dialogue for u in conversations.utterances if u.split is Split.TRAIN})
    shuffled = np.random.default_rng(draw).permutation(training)
    kept = set(shuffled[: len(shuffled) // SHARE].tolist())
    rows = [
        row
        for row, utterance in enumerate(conversations.utterances)
        if utterance.split is not Split.TRAIN or utterance.dialogue in kept
    ]
    return replace(
        conversations,
        utterances=tuple(conversations.utterances[row] for row in rows),
        features={m: _rows_of(features, rows) for m, features in conversations.features.items()},
    )


def _rows_of(features: ModalityFeatures, rows: Sequence[int]) -> ModalityFeatures:
    return replace(features, vectors=features.vectors[rows], usable=features.usable[rows])


def score_regression(
    material: Material, modalities: Sequence[Modality], weighting: ClassWeighting
) -> dict[Split, float]:
    """Weighted F1, in points, of a logistic regression over some modalities."""
    conversations = material.conversations
    classes = len(conversations.labels)
    layer = fit_regression(
        conversations,
        modalities,
        chosen_on=Split.DEV,
        class_weights=weights_of_classes(material.training_truths, classes=classes, weighting=weighting),
    )
    scores = {}
    for split in SPLITS:
        there = np.array([bool(u.label) and u.split is split for u in conversations.utterances])
        truths = [
            conversations.labels.index(conversations.utterances[row].label) for row in np.flatnonzero(there)
        ]
        logits = layer.bias.numpy() + sum(
            conversations.features[m].vectors[there] @ layer.weights[m].numpy().T for m in modalities
        )
        counts = confusion_of(truths, logits.argmax(axis=1), classes=classes)
        scores[split] = 100 * float(weighted_f1(counts))
    return scores


def score_models(material: Material, settings: Settings, seed: int) -> dict[str, dict[Split, float]]:
    """Weighted F1, in points, of teacher and student."""
    with tempfile.TemporaryDirectory() as folder, nobody().of_seed(seed) as watch:
        place = Workplace(
            seed=seed, accelerator=partial(Accelerator, cpu=True), folder=Path(folder), watch=watch
        )
        teacher = obtain_model(TEACHER, material, settings, place)
        student = obtain_model(STUDENT, material, settings, place, needed=teacher)
    scores: dict[str, dict[Split, float]] = {}
    for model in (teacher, student):
        for split in SPLITS:
            outlook = look_at_split(model, material.dealer, split, device=torch.device("cpu"))
            if outlook is not None and outlook.weighted_f1 is not None:
                scores.setdefault(model.name, {})[split] = 100 * outlook.weighted_f1
    return scores


def measure(recipe: str, overrides: Sequence[str], stores: Sequence[Path], draw: int) -> None:
    """Print the scores of one draw."""
    settings = load_recipe(recipe, overrides).settings
    material = prepare(quarter(read_conversations(stores), draw), settings.model)
    print(f"draw {draw}: {len(material.training_truths)} training utterances", flush=True)
    everything = tuple(material.conversations.features)
    for modalities in dict.fromkeys([(settings.model.teacher,), everything]):
        weightings: tuple[ClassWeighting, ...] = ("none", settings.student.class_weights)
        for weighting in dict.fromkeys(weightings):
            _line(
                f"regression, {' + '.join(modalities)}, class weights {weighting}",
                score_regression(material, modalities, weighting),
            )
    for name, scores in score_models(material, settings, seed=draw).items():
        _line(name, scores)


def _line(name: str, scores: dict[Split, float]) -> None:
    print(f"  {name:60}" + "".join(f"  {split} {score:.2f}" for split, score in scores.items()), flush=True)


def main() -> None:
    """Measure the draws that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("-o", dest="overrides", action="append", default=[])
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    for draw in range(arguments.draws):
        measure(arguments.recipe, arguments.overrides, arguments.stores, draw)


if __name__ == "__main__":
    main()
