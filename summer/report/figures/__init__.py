"""Figures of a run as PNG: confusion of classes, curves of training, what learned, features before and after.

Paper: figure 5 (training), figure 6 (t-SNE of the features), figure 7 (student beside teacher).
Matplotlib, and scikit-learn, are loaded when a figure is drawn, not before. No global state of matplotlib is
used: the figures may be drawn beside any backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from summer.corpus import LabelSet
from summer.evaluation.predictions import Predictions
from summer.report.figures.bars import Bar


def draw_confusion(path: Path, predictions: Sequence[Predictions], labels: LabelSet, *, title: str) -> None:
    """Draw which class is taken for which: shares of each truth, and utterances, means over seeds.

    Args:
        predictions: of one model and split, one per seed.

    Raises:
        ScoreError: no predictions, no row whose truth is known, or another number of classes than labels.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.confusion import confusion_figure

    save_figure(path, confusion_figure(predictions, labels, title))


def draw_curves(path: Path, histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> None:
    """Draw how training went: a row of panels per model, a line per seed.

    Args:
        histories: by model, then seed, then epoch, as `<model>-history.json` keeps it. What no epoch has,
            gets no panel.

    Raises:
        ValueError: not one epoch.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.curves import curves_figure

    save_figure(path, curves_figure(histories))


def draw_learning(path: Path, histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> None:
    """Draw whether each mechanism of a model does anything: a row of panels per model, a line per seed.

    Args:
        histories: as `draw_curves` takes them; what `inside` of no epoch has, gets no panel, and a model that
            was never looked into no row.

    Raises:
        ValueError: no epoch was looked into.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.curves import learning_figure

    save_figure(path, learning_figure(histories))


def draw_projection(
    path: Path,
    features: Mapping[str, Float[np.ndarray, "rows _"]],
    *,
    truths: Int64[np.ndarray, " rows"],
    labels: LabelSet,
    seed: int = 0,
) -> None:
    """Draw features in the plane by t-SNE, one panel an entry of `features`, such as before and after.

    Args:
        features: by title of the panel; all of the same rows. At most 2,000 rows are drawn, chosen by `seed`.
        truths: index of the class, -1 where unknown: such a row is not drawn.

    Raises:
        ValueError: fewer than five rows to draw, features that are not finite or are all alike.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.projection import projection_figure

    save_figure(path, projection_figure(features, truths, labels, seed))


def draw_distributions(
    path: Path,
    teacher: Float[np.ndarray, "rows width"],
    student: Mapping[str, Float[np.ndarray, "rows _"]],
) -> None:
    """Draw the student's features beside the teacher's, one panel an entry of `student`, the last at its end.

    Args:
        teacher, student: features of the same rows.

    Raises:
        ValueError: fewer than five rows, two widths, or features that are not finite or are all alike.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.distributions import distributions_figure

    save_figure(path, distributions_figure(teacher, student))


def draw_systems(path: Path, bars: Sequence[Bar]) -> None:
    """Draw w-F1 of systems with intervals, the best at the top.

    Raises:
        ValueError: no system.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.systems import systems_figure

    save_figure(path, systems_figure(bars))


def draw_experts(path: Path, pairs: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Draw figure 4: by modality, then kind of experts, w-F1 of each seed as shares.

    Raises:
        ValueError: nothing to draw.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.systems import experts_figure

    save_figure(path, experts_figure(pairs))


def draw_losses(path: Path, courses: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> None:
    """Draw figure 5: by title, then seed, then epoch, losses by name.

    Raises:
        ValueError: no epoch.
        DiskError: the disk is full or refuses.
    """
    from summer.report.figures.canvas import save_figure
    from summer.report.figures.systems import losses_figure

    save_figure(path, losses_figure(courses))
