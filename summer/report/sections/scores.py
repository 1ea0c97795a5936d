"""What a run's models score: the paper's table, intervals, classes, confusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from summer.corpus import LabelSet, Split
from summer.evaluation.class_intervals import class_intervals
from summer.evaluation.predictions import Predictions, models_of
from summer.evaluation.scores import Scores, score, seeds_of
from summer.report.charts import bars_with_intervals, heat_map
from summer.report.document import Block, Chart, Grid, Heading, Paragraph
from summer.report.tables import Table, paper_table, percent, percent_interval, selection_note

SHOWN = (Split.TEST, Split.DEV)


def scores_blocks(
    predictions: Sequence[Predictions], labels: LabelSet, results: Mapping[str, Any], selected_on: Split
) -> Iterator[Block]:
    """Tables of each split that has truths; bars and confusions of the first of them.

    Args:
        results: what results.json says, for intervals; {} where it is absent.
        selected_on: the split that chose the epoch.
    """
    splits = [split for split in SHOWN if _scored(predictions, split)]
    if not splits:
        yield Paragraph("No utterance that was predicted has a known truth, so nothing can be scored.")
        return
    for split in splits:
        yield Heading(f"Scores on {split}")
        if split is selected_on:
            yield Paragraph(f"{split} chose the epoch, so these scores are too high.", is_warning=True)
        table = paper_table(predictions, labels, split=split, selected_on=selected_on)
        yield Grid(f"ACC and F1 of each class on {split}, in percent", table.turned())
        yield Grid(
            f"All models on {split}, in percent", _summary(predictions, labels, results, split, selected_on)
        )
    split = splits[0]
    yield _class_bars(predictions, labels, split)
    for model in models_of(predictions):
        if seeds := seeds_of(predictions, model, split):
            yield _confusion(model, [score(one, labels) for one in seeds], labels, split)


def _scored(predictions: Sequence[Predictions], split: Split) -> bool:
    return any(one.split is split and (one.truths >= 0).any() for one in predictions)


def _summary(
    predictions: Sequence[Predictions],
    labels: LabelSet,
    results: Mapping[str, Any],
    split: Split,
    selected_on: Split,
) -> Table:
    rows = []
    for model in models_of(predictions):
        seeds = seeds_of(predictions, model, split)
        if not seeds:
            continue
        scores = [score(one, labels) for one in seeds]
        interval = results.get(model, {}).get(split.value, {}).get("w_f1_interval_95")
        rows.append(
            (
                f"{model}{selection_note(selected_on)}",
                str(len(seeds)),
                percent([one.w_f1 for one in scores]),
                "–" if interval is None else percent_interval((interval[0], interval[1])),
                percent([one.w_acc for one in scores]),
                percent([one.macro_f1 for one in scores]),
                percent([one.ece for one in scores]),
            )
        )
    header = ("model", "seeds", "w-F1", "95 % interval", "w-ACC", "macro-F1", "calibration error")
    return Table(header=header, rows=tuple(rows))


def _class_bars(predictions: Sequence[Predictions], labels: LabelSet, split: Split) -> Chart:
    values: list[dict[str, Any]] = []
    for model in models_of(predictions):
        if not (seeds := seeds_of(predictions, model, split)):
            continue
        scores = [score(one, labels) for one in seeds]
        intervals = class_intervals(seeds, labels)
        for label in labels.names:
            if scores[0].per_class[label].support == 0:
                continue
            low, high = intervals[label]
            mean = float(np.mean([one.per_class[label].f1 for one in scores]))
            values.append(
                {
                    "emotion": label,
                    "model": model,
                    "value": 100 * mean,
                    "low": 100 * low,
                    "high": 100 * high,
                    "utterances": scores[0].per_class[label].support,
                }
            )
    header = ("emotion", "model", "F1", "95 % interval", "utterances")
    rows = tuple(
        (
            one["emotion"],
            one["model"],
            f"{one['value']:.2f}",
            f"[{one['low']:.2f}, {one['high']:.2f}]",
            f"{one['utterances']:,}",
        )
        for one in values
    )
    return Chart(
        title=f"F1 of each emotion on {split}, in percent, with 95 % intervals",
        says=f"Bars of F1 by emotion and model on {split}; the numbers are in the table below.",
        spec=bars_with_intervals(values, name="emotion", of="model", order=labels.names, title="F1, percent"),
        table=Table(header=header, rows=rows),
    )


def _confusion(model: str, scores: Sequence[Scores], labels: LabelSet, split: Split) -> Chart:
    counts = np.mean([one.confusion for one in scores], axis=0)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    present = [k for k in range(len(labels)) if support[k, 0] > 0]  # of no utterances there is no share
    values = [
        {
            "truth": labels.names[row],
            "guess": labels.names[column],
            "share": float(shares[row, column]),
            "utterances": float(counts[row, column]),
        }
        for row in present
        for column in range(len(labels))
    ]
    rows = tuple(
        (labels.names[row], *(f"{counts[row, column]:,.0f}" for column in range(len(labels))))
        for row in present
    )
    several = f", mean of {len(scores)} seeds" if len(scores) > 1 else ""
    return Chart(
        title=f"What {model} takes for what on {split}: shares of each truth{several}",
        says=f"Shares of each true emotion by what {model} says; the counts are in the table below.",
        spec=heat_map(values, row="truth", column="guess", share="share", order=labels.names),
        table=Table(header=("truth", *(f"said {name}" for name in labels.names)), rows=rows),
    )
