"""What choosing the epoch on test would report: the best score of the test split over a training's epochs.

The training is the very one whose epoch dev chose (`TrainingOptions.test_curve`), teacher and early stopping
included, so the difference is the choice's alone. A program that chooses on test also stops by it, and its
student's teacher is chosen so as well: what it reports may lie higher still.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from summer.runs.folder import seed_folder
from summer.training.history import read_history


def chosen_on_test(run: Path, model: str, seeds: Sequence[int]) -> tuple[float, ...] | None:
    """The highest w-F1 on test of each seed; None where a seed has no curve of it.

    Raises:
        TrainingError: no history of the model, or one that cannot be read.
    """
    found = []
    for seed in seeds:
        course = read_history(seed_folder(run, seed) / f"{model}-history.json", selected_on="dev")
        scores = [record.test_w_f1 for record in course.history if record.test_w_f1 is not None]
        if not scores:
            return None
        found.append(max(scores))
    return tuple(found)
