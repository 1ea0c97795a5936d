"""Drift: found where it was put in, with its size; not found where splits, or rooms, differ by chance."""

from __future__ import annotations

import numpy as np
import pytest

from summer.corpus import Split, Utterance
from summer.report.document import Grid, Paragraph
from summer.report.sections.drift import drift_blocks, drifts_of

LENGTH, DIM = 6, 20


def made_utterances(dialogues: dict[Split, int]) -> list[Utterance]:
    return [
        Utterance(
            id=f"{split}/{number}/{turn}",
            split=split,
            dialogue=str(number),
            turn=turn,
            speaker="Ann",
            text="",
            label="joy",
        )
        for split, count in dialogues.items()
        for number in range(count)
        for turn in range(LENGTH)
    ]


def made_vectors(utterances: list[Utterance], *, rooms: float, seed: int = 0) -> np.ndarray:
    """Normal vectors; `rooms` is how far dialogues lie apart, in deviations of their rows."""
    random = np.random.default_rng(seed)
    names = [(one.split, one.dialogue) for one in utterances]
    room = {name: rooms * random.standard_normal(DIM) for name in dict.fromkeys(names)}
    rows = np.stack([room[name] for name in names]) + random.standard_normal((len(names), DIM))
    return rows.astype(np.float32)


def test_a_shift_is_found_with_its_size_and_its_dimension() -> None:
    utterances = made_utterances({Split.TRAIN: 60, Split.TEST: 40})
    vectors = made_vectors(utterances, rooms=0.0)
    is_test = np.array([one.split is Split.TEST for one in utterances])
    vectors[is_test, 7] += 2.0
    (found,) = drifts_of(vectors, utterances, np.ones(len(vectors), dtype=bool))
    first, second = vectors[~is_test].astype(np.float64), vectors[is_test].astype(np.float64)
    pooled = ((len(first) - 1) * first.var(0, ddof=1) + (len(second) - 1) * second.var(0, ddof=1)) / (
        len(vectors) - 2
    )
    by_hand = (second.mean(0) - first.mean(0)) / np.sqrt(pooled)
    assert found.distance == pytest.approx(np.sqrt(np.mean(by_hand**2)), rel=1e-5)
    assert found.furthest[0] == (7, pytest.approx(by_hand[7], rel=1e-5))
    assert found.p_value == pytest.approx(1 / 501)
    assert found.rows == (360, 240)


@pytest.mark.parametrize("rooms", [0.0, 2.0])
def test_splits_by_chance_are_rarely_called_different(rooms: float) -> None:
    utterances = made_utterances({Split.TRAIN: 30, Split.TEST: 12})
    good = np.ones(len(utterances), dtype=bool)
    found = [
        drifts_of(made_vectors(utterances, rooms=rooms, seed=seed), utterances, good, permutations=99)[0]
        for seed in range(60)
    ]
    below = sum(one.p_value <= 0.05 for one in found)
    assert below <= 9  # of 60 true nulls 3 are expected; 10 or more have a chance of 1 in 1,300


def test_rows_without_a_vector_and_constant_dimensions_do_not_count() -> None:
    utterances = made_utterances({Split.TRAIN: 20, Split.DEV: 10, Split.TEST: 10})
    vectors = made_vectors(utterances, rooms=0.5)
    usable = np.arange(len(vectors)) % 5 != 0
    expected = drifts_of(
        vectors[usable],
        [u for u, k in zip(utterances, usable, strict=True) if k],
        np.ones(usable.sum(), dtype=bool),
    )
    spoilt = vectors.copy()
    spoilt[~usable] = 1e6
    found = drifts_of(spoilt, utterances, usable)
    assert [one.second for one in found] == [Split.DEV, Split.TEST]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.distance == pytest.approx(theirs.distance, rel=1e-4)
    with_constant = np.concatenate([vectors, np.full((len(vectors), 3), 7.3, dtype=np.float32)], axis=1)
    ours = drifts_of(with_constant, utterances, usable)[0]
    assert ours.distance == pytest.approx(expected[0].distance, rel=1e-4)


def test_the_same_seed_gives_the_same_p_values() -> None:
    utterances = made_utterances({Split.TRAIN: 10, Split.TEST: 5})
    vectors, good = made_vectors(utterances, rooms=1.0), np.ones(90, dtype=bool)
    assert drifts_of(vectors, utterances, good) == drifts_of(vectors, utterances, good)


def test_the_table_names_features_splits_and_distances() -> None:
    utterances = made_utterances({Split.TRAIN: 10, Split.TEST: 5})
    found = drifts_of(made_vectors(utterances, rooms=0.0), utterances, np.ones(90, dtype=bool))
    *_, grid = drift_blocks({"audio": found})
    assert isinstance(grid, Grid)
    assert grid.table.rows[0][:3] == ("audio", "train → test", "60 and 30")


def test_one_split_alone_drifts_nowhere() -> None:
    utterances = made_utterances({Split.TRAIN: 10, Split.TEST: 1})
    vectors, good = made_vectors(utterances, rooms=0.0), np.ones(66, dtype=bool)
    assert drifts_of(vectors, utterances, good) == []
    assert drifts_of(vectors, utterances, ~good) == []
    assert isinstance(next(iter(drift_blocks({"audio": []}))), Paragraph)
