"""`summer-evaluate` as a user types it: what it prints, what it refuses, how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner, Result

from pipelines.evaluate.command import app
from pipelines.evaluate.display import in_words
from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import Predictions, write_predictions
from summer.evaluation.significance import PairedTest, bootstrap_interval, holm, paired_test
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
    assert f"p = {test.p_value:.4f}; 3 and 2 seeds, 20 dialogues (such a difference is rare" in words(result)
    assert "points of w-F1, over dialogues and seeds: 95 % interval [" in words(result)
    assert "correction" not in result.output
    low, high = (100 * bound for bound in bootstrap_interval(TEACHERS))
    assert f"teacher: w-F1 95 % interval [{low:.2f}, {high:.2f}] over dialogues and 3 seeds; " in words(
        result
    )
    sure = [100 * abs((one.guesses == one.truths).mean() - 0.8) for one in TEACHERS]  # each guess is 0.8 sure
    assert f"ECE {mean(sure):.2f} ± {stdev(sure):.2f} student:" in words(result)
    macro = [100 * f1_score(TRUTHS, one.guesses, average="macro") for one in TEACHERS]
    assert f"macro-F1 {mean(macro):.2f} ± {stdev(macro):.2f}, ECE" in words(result)
    assert "too high" not in result.output


def test_several_comparisons_of_one_run_are_corrected_and_said_to_be(tmp_path: Path) -> None:
    rivals = [replace(one, model="rival") for one in made_system(RANDOM, TRUTHS, right=0.8, seeds=3)]
    result = typed(made_run(tmp_path / "run", [*TEACHERS, *rivals, *STUDENTS]))
    assert result.exit_code == 0, result.output
    raw = [paired_test(system, STUDENTS).p_value for system in (TEACHERS, rivals)]
    for p_value, corrected in zip(raw, holm(raw), strict=True):
        expected = (
            f"p = {p_value:.4f}, {corrected:.4f} with Holm's correction for 2 comparisons; 3 and 2 seeds"
        )
        assert expected in words(result)


def test_the_corrected_p_value_decides_and_what_is_too_small_to_show_is_bounded() -> None:
    test = PairedTest(
        difference=0.01,
        interval_95=(0.001, 0.02),
        p_value=0.03,
        p_dialogues=0.01,
        seeds=(3, 3),
        paired_seeds=True,
        dialogues=50,
    )
    assert in_words("A", "B", test) == (
        "B is higher than A by 1.00 points of w-F1, over dialogues and seeds: 95 % interval [0.10, 2.00], "
        "p = 0.0300; 3 and 3 seeds in pairs, 50 dialogues (such a difference is rare between systems that "
        "are alike)"
    )
    corrected = in_words("A", "B", test, corrected=0.06, comparisons=2)
    assert "p = 0.0300, 0.0600 with Holm's correction for 2 comparisons; 3" in corrected
    assert "these dialogues and seeds do not decide" in corrected
    least = replace(test, p_value=0.00002)
    assert "p < 0.0001; 3" in in_words("A", "B", least)
    assert "p < 0.0001, < 0.0001 with Holm's" in in_words("A", "B", least, corrected=0.00004, comparisons=2)


def test_with_one_seed_each_nothing_is_claimed_of_other_seeds(tmp_path: Path) -> None:
    result = typed(made_run(tmp_path / "run", [TEACHERS[0], STUDENTS[0]]))
    assert result.exit_code == 0, result.output
    assert "] over dialogues alone, for there is 1 seed; macro-F1 " in words(result)
    assert "points of w-F1, over dialogues alone: 95 % interval [" in words(result)
    assert "1 and 1 seeds, 20 dialogues (" in words(result)
    assert "with 1 seed each, nothing is said of other seeds)" in words(result)


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
    assert "B is level with A in w-F1, over dialogues and seeds: 95 % interval [0.00, 0.00]" in words(result)
    assert "p = 1.0000; 3 and 3 seeds in pairs, 20 dialogues (" in words(result)
    assert "these dialogues and seeds do not decide" in words(result)
    for name in ("macro-F1", "ECE"):
        assert name in result.output


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
