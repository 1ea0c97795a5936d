"""The table of truths and guesses as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from summer.corpus import LabelSet
from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import Predictions
from summer.evaluation.scores import score
from summer.report.figures.canvas import INK, new_figure, plain

INCHES_A_CLASS = 0.82
LONG_LABELS = 5
DARK = 0.55
FEWEST_WITH_A_DECIMAL = 0.1


def confusion_figure(predictions: Sequence[Predictions], labels: LabelSet, title: str) -> Figure:
    """Shares of each truth with the number of utterances below, both means over seeds.

    Raises:
        ScoreError: no predictions, no row whose truth is known, or another number of classes than labels.
    """
    if not predictions:
        raise ScoreError("no predictions to draw; give those of at least one seed")
    counts = np.mean([score(found, labels).confusion for found in predictions], axis=0)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    side = INCHES_A_CLASS * max(len(labels), 3)
    figure = new_figure(width_inches=side + 2.3, height_inches=side + 1.7)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*shares.shape):
        ink = "white" if shares[row, column] > DARK else INK
        axes.text(column, row - 0.12, f"{shares[row, column]:.2f}", ha="center", va="center", color=ink)
        number = _count(counts[row, column])
        axes.text(column, row + 0.24, number, ha="center", va="center", color=ink, fontsize=7.5)
    names = [plain(label) for label in labels.names]
    slanted = max(map(len, labels.names)) > LONG_LABELS
    axes.set_xticks(
        range(len(names)), names, rotation=35 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("guess")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(
        image,
        ax=axes,
        shrink=0.8,
        label=f"share of the truth's utterances (number below){_seeds(predictions)}",
    )
    bar.outline.set_visible(False)
    axes.set_title(plain(title))
    return figure


def _count(mean: float) -> str:
    """Whole where it is; of several seeds with one decimal, so that a share above 0 has no count of 0."""
    if float(mean).is_integer():
        return f"{mean:,.0f}"
    return f"{mean:,.1f}" if mean >= FEWEST_WITH_A_DECIMAL else f"{mean:.1g}"


def _seeds(predictions: Sequence[Predictions]) -> str:
    return f", mean of {len(predictions)} seeds" if len(predictions) > 1 else ""
