"""Tables 1 and 2 of the paper: a row per model, ACC and F1 of each class, w-ACC and w-F1, in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from summer.corpus import LabelSet, Split
from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import Predictions, models_of
from summer.evaluation.scores import Scores, score, seeds_of

NOTHING = "–"
RESOLUTION = 1e-4  # of a printed p-value
TITLES = {"teacher": "Teacher Model", "student": "Student Model"}  # the paper's words; others by their names


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text in rows and columns; the first column names the row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table as Markdown, numbers to the right."""
        rule = [":---", *["---:"] * (len(self.header) - 1)]
        lines = [_cells(self.header), rule, *map(_cells, self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def without_empty_columns(self) -> Table:
        """Without the columns that say nothing in any row."""
        columns = list(zip(self.header, *self.rows, strict=True))
        kept = [c for n, c in enumerate(columns) if n == 0 or any(cell != NOTHING for cell in c[1:])]
        header, *rows = zip(*kept, strict=True)
        return Table(header=header, rows=tuple(rows))

    def turned(self) -> Table:
        """Rows as columns: for a narrow page."""
        header, *rows = zip(self.header, *self.rows, strict=True)
        return Table(header=header, rows=tuple(rows))


def _cells(texts: Sequence[str]) -> list[str]:
    return [" ".join(text.replace("\\", "\\\\").replace("|", "\\|").split()) for text in texts]


def paper_table(
    predictions: Sequence[Predictions],
    labels: LabelSet,
    *,
    split: Split = Split.TEST,
    selected_on: Split = Split.DEV,
) -> Table:
    """The paper's table of one split: mean ± standard deviation over seeds, no ± with one seed.

    Args:
        selected_on: the split that chose the epoch; where it is not dev the rows say so.

    Raises:
        ScoreError: no predictions of that split, none with a known truth, or another number of classes.
    """
    header = ["", *(f"{label} {name}" for label in labels.names for name in ("ACC", "F1")), "w-ACC", "w-F1"]
    rows = []
    for model in models_of(predictions):
        seeds = seeds_of(predictions, model, split)
        if seeds:
            name = f"{TITLES.get(model, model)}{selection_note(selected_on)}"
            rows.append((name, *_percentages([score(found, labels) for found in seeds], labels)))
    if not rows:
        raise ScoreError(f"there are no predictions of {split}; give another split, or predict it")
    return Table(header=tuple(header), rows=tuple(rows))


def selection_note(selected_on: Split) -> str:
    """What must stand beside every score of a run whose epoch was not chosen on dev."""
    return "" if selected_on is Split.DEV else f" (epoch chosen on {selected_on})"


def percent(values: Sequence[float]) -> str:
    """Mean of shares in percent, ± their standard deviation where there are several.

    >>> percent([0.5]), percent([0.5, 0.52])
    ('50.00', '51.00 ± 1.41')
    """
    mean = f"{100 * np.mean(values):.2f}"
    return f"{mean} ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else mean


def percent_interval(interval: tuple[float, float]) -> str:
    """Two shares in percent.

    >>> percent_interval((0.5, 0.625))
    '[50.00, 62.50]'
    """
    return f"[{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]"


def p_value_text(p_value: float) -> str:
    """A p-value as it is printed, with its sign.

    >>> p_value_text(0.25), p_value_text(0.00002)
    ('= 0.2500', '< 0.0001')
    """
    return f"< {RESOLUTION:.4f}" if p_value < RESOLUTION else f"= {p_value:.4f}"


def _percentages(scores: Sequence[Scores], labels: LabelSet) -> list[str]:
    cells = []
    for label in labels.names:
        found = [one.per_class[label] for one in scores]
        absent = found[0].support == 0
        cells.append(NOTHING if absent else percent([one.recall for one in found]))
        cells.append(NOTHING if absent else percent([one.f1 for one in found]))
    return [*cells, percent([one.w_acc for one in scores]), percent([one.w_f1 for one in scores])]
