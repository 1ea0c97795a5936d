"""How a system stands: its scores over seeds, what they cost, and the student's difference to it.

Paper: tables 1 and 2. Several systems are compared with one, the student, by paired tests over dialogues and
seeds (`summer.evaluation.significance`), whose p-values Holm's method corrects for their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from summer.corpus import Split
from summer.evaluation.predictions import Predictions
from summer.evaluation.scores import seeds_of
from summer.evaluation.significance import PairedTest, holm, paired_test
from summer.runs.folder import RunError, seed_folder
from summer.runs.reading import Run
from summer.runs.timing import MedianEpoch, median_epoch
from summer.training.models import STUDENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One model of a run on one split; shares, not percent.

    Args:
        w_f1, w_acc: one per seed.
        per_class: by label: recall and F1, each one per seed.
        interval_95: of the mean of w-F1.
        parameters: numbers that it learned; of a student without its frozen teacher.
        epoch: the median epoch; None of a model that takes no step.
        predictions: one per seed.
    """

    title: str
    model: str
    run: Path
    seeds: tuple[int, ...]
    w_f1: tuple[float, ...]
    w_acc: tuple[float, ...]
    per_class: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    interval_95: tuple[float, float]
    parameters: int
    epoch: MedianEpoch | None
    predictions: Sequence[Predictions]

    @property
    def mean(self) -> float:
        """Of w-F1 over seeds."""
        return float(np.mean(self.w_f1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The student against a system.

    Args:
        test: its difference is the student's score less the system's.
        corrected: the p-value by Holm's method.
    """

    test: PairedTest
    corrected: float


def standing_of(run: Run, model: str, title: str, *, split: Split = Split.TEST) -> Standing:
    """How a model of a run stands, by its results.json: nothing is scored or drawn by chance again.

    Raises:
        RunError: the run has no predictions of it on that split.
    """
    seeds = seeds_of(run.predictions, model, split)
    scores = run.results.get(model, {}).get(split.value)
    if not seeds or scores is None:
        raise RunError(f"{run.path} has no predictions of {model} on {split}; train it again")
    numbers = tuple(one.seed for one in seeds)
    return Standing(
        title=title,
        model=model,
        run=run.path,
        seeds=numbers,
        w_f1=tuple(scores["w_f1"]),
        w_acc=tuple(scores["w_acc"]),
        per_class={
            label: (tuple(one["acc"]), tuple(one["f1"])) for label, one in scores["per_class"].items()
        },
        interval_95=(scores["w_f1_interval_95"][0], scores["w_f1_interval_95"][1]),
        parameters=learned_parameters(seed_folder(run.path, numbers[0]) / f"{model}.safetensors"),
        epoch=median_epoch([seed_folder(run.path, seed) for seed in numbers], model),
        predictions=seeds,
    )


def learned_parameters(checkpoint: Path) -> int:
    """Numbers that a model learned; a student's file has its teacher too, which does not count."""
    own = "model.student." if checkpoint.stem == STUDENT else "model."
    with safe_open(checkpoint, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(own)]  # noqa: SIM118 (not a mapping)
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in names)


def compared(student: Standing, others: Sequence[Standing]) -> list[Against]:
    """The student against each of the others, in their order."""
    tests = [paired_test(other.predictions, student.predictions) for other in others]
    corrected = holm([test.p_value for test in tests])
    return [Against(test=test, corrected=p) for test, p in zip(tests, corrected, strict=True)]
