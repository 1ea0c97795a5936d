"""What stores hold: rows by split, modality, status and emotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from summer.corpus import Split, Status, Utterance
from summer.report.charts import stacked_bars
from summer.report.document import Block, Chart, Grid
from summer.report.tables import Table
from summer.store import Header, Rows

COLOURS = {  # of statuses, told apart with any colour vision; each is also named
    Status.OK: "#009E73",
    Status.SPEAKER_ABSENT: "#56B4E9",
    Status.MISSING: "#8c8c8c",
    Status.NO_FACE: "#E69F00",
    Status.NO_AUDIO: "#CC79A7",
    Status.NO_VIDEO: "#B8A500",
    Status.TOO_SHORT: "#0072B2",
    Status.TRUNCATED: "#7a4fa3",
    Status.CORRUPT: "#D55E00",
}
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStore:
    """What a report says of a store without its vectors.

    Args:
        path: as it was given.
        retry: the command that extracts its failed rows again; "" of a store that was not extracted.
        width: of the reduced features, None where there are none.
    """

    path: str
    header: Header
    rows: Rows
    retry: str
    width: int | None = None


def coverage_blocks(stores: Sequence[ReportedStore]) -> Iterator[Block]:
    """How many rows of what status, by modality and split; and by emotion."""
    yield _by_split(stores)
    yield Grid("Rows by emotion, and the share of them that is ok in each modality", _by_emotion(stores))


def _by_split(stores: Sequence[ReportedStore]) -> Chart:
    values, rows = [], []
    there = [status for status in Status if any(status in store.rows.statuses for store in stores)]
    for store in stores:
        for split in _splits(store.rows.utterances):
            counts = Counter(
                status
                for one, status in zip(store.rows.utterances, store.rows.statuses, strict=True)
                if one.split is split
            )
            name = f"{store.header.modality}, {split}"
            for place, status in enumerate(there):
                if counts[status]:
                    values.append(
                        {"of": name, "status": status.value, "rows": counts[status], "place": place}
                    )
            total = sum(counts.values())
            numbers = (f"{counts[status]:,}" for status in there)
            rows.append((name, f"{total:,}", f"{100 * counts[Status.OK] / total:.1f} %", *numbers))
    header = ("modality and split", "rows", "share ok", *(status.value for status in there))
    colours = {status.value: COLOURS[status] for status in there}
    return Chart(
        title="Rows by status, of each modality and split",
        says="Shares of rows by status; the numbers are in the table below.",
        spec=stacked_bars(values, row="of", part="status", count="rows", parts=colours),
        table=Table(header=header, rows=tuple(rows)),
    )


def _by_emotion(stores: Sequence[ReportedStore]) -> Table:
    utterances = stores[0].rows.utterances
    splits = _splits(utterances)
    counts = Counter((one.label, one.split) for one in utterances)
    labels = [*stores[0].header.labels, *([""] if any(not one.label for one in utterances) else [])]
    rows = []
    for label in labels:
        numbers = [counts[label, split] for split in splits]
        shares = (_share_ok(store.rows, label) for store in stores)
        rows.append((label or NO_LABEL, *(f"{number:,}" for number in (*numbers, sum(numbers))), *shares))
    header = ("emotion", *(split.value for split in splits), "all splits")
    return Table(header=(*header, *(f"{store.header.modality} ok" for store in stores)), rows=tuple(rows))


def _share_ok(rows: Rows, label: str) -> str:
    of_label = [good for one, good in zip(rows.utterances, rows.usable, strict=True) if one.label == label]
    return f"{100 * sum(of_label) / len(of_label):.1f} %" if of_label else "–"


def _splits(utterances: Sequence[Utterance]) -> list[Split]:
    there = {one.split for one in utterances}
    return [split for split in Split if split in there]
