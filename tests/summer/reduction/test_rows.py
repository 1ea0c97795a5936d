"""Rows that a reducer reads: counted, narrowed to splits, read in blocks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from summer.corpus import Split
from summer.reduction import RawRows, ReductionError
from tests.summer.reduction.made_rows import RAW_DIM, made_rows

ROWS = made_rows()


def test_rows_narrowed_to_splits_are_usable_there_only_and_are_the_same_rows_otherwise() -> None:
    narrowed = ROWS.usable_in(Split.TRAIN, Split.DEV)
    np.testing.assert_array_equal(narrowed.usable, ROWS.usable & ~ROWS.of(Split.TEST))
    assert narrowed.features is ROWS.features
    assert narrowed.utterances is ROWS.utterances
    assert not ROWS.usable_in().usable.any()


def test_only_some_rows_are_as_if_the_others_were_not_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summer.reduction.rows.BLOCK_ROWS", 7)
    kept = ROWS.of(Split.TRAIN) & (np.arange(len(ROWS.usable)) % 3 > 0)
    some = ROWS.only(kept)
    np.testing.assert_array_equal(some.features, ROWS.features[kept])
    np.testing.assert_array_equal(some.usable, ROWS.usable[kept])
    assert [u.id for u in some.utterances] == [
        u.id for u, keep in zip(ROWS.utterances, kept, strict=True) if keep
    ]


def test_usable_rows_are_gathered_in_order_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summer.reduction.rows.BLOCK_ROWS", 7)
    numbers = np.concatenate([numbers for numbers, _ in ROWS.blocks()])
    np.testing.assert_array_equal(numbers, np.flatnonzero(ROWS.usable))
    np.testing.assert_array_equal(ROWS.gather(), ROWS.features[ROWS.usable])
    assert (ROWS.usable_count, ROWS.raw_dim) == (ROWS.usable.sum(), RAW_DIM)


def test_without_a_usable_row_nothing_is_gathered() -> None:
    assert ROWS.usable_in().gather().shape == (0, RAW_DIM)


@pytest.mark.parametrize("name", ["features", "usable", "utterances"])
def test_counts_that_differ_are_refused(name: str) -> None:
    fewer = getattr(ROWS, name)[:1]
    with pytest.raises(ReductionError, match=r"rows of features, .* give one of each per utterance"):
        dataclasses.replace(ROWS, **{name: fewer})


def test_the_facts_move_with_ids_and_vectors_of_usable_rows_alone() -> None:
    def facts(rows: RawRows) -> dict[str, str]:
        return rows.facts(rows.gather())

    features = ROWS.features.copy()
    features[~ROWS.usable] = 7
    assert facts(dataclasses.replace(ROWS, features=features)) == facts(ROWS)
    features[ROWS.usable] += 1
    assert facts(dataclasses.replace(ROWS, features=features)) != facts(ROWS)
    renamed = [dataclasses.replace(utterance, id=f"{utterance.id}x") for utterance in ROWS.utterances]
    assert facts(dataclasses.replace(ROWS, utterances=renamed)) != facts(ROWS)
