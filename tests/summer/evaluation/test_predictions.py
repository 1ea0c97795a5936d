"""Predictions and their table: what goes in comes back bit by bit; what cannot be is named with its line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import (
    FIXED_COLUMNS,
    MODEL_NAME,
    Predictions,
    PredictionsError,
    aligned,
    models_of,
    read_predictions,
    write_predictions,
)
from tests.summer.evaluation.made_predictions import LABELS, predictions_of

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
MODELS = st.sampled_from(["teacher", "student"]) | st.from_regex(MODEL_NAME, fullmatch=True).filter(
    lambda name: name not in FIXED_COLUMNS
)


def assert_same(found: Predictions, expected: Predictions) -> None:
    for name in ("model", "seed", "split", "ids", "dialogues"):
        assert getattr(found, name) == getattr(expected, name)
    np.testing.assert_array_equal(found.truths, expected.truths)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    labels = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    ids = tuple(draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)))
    rows = len(ids)
    facts = {
        "ids": ids,
        "dialogues": tuple(draw(st.lists(NAMES, min_size=rows, max_size=rows))),
        "truths": draw(arrays(np.int64, rows, elements=st.integers(-1, len(labels) - 1))),
    }
    shares = arrays(np.float32, (rows, len(labels)), elements=st.floats(0, 1, width=32))
    models = draw(st.lists(MODELS, min_size=1, max_size=3, unique=True))
    first = draw(st.integers(0, 49))  # of the seeds: there all models stand, so that their order is this one
    places = [(seed, split) for seed in (first, first + 1) for split in (Split.DEV, Split.TEST)]
    return [
        {"model": model, "seed": seed, "split": split, "probabilities": draw(shares), **facts}
        for seed, split in places[: draw(st.integers(1, 4))]
        for model in models
        if (seed, split) == places[0] or draw(st.booleans())
    ], labels


@settings(deadline=None, max_examples=60)
@given(runs())
def test_a_table_gives_back_what_was_written_bit_by_bit(
    run: tuple[list[dict[str, Any]], tuple[str, ...]],
) -> None:
    written, labels = [Predictions(**fields) for fields in run[0]], LabelSet(run[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.csv"
        write_predictions(path, written, labels)
        read, read_labels = read_predictions(path)
    assert read_labels == labels
    for found, expected in zip(read, written, strict=True):
        assert_same(found, expected)
        np.testing.assert_array_equal(found.guesses, expected.guesses)


def test_the_order_of_writing_and_of_rows_does_not_matter(tmp_path: Path) -> None:
    teacher = predictions_of([0, 1, 2], [0, 1, 1])
    student = predictions_of([0, 1, 2], [0, 2, 2], model="student")
    turned = replace(
        student,
        ids=student.ids[::-1],
        dialogues=student.dialogues[::-1],
        truths=student.truths[::-1].copy(),
        probabilities=student.probabilities[::-1].copy(),
    )
    write_predictions(tmp_path / "a.csv", [teacher, student], LABELS)
    write_predictions(tmp_path / "b.csv", [replace(teacher, seed=1), teacher, turned], LABELS)
    (first, second), _ = read_predictions(tmp_path / "a.csv")
    found, _ = read_predictions(tmp_path / "b.csv")
    assert [(one.model, one.seed) for one in found] == [("teacher", 0), ("student", 0), ("teacher", 1)]
    assert_same(found[0], first)
    assert_same(found[1], second)


@pytest.mark.parametrize("names", list(permutations(("late-fusion", "dialogue-rnn-2", "mlp"))))
def test_any_models_with_hyphens_in_their_names_go_out_and_come_back_in_their_order(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    labels = LabelSet(("not_sure", "so_so_", "_"))
    written = [
        predictions_of([0, 1, 2], [place, 1, 2], model=name, seed=seed)
        for seed in (0, 1)
        for place, name in enumerate(names)
        if (seed, place) != (1, 0)  # the first model has one seed, the others two
    ]
    write_predictions(tmp_path / "p.csv", written, labels)
    header = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header == [
        *("seed", "split", "id", "dialogue", "truth", *names),
        *(f"{name}_{label}" for name in names for label in labels.names),
    ]
    found, found_labels = read_predictions(tmp_path / "p.csv")
    assert found_labels == labels
    assert models_of(found) == list(names)
    for one, expected in zip(found, written, strict=True):
        assert_same(one, expected)


@pytest.mark.parametrize("name", ["my_model", "MLP", "-mlp", "", "mlp 2", "seed", "split", "id", "truth"])
def test_a_name_that_the_table_could_not_keep_is_refused(name: str) -> None:
    with pytest.raises(PredictionsError, match="is no name of a model; give small letters, digits and hyph"):
        predictions_of([0], [0], model=name)


def test_a_table_of_before_0_2_0_is_read_its_student_without_cells_left_out(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(
        "seed,split,id,dialogue,truth,teacher,student,teacher_neutral,teacher_joy,teacher_anger,"
        "student_neutral,student_joy,student_anger\n"
        "0,test,test/utt0,dia0,neutral,joy,,0.1,0.8,0.1,,,\n"
        "0,test,test/utt1,dia0,,anger,,0.1,0.1,0.8,,,\n",
        encoding="utf-8",
    )
    (found,), labels = read_predictions(path)
    assert labels == LABELS
    assert_same(found, predictions_of([0, -1], [1, 2]))


def test_the_table_reads_well_in_a_spreadsheet(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", [predictions_of([0, -1], [1, 2])], LABELS)
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines() == [
        "seed,split,id,dialogue,truth,teacher,teacher_neutral,teacher_joy,teacher_anger",
        "0,test,test/utt0,dia0,neutral,joy,0.1,0.8,0.1",
        "0,test,test/utt1,dia0,,anger,0.1,0.1,0.8",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ("a", "b")}, "2 ids for 3 rows"),
        ({"ids": ("a", "b", "a")}, "utterance 'a' is there twice"),
        ({"dialogues": ("d",)}, "1 dialogues for 3 rows"),
        ({"truths": np.array([0, 1, 3])}, "truths from 0 to 3 for 3 classes"),
        ({"truths": np.array([0, 1, -2])}, "truths from -2"),
        ({"probabilities": np.full((3, 3), np.nan, dtype=np.float32)}, "not a finite number"),
        ({"probabilities": np.zeros(3, dtype=np.float32)}, r"shape \(3,\)"),
        ({"probabilities": np.zeros((0, 3), dtype=np.float32)}, r"shape \(0, 3\)"),
    ],
)
def test_predictions_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        replace(predictions_of([0, 1, 2], [0, 1, 1]), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ("test/utt0", "test/utt9", "test/utt2")}, "'test/utt1' is only in the first"),
        ({"truths": np.array([0, 2, 2])}, "do not agree on the dialogue or truth of 'test/utt1'"),
        ({"dialogues": ("dia0", "dia0", "dia1")}, "do not agree on the dialogue or truth of 'test/utt2'"),
        ({"split": Split.DEV}, "different splits"),
    ],
)
def test_predictions_of_other_utterances_are_refused_by_the_first_that_differs(
    change: dict[str, object], message: str
) -> None:
    reference = predictions_of([0, 1, 2], [0, 1, 1])
    with pytest.raises(PredictionsError, match=message):
        aligned(replace(reference, **change), reference)


def test_an_utterance_too_many_is_refused() -> None:
    with pytest.raises(PredictionsError, match="'test/utt3' is only in the second"):
        aligned(predictions_of([0, 1, 2, 0], [0, 1, 1, 0]), predictions_of([0, 1, 2], [0, 1, 1]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.8,0.1\n", "0.8", "is cut off"),
        ("0.8,0.1\n", "0.8\n", "line 2: 8 cells for 9 columns"),
        ("neutral,joy", "sad,joy", "line 2: label 'sad' is not one of neutral, joy, anger"),
        ("neutral,joy", "neutral,anger", "line 2: the teacher's label is 'anger'"),
        ("0.8,0.1", "0.8,", "line 2: could not convert"),
        ("0.8,0.1", "nan,0.1", "line 2|from line 2"),
        ("0,test,", "0,tset,", "from line 2: 'tset' is not a valid Split"),
        ("0,test,", "x,test,", "from line 2: invalid literal"),
        ("seed,", "sead,", "its columns are sead"),
        ("teacher_anger", "anger", "its columns are"),
        ("0,test,", '0,"test,', "not a table"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(path, [predictions_of([0], [1])], LABELS)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert "summer-train" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", None])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "predictions.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PredictionsError, match="summer-train"):
        read_predictions(path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(path, [predictions_of([0], [1])], LABELS)
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(PredictionsError, match="holds no predictions"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("written", "labels", "message"),
    [
        ([], LABELS, "at least one"),
        ([predictions_of([0], [1])] * 2, LABELS, "given twice"),
        ([predictions_of([0], [1])], LabelSet(("joy", "anger")), "3 classes, but the labels are joy, anger"),
        ([predictions_of([0], [1])], LabelSet(("joy", "anger", "")), "every label a name"),
    ],
)
def test_nothing_is_written_that_could_not_be_read(
    tmp_path: Path, written: list[Predictions], labels: LabelSet, message: str
) -> None:
    with pytest.raises(PredictionsError, match=message):
        write_predictions(tmp_path / "p.csv", written, labels)
    assert not list(tmp_path.iterdir())


def test_importing_the_evaluation_loads_neither_torch_nor_matplotlib() -> None:
    program = (
        "import sys\n"
        "from summer.evaluation import predictions, scores, significance\n"
        "from summer.report import figures, tables\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
