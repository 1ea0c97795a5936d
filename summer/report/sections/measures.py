"""What stores measured of each row, such as how long and how loud it is: spread and outlines by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Modality, Split
from summer.report.charts import histogram
from summer.report.document import Block, Chart, Grid, Paragraph
from summer.report.sections.coverage import ReportedStore
from summer.report.tables import Table
from summer.store import Rows

STEPS = 40  # of a histogram
OUTER = (1, 99)  # percentiles between which it is drawn
QUANTILES = (5, 50, 95)
CLIPPED_DBFS, SILENT_DBFS = -0.1, -60.0
SOUND = {"duration_seconds": "duration, seconds", "peak_dbfs": "peak, decibels below full scale"}


def measures_blocks(stores: Sequence[ReportedStore]) -> Iterator[Block]:
    """Outlines of the audio's durations and levels, and a table of all numbers that rows have."""
    for store in stores:
        if store.header.modality is Modality.AUDIO:
            yield from _sound(store.rows)
    rows = [line for store in stores for line in _spread(store)]
    if rows:
        header = ("measure", "split", "rows", *(f"{one} %" if one != 50 else "median" for one in QUANTILES))
        yield Grid("What was measured of rows that are ok", Table(header=header, rows=tuple(rows)))
    else:
        yield Paragraph("These stores have no measures of their rows, as imported ones.")


def _sound(rows: Rows) -> Iterator[Block]:
    for name, title in SOUND.items():
        of_split = {split: _numbers(rows, name, split) for split in Split}
        if chart := _outline(title, {split: found for split, found in of_split.items() if len(found) > 1}):
            yield chart
    peaks = np.concatenate([_numbers(rows, "peak_dbfs", split) for split in Split])
    if len(peaks):
        clipped, silent = int((peaks >= CLIPPED_DBFS).sum()), int((peaks < SILENT_DBFS).sum())
        yield Paragraph(
            f"{clipped:,} of {len(peaks):,} rows reach full scale ({CLIPPED_DBFS} dBFS or more, and may be "
            f"clipped); {silent:,} stay below {SILENT_DBFS:.0f} dBFS and are close to silence."
        )


def _outline(title: str, of_split: dict[Split, NDArray[np.float64]]) -> Chart | None:
    if not of_split:
        return None
    low, high = np.percentile(np.concatenate(list(of_split.values())), OUTER)
    if low == high:
        return None
    edges = np.linspace(low, high, STEPS + 1)
    values = [
        {
            "split": split.value,
            "from": float(edges[k]),
            "to": float(edges[k + 1]),
            "share": count / len(found),
        }
        for split, found in of_split.items()
        for k, count in enumerate(np.histogram(found, edges)[0].tolist())
    ]
    return Chart(
        title=f"Audio: {title}, by split",
        says=f"Outlines of {title} by split, without the outermost hundredths; their spread is in a table.",
        spec=histogram(values, low="from", high="to", count="share", of="split", title=title),
    )


def _spread(store: ReportedStore) -> Iterator[tuple[str, ...]]:
    for name, values in store.rows.columns.items():
        if any(isinstance(value, str) for value in values):
            continue
        for split in Split:
            found = _numbers(store.rows, name, split)
            if len(found):
                quantiles = (f"{one:.4g}" for one in np.percentile(found, QUANTILES))
                what = f"{store.header.modality}: {name.replace('_', ' ')}"
                yield what, split.value, f"{len(found):,}", *quantiles


def _numbers(rows: Rows, name: str, split: Split) -> NDArray[np.float64]:
    """What is known of a column in the rows of a split that are ok."""
    column = rows.columns.get(name)
    if column is None:
        return np.zeros(0)
    there = np.array([one.split is split for one in rows.utterances], dtype=bool) & rows.usable
    found = np.array(column, dtype=np.float64)[there]
    return found[np.isfinite(found)]
