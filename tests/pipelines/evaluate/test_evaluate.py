"""`summer-evaluate` as a user types it: what it prints, what it refuses, how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipelines.evaluate.command import app
from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import Predictions, write_predictions
from summer.evaluation.significance import paired_test
from tests.summer.evaluation.made_predictions import LABELS, made_system, made_truths

RANDOM = np.random.default_rng(0)
TRUTHS = made_truths(RANDOM, 80)
TEACHERS = made_system(RANDOM, TRUTHS, right=0.3, seeds=3)
STUDENTS = made_system(RANDOM, TRUTHS, right=0.9, seeds=2, model="student")


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made_run(
    folder: Path, predictions: Sequence[Predictions], *, labels: LabelSet = LABELS, **recorded: str
) -> Path:
    write_predictions(folder / "predictions.csv", predictions, labels)
    if recorded:
        (folder / "results.json").write_text(json.dumps(recorded), encoding="utf-8")
    return folder


def words(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_run_shows_its_table_and_tests_its_student_against_its_teacher(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", [*TEACHERS, *STUDENTS], corpus="meld", protocol="official")
    result = typed(run)
    assert result.exit_code == 0, result.output
    test = paired_test(TEACHERS, STUDENTS)
    assert "Teacher Model" in result.output
    assert "anger F1" in result.output
    assert "meld, official" in words(result)
    assert f"the student is higher than the teacher by {100 * test.difference:.2f} points" in words(result)
    assert f"p = {test.p_value:.2g}; 3 and 2 seeds, 20 dialogues (such a difference is rare" in words(result)
    assert "too high" not in result.output


def test_a_run_of_a_teacher_alone_shows_its_table(tmp_path: Path) -> None:
    result = typed(made_run(tmp_path / "run", TEACHERS))
    assert result.exit_code == 0, result.output
    assert "Teacher Model" in result.output
    assert "student" not in result.output.lower()


def test_two_runs_are_compared_by_their_students(tmp_path: Path) -> None:
    weak = [replace(one, model="student") for one in TEACHERS]
    first = made_run(tmp_path / "a", [*TEACHERS, *STUDENTS], protocol="official")
    second = made_run(tmp_path / "b", weak)
    result = typed(first, second)
    assert result.exit_code == 0, result.output
    assert "student, test" in result.output
    points = -100 * paired_test(STUDENTS, weak).difference
    assert f"B is lower than A by {points:.2f} points of w-F1" in words(result)
    assert "2 and 3 seeds" in words(result)


def test_a_run_is_level_with_itself_and_the_model_can_be_chosen(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", [*TEACHERS, *STUDENTS])
    result = typed(run, run, "--model", "teacher")
    assert result.exit_code == 0, result.output
    assert "teacher, test" in result.output
    assert "B is level with A in w-F1, 95 % interval [0.00, 0.00], p = 1; 3 and 3 seeds" in words(result)
    assert "these dialogues do not decide" in words(result)


def test_runs_without_common_student_are_compared_by_their_teachers(tmp_path: Path) -> None:
    both = made_run(tmp_path / "a", [*TEACHERS, *STUDENTS])
    result = typed(both, made_run(tmp_path / "b", TEACHERS))
    assert "teacher, test" in result.output


def test_the_split_that_chose_the_epoch_is_named_wherever_its_scores_are(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", TEACHERS, selected_on="test")
    for result in (typed(run), typed(run, made_run(tmp_path / "fair", TEACHERS))):
        assert result.exit_code == 0, result.output
        assert "chosen" in result.output
        assert "test chose the epoch, so its scores on test are too high" in words(result)
    dev = made_run(tmp_path / "dev", [replace(one, split=Split.DEV) for one in TEACHERS])
    assert "dev chose the epoch" in words(typed(dev, "--split", "dev"))


def refused(*arguments: str | Path) -> str:
    result = typed(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return words(result)


@pytest.mark.parametrize("key", ["corpus", "protocol"])
def test_runs_of_another_corpus_or_protocol_are_refused(tmp_path: Path, key: str) -> None:
    first = made_run(tmp_path / "a", TEACHERS, **{key: "iemocap"})
    second = made_run(tmp_path / "b", TEACHERS, **{key: "meld"})
    assert f"cannot be compared: {key} 'iemocap' and 'meld'" in refused(first, second)


def test_runs_of_other_labels_or_utterances_are_refused(tmp_path: Path) -> None:
    first = made_run(tmp_path / "a", TEACHERS)
    other = made_run(tmp_path / "b", TEACHERS, labels=LabelSet(("neutral", "sadness", "anger")))
    assert "labels 'neutral, joy, anger' and 'neutral, sadness, anger'" in refused(first, other)
    renamed = [replace(one, ids=(*one.ids[:5], "test/new", *one.ids[6:])) for one in TEACHERS]
    message = refused(first, made_run(tmp_path / "c", renamed))
    assert "'test/utt5' is only in the first" in message
    assert str(first) in message


def test_what_is_no_run_is_refused_with_a_remedy(tmp_path: Path) -> None:
    assert "give a folder that summer-train --out has written" in refused(tmp_path)
    run = made_run(tmp_path / "run", TEACHERS)
    assert "there are no predictions of dev" in refused(run, "--split", "dev")
    assert "only teacher on test" in refused(run, run, "--model", "student")
    assert "holds no predictions of the tutor on test, only teacher on test" in refused(
        run, run, "--model", "tutor"
    )
    assert "give two runs" in refused(run, "--model", "teacher")
    for content in ("{", "[]", '{"selected_on": "tset"}'):
        (run / "results.json").write_text(content, encoding="utf-8")
        assert "results.json holds no results of a run" in refused(run)


def test_help_is_quick_because_it_loads_neither_torch_nor_numpy() -> None:
    program = (
        "import sys\nsys.argv = ['summer-evaluate', '--help']\nfrom pipelines.evaluate.command import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'numpy', 'matplotlib', 'sklearn')))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "--model" in finished.stdout
