"""`summer-data diff`: a line for each thing in which two stores differ, however many rows it touches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.data.command import app
from summer.corpus import Modality
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable

LONG = "a setting of many words that no cell of a table is wide enough for " * 3
CHANGED = 12  # rows whose vectors differ
FIRST_GONE = 20  # rows from here on are missing in one of the stores


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path]:
    made = made_learnable()
    features = made.features[Modality.AUDIO]
    vectors, usable = features.vectors.copy(), features.usable.copy()
    vectors[:CHANGED] += 0.5
    vectors[3] = -features.vectors[3]
    vectors[FIRST_GONE:] = 0
    usable[FIRST_GONE:] = False
    other = replace(
        made, features={**made.features, Modality.AUDIO: replace(features, vectors=vectors, usable=usable)}
    )
    return (
        write_store(tmp_path / "a.h5", made, Modality.AUDIO, settings={"model": LONG}),
        write_store(tmp_path / "b.h5", other, Modality.AUDIO, settings={"model": "short"}),
    )


def shown(first: Path, second: Path, *more: str) -> list[str]:
    result = CliRunner().invoke(app, ["diff", str(first), str(second), *more])
    assert result.exit_code == 1, result.output
    return result.output.splitlines()


def test_many_rows_that_differ_alike_are_one_line(stores: tuple[Path, Path]) -> None:
    first, second = stores
    ids = [utterance.id for utterance in made_learnable().utterances]
    assert shown(first, second) == [
        f"A  {first}",
        f"B  {second}",
        f"settings model: A {LONG!r}, B 'short'",
        f"vectors of {CHANGED} rows; the least alike {ids[3]}: cosine -1.000000",
        f"status of {len(ids) - FIRST_GONE} rows: A ok, B missing; the first {ids[FIRST_GONE]}",
        "--rows lists each of them",
    ]


def test_each_row_is_named_where_that_is_asked_for(stores: tuple[Path, Path]) -> None:
    lines = shown(*stores, "--rows")
    ids = [utterance.id for utterance in made_learnable().utterances]
    assert sum(line.startswith("vector of ") for line in lines) == CHANGED
    assert [line for line in lines if line.startswith("status of ")] == [
        f"status of {name}: A 'ok', B 'missing'" for name in ids[FIRST_GONE:]
    ]


def test_rows_of_one_store_alone_are_counted(tmp_path: Path) -> None:
    made = made_learnable()
    features = made.features[Modality.AUDIO]
    fewer = replace(
        made,
        utterances=made.utterances[:-4],
        features={
            Modality.AUDIO: replace(features, vectors=features.vectors[:-4], usable=features.usable[:-4])
        },
    )
    first = write_store(tmp_path / "a.h5", made, Modality.AUDIO)
    second = write_store(tmp_path / "b.h5", fewer, Modality.AUDIO)
    gone = made.utterances[-4].id
    assert shown(first, second)[2:] == [f"4 rows only in A, the first {gone}", "--rows lists each of them"]
    assert shown(second, first)[2] == f"4 rows only in B, the first {gone}"
