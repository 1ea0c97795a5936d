"""Tables of text."""

from __future__ import annotations

from summer.report.tables import Table


def test_columns_that_say_nothing_in_any_row_go_and_the_first_stays() -> None:
    table = Table(
        header=("", "score", "paper", "lead"), rows=(("a", "1", "–", "–"), ("–", "–", "–", "2"))
    ).without_empty_columns()
    assert table.header == ("", "score", "lead")
    assert table.rows == (("a", "1", "–"), ("–", "–", "2"))


def test_a_table_without_rows_keeps_its_name_alone() -> None:
    assert Table(header=("system", "score"), rows=()).without_empty_columns().header == ("system",)
