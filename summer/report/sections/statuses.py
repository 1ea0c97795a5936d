"""Why rows are not ok, with the command that retries them; and what is remarked on rows that are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from summer.corpus import Status
from summer.report.document import Block, Command, Grid, Heading, Paragraph
from summer.report.sections.coverage import ReportedStore
from summer.report.tables import Table
from summer.store import Rows

MOST_ROWS = 100
MOST_KINDS = 20


def status_blocks(stores: Sequence[ReportedStore]) -> Iterator[Block]:
    """Per modality: statuses by kind of reason, the rows, and how to retry them."""
    for store in stores:
        failed = [k for k, status in enumerate(store.rows.statuses) if status is not Status.OK]
        yield Heading(f"{store.header.modality}: {len(failed):,} of {len(store.rows):,} rows are not ok")
        if not failed:
            continue
        kinds = Counter((str(store.rows.statuses[k]), kind_of(store.rows.reasons[k])) for k in failed)
        table = Table(header=("status", "reason", "rows"), rows=_counted(kinds))
        yield Grid(f"{store.header.modality}: statuses and reasons", table)
        if store.retry and any(status.is_failure for status in store.rows.statuses):
            yield Paragraph(
                "Mend what you can, then retry them with the command that made the store, which is this one "
                "together with any --root, --recipe and -o that it had:"
            )
            yield Command(store.retry)
        yield Grid(_caption(store, len(failed)), _rows(store.rows, failed[:MOST_ROWS]))


def remark_blocks(stores: Sequence[ReportedStore]) -> Iterator[Block]:
    """How often what is remarked on rows that are ok, per modality."""
    kinds = Counter(
        (str(store.header.modality), kind)
        for store in stores
        for status, reason in zip(store.rows.statuses, store.rows.reasons, strict=True)
        if status is Status.OK
        for kind in kinds_of(reason)
    )
    if not kinds:
        yield Paragraph("No row that is ok has a remark.")
        return
    yield Paragraph(
        "A row that is ok may have remarks, which say what is doubtful about it. They are counted by their "
        "kind: a number that differs from row to row is written …"
    )
    yield Grid(
        "Remarks on rows that are ok", Table(header=("modality", "remark", "rows"), rows=_counted(kinds))
    )


def kinds_of(reason: str) -> set[str]:
    """The kinds of the remarks of a row.

    >>> sorted(kinds_of("1.20 s, annotated are 3.4 s; face in 2 of 7 keyframes: doubtful"))
    ['face in … of … keyframes', '… s, annotated are … s']
    """
    return {kind_of(part) for part in re.split(r"[.;] ", reason) if part}


def kind_of(reason: str) -> str:
    """A reason without what differs from row to row: names of files, numbers, and what follows a colon.

    >>> kind_of("no file dia0_utt3.mp4; left out")
    'no file …; left out'
    >>> kind_of("b7.mp4 (19,090 bytes) is an MP4 without index: cut")
    '… (… bytes) is an MP4 without index'
    """
    without_files = re.sub(r"\S*\d\S*\.[A-Za-z]\w{1,3}\b", "…", reason)
    return re.sub(r"(?<![A-Za-z_])\d[\d.,]*", "…", without_files.partition(":")[0])


def _counted(kinds: Counter[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    shown = kinds.most_common(MOST_KINDS)
    rows = [(*key, f"{number:,}") for key, number in shown]
    if left := kinds.total() - sum(number for _, number in shown):
        rows.append(("", f"{len(kinds) - len(shown)} other kinds", f"{left:,}"))
    return tuple(rows)


def _caption(store: ReportedStore, count: int) -> str:
    modality = store.header.modality
    if count <= MOST_ROWS:
        return f"{modality}: every row that is not ok"
    listed = f"summer-data info {store.path} --failed lists all"
    return f"{modality}: the first {MOST_ROWS} of {count:,} rows that are not ok; {listed}"


def _rows(rows: Rows, chosen: Sequence[int]) -> Table:
    return Table(
        header=("row", "status", "reason"),
        rows=tuple((rows.utterances[k].id, str(rows.statuses[k]), rows.reasons[k]) for k in chosen),
    )
