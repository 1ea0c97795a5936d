"""What a report says of stores: counts by hand, reasons by kind, the command that retries, measures."""

from __future__ import annotations

import numpy as np

from summer.corpus import Modality, Split, Status
from summer.report.document import Chart, Command, Grid, Heading, Paragraph
from summer.report.sections.coverage import coverage_blocks
from summer.report.sections.measures import measures_blocks
from summer.report.sections.statuses import MOST_KINDS, MOST_ROWS, remark_blocks, status_blocks
from tests.summer.report.sections.made_up_store import made_store

TRAIN, TEST, OK, MISSING = Split.TRAIN, Split.TEST, Status.OK, Status.MISSING
ROWS = [
    (TRAIN, "joy", OK, ""),
    (TRAIN, "joy", MISSING, "no file a1.mp4"),
    (TRAIN, "neutral", OK, "1.5 s, annotated are 3 s"),
    (TEST, "", MISSING, "no file b27.mp4"),
    (TEST, "neutral", OK, "2 s, annotated are 4.25 s; channels differ: 1 and 2"),
]


def test_coverage_counts_rows_by_split_status_and_emotion() -> None:
    text = made_store([(split, label, OK, "") for split, label, _, _ in ROWS], modality=Modality.TEXT)
    chart, grid = coverage_blocks([text, made_store(ROWS)])
    assert isinstance(chart, Chart)
    assert isinstance(grid, Grid)
    assert chart.table is not None
    assert chart.table.header == ("modality and split", "rows", "share ok", "ok", "missing")
    assert chart.table.rows[2:] == (
        ("audio, train", "3", "66.7 %", "2", "1"),
        ("audio, test", "2", "50.0 %", "1", "1"),
    )
    assert grid.table.header == ("emotion", "train", "test", "all splits", "text ok", "audio ok")
    assert grid.table.rows == (
        ("neutral", "1", "1", "2", "100.0 %", "100.0 %"),
        ("joy", "2", "0", "2", "100.0 %", "50.0 %"),
        ("(no label)", "0", "1", "1", "100.0 %", "0.0 %"),
    )


def test_failures_are_counted_by_kind_listed_and_can_be_retried() -> None:
    blocks = list(status_blocks([made_store(ROWS)]))
    assert blocks[0] == Heading("audio: 2 of 5 rows are not ok")
    kinds, rows = (block.table.rows for block in blocks if isinstance(block, Grid))
    assert kinds == (("missing", "no file …", "2"),)
    assert [row[0] for row in rows] == ["u1", "u3"]
    assert Command("summer-extract --retry-failed") in blocks


def test_nothing_is_to_be_retried_where_the_speaker_is_just_absent_or_the_store_was_imported() -> None:
    absent = made_store([(TRAIN, "joy", Status.SPEAKER_ABSENT, "not in the picture")])
    imported = made_store(ROWS, retry="")
    for store in (absent, imported):
        assert not [block for block in status_blocks([store]) if isinstance(block, Command)]


def test_long_lists_are_cut_and_say_so() -> None:
    many = [
        (TRAIN, "joy", MISSING, f"no file {'abcdefghijklmnopqrstuvwxyz'[k % 26]}{k}x") for k in range(300)
    ]
    kinds, rows = (block for block in status_blocks([made_store(many)]) if isinstance(block, Grid))
    assert len(rows.table.rows) == MOST_ROWS
    assert f"the first {MOST_ROWS} of 300" in rows.caption
    assert "summer-data info stores/audio.h5 --failed" in rows.caption
    assert len(kinds.table.rows) <= MOST_KINDS + 1
    assert sum(int(row[2]) for row in kinds.table.rows) == 300


def test_remarks_are_counted_by_kind_on_ok_rows_alone() -> None:
    (_, grid) = remark_blocks([made_store(ROWS)])
    assert isinstance(grid, Grid)
    assert set(grid.table.rows) == {
        ("audio", "… s, annotated are … s", "2"),
        ("audio", "channels differ", "1"),
    }
    assert list(remark_blocks([made_store(ROWS[:1])])) == [Paragraph("No row that is ok has a remark.")]


def test_measures_leave_out_failed_rows_and_unknown_numbers() -> None:
    values = [1.0, 99.0, 3.0, 99.0, float("nan")]
    store = made_store(ROWS, columns={"duration_seconds": values, "channels": ["mono"] * 5})
    grid = next(block for block in measures_blocks([store]) if isinstance(block, Grid))
    assert grid.table.rows == (("audio: duration seconds", "train", "2", "1.1", "2", "2.9"),)


def test_clipped_and_silent_rows_are_counted_and_outlines_add_up() -> None:
    rows = [(TRAIN, "joy", OK, "")] * 100
    peaks = [-0.05, -61.0, *np.linspace(-20, -1, 98)]
    blocks = list(measures_blocks([made_store(rows, columns={"peak_dbfs": peaks})]))
    told = next(block.words for block in blocks if isinstance(block, Paragraph))
    assert "1 of 100 rows reach full scale" in told
    assert "1 stay below -60 dBFS" in told
    chart = next(block for block in blocks if isinstance(block, Chart))
    shares = sum(one["share"] for one in chart.spec["data"]["values"])
    assert abs(shares - 0.98) < 0.011  # the outermost hundredths are left out


def test_stores_without_measures_say_so() -> None:
    assert list(measures_blocks([made_store(ROWS)])) == [
        Paragraph("These stores have no measures of their rows, as imported ones.")
    ]
