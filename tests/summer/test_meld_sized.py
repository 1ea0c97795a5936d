"""A made-up corpus of MELD's size, dialogue lengths and imbalance, trained by the recipe `meld-text-audio`.

Each modality says the label with a probability of its own, and else a label drawn as rarely as it is in MELD;
so what teacher and student can reach at best is known in closed form.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.recipe import load_recipe
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split
from summer.training.preparation import prepare
from summer.training.seed import look_at_split, obtain_model
from tests.bench.meld_sized import generated, meld_lengths
from tests.summer.made_up_training import CPU, made_place
from tests.summer.made_up_trimodal import Case, ceiling, luck

COUNTS = {  # of MELD's training split
    "neutral": 4710,
    "surprise": 1205,
    "fear": 268,
    "sadness": 683,
    "joy": 1743,
    "disgust": 271,
    "anger": 1109,
}
SAYS = {Modality.TEXT: 0.6, Modality.AUDIO: 0.45, Modality.VIDEO: 0.4}
PRIOR = np.array(list(COUNTS.values())) / sum(COUNTS.values())
DIM, STRENGTH, NOISE_DEVIATION = 16, 2.0, 0.3
MOST_LEFT = 0.03  # of what can be known at best; luck of the sample is 0.026


def cases() -> list[Case]:
    """All that an utterance may be: its label, and what each modality says."""
    classes = range(len(PRIOR))
    found = []
    for label, *said in product(classes, repeat=1 + len(SAYS)):
        codes = dict(zip(SAYS, said, strict=True))
        likely = [SAYS[m] * (code == label) + (1 - SAYS[m]) * PRIOR[code] for m, code in codes.items()]
        found.append(Case(probability=float(PRIOR[label] * np.prod(likely)), codes=codes, label=label))
    return found


def said_by_all(seed: int) -> Conversations:
    """The corpus: labels by their frequency, codes by `SAYS`."""
    random = np.random.default_rng(seed)
    corpus = generated(meld_lengths(), dict.fromkeys(SAYS, DIM))
    rows = len(corpus.utterances)
    labels = random.choice(len(PRIOR), size=rows, p=PRIOR)
    features = {}
    for modality, share in SAYS.items():
        other = random.choice(len(PRIOR), size=rows, p=PRIOR)
        codes = np.where(random.random(rows) < share, labels, other)
        vectors = STRENGTH * np.eye(len(PRIOR), DIM)[codes] + NOISE_DEVIATION * random.standard_normal(
            (rows, DIM)
        )
        features[modality] = replace(corpus.features[modality], vectors=vectors.astype(np.float32))
    names = tuple(COUNTS)
    utterances = tuple(
        replace(u, label=names[label]) for u, label in zip(corpus.utterances, labels, strict=True)
    )
    return replace(corpus, labels=LabelSet(names), utterances=utterances, features=features)


def accuracies(folder: Path, start: str) -> dict[str, float]:
    """Of teacher and student on the test split."""
    torch.set_num_threads(1)
    overrides = [f"model.start={start}", "teacher.class_weights=none", "student.class_weights=none"]
    settings = load_recipe("meld-text-audio", overrides).settings
    material, place = prepare(said_by_all(seed=0), settings.model), made_place(folder)
    teacher = obtain_model("teacher", material, settings, place)
    student = obtain_model("student", material, settings, place, needed=teacher)
    looks = {
        name: look_at_split(trained, material.dealer, Split.TEST, device=CPU)
        for name, trained in (("teacher", teacher), ("student", student))
    }
    return {
        name: float((look.probabilities.argmax(axis=1) == look.truths).mean())
        for name, look in looks.items()
        if look is not None
    }


@pytest.mark.slow
@pytest.mark.parametrize("start", ["drawn", "regression"])
def test_teacher_and_student_reach_what_can_be_known(tmp_path: Path, start: str) -> None:
    said, tested = cases(), sum(meld_lengths()[Split.TEST])
    best = {"teacher": ceiling(said, [Modality.TEXT]), "student": ceiling(said, SAYS)}
    assert best["student"] > best["teacher"] + 0.05
    reached = accuracies(tmp_path, start)
    for name, accuracy in reached.items():
        assert best[name] - MOST_LEFT < accuracy < best[name] + luck(best[name], tested), name
