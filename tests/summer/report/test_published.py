"""What the paper prints, as data."""

from __future__ import annotations

from itertools import combinations

import pytest

from summer.baselines import BASELINES
from summer.corpus import Modality
from summer.report.published import published_of


@pytest.mark.parametrize(("corpus", "classes", "table"), [("iemocap", 6, 1), ("meld", 7, 2)])
def test_every_row_is_whole_and_of_a_model_that_there_is(corpus: str, classes: int, table: int) -> None:
    published = published_of(corpus)
    assert len(published.labels) == classes
    assert set(published.systems) <= {*BASELINES, "teacher", "student"}
    for name, row in published.systems.items():
        assert row.table == table
        assert len(row.acc) == len(row.f1) == (0 if name == "chfusion" else classes)
        assert all(0 <= number <= 100 for number in (*row.acc, *row.f1, row.w_acc, row.w_f1))
    subsets = {frozenset(some) for count in (1, 2, 3) for some in combinations(Modality, count)}
    assert set(published.modalities) == subsets


def test_the_sums_that_the_paper_prints_are_those_of_its_columns() -> None:
    """A class's share of the labels is the same for all systems, so w-ACC of a row follows from its ACCs.

    IEMOCAP's test session has 143 happy, 245 sad, 384 neutral, 170 angry, 299 excited and 381 frustrated
    turns among its 1,622 or 1,623. A slip of a digit in a column shows, though the paper's own sums are only
    near.
    """
    support = [144, 245, 384, 170, 299, 381]
    for name, row in published_of("iemocap").systems.items():
        if row.acc:
            mean = sum(n * acc for n, acc in zip(support, row.acc, strict=True)) / sum(support)
            assert mean == pytest.approx(row.w_acc, abs=5), name


def test_of_another_corpus_the_paper_prints_nothing() -> None:
    assert published_of("my own").systems == {}
    assert published_of("my own").modalities == {}
