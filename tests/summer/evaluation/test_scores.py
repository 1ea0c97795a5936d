"""Scores against counts by hand and against scikit-learn; results and tables of several seeds."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from summer.corpus import LabelSet, Split
from summer.evaluation.confusion import ScoreError
from summer.evaluation.predictions import PredictionsError
from summer.evaluation.scores import results, score
from summer.evaluation.significance import bootstrap_interval
from summer.report.tables import Table, paper_table
from tests.summer.evaluation.made_predictions import (
    LABELS,
    counted_w_f1,
    made_system,
    made_truths,
    predictions_of,
)


def test_scores_are_those_counted_by_hand() -> None:
    #                        neutral x4  joy x2  anger x2; one unknown
    found = score(predictions_of([0, 0, 0, 0, 1, 1, 2, 2, -1], [0, 0, 0, 1, 1, 0, 0, 1, 2]), LABELS)
    assert found.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [1, 1, 0]]
    assert found.w_acc == pytest.approx(4 / 8)
    neutral, joy, anger = found.per_class.values()
    assert (neutral.recall, neutral.precision, neutral.support) == (3 / 4, 3 / 5, 4)
    assert neutral.f1 == pytest.approx(6 / 9)
    assert (joy.recall, joy.precision) == (1 / 2, 1 / 3)
    assert joy.f1 == pytest.approx(2 / 5)
    assert (anger.recall, anger.precision, anger.f1, anger.support) == (0, 0, 0, 2)
    assert found.w_f1 == pytest.approx((4 * 6 / 9 + 2 * 2 / 5) / 8)
    assert found.macro_f1 == pytest.approx((6 / 9 + 2 / 5 + 0) / 3)
    assert found.ece == pytest.approx(abs(4 / 8 - 0.8))  # each guess is 0.8 sure: one bin


def test_scores_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    truths = random.choice(5, 200, p=[0.6, 0.2, 0.1, 0.1, 0.0])  # the last class is absent
    guesses = np.where(random.random(200) < 0.4, truths, random.integers(0, 5, 200))
    labels = LabelSet(("a", "b", "c", "d", "ünïcode"))
    found = score(predictions_of(truths.tolist(), guesses.tolist(), classes=5), labels)
    assert found.w_f1 == pytest.approx(f1_score(truths, guesses, average="weighted", zero_division=0))
    assert found.w_acc == pytest.approx(accuracy_score(truths, guesses))
    np.testing.assert_array_equal(found.confusion, confusion_matrix(truths, guesses, labels=range(5)))
    expected = precision_recall_fscore_support(truths, guesses, labels=range(5), zero_division=0)
    for place, one in enumerate(found.per_class.values()):
        ours = (one.precision, one.recall, one.f1, one.support)
        assert ours == pytest.approx([column[place] for column in expected])
    assert found.per_class["ünïcode"].support == 0


@pytest.mark.parametrize(
    ("truths", "labels", "message"),
    [
        ([-1, -1], LABELS, "teacher, seed 0, test: no utterance has a known truth"),
        ([0, 1], LabelSet(("joy", "anger")), "3 classes, but the labels are joy, anger"),
    ],
)
def test_what_cannot_be_scored_is_refused(truths: list[int], labels: LabelSet, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        score(predictions_of(truths, [0, 1]), labels)


def test_results_hold_one_value_a_seed_in_order_of_seed() -> None:
    random = np.random.default_rng(2)
    truths = made_truths(random, 40)
    teachers = made_system(random, truths, right=0.4, seeds=3)
    students = [replace(one, model="student", split=Split.DEV) for one in teachers[:1]]
    unlabelled = predictions_of([-1] * 4, [0] * 4, split=Split.DEV)
    found = results([*teachers[::-1], *students, unlabelled], LABELS)
    assert json.loads(json.dumps(found)) == found
    assert {model: list(splits) for model, splits in found.items()} == {
        "teacher": ["test"],
        "student": ["dev"],
    }
    test = found["teacher"]["test"]
    expected = [counted_w_f1(list(zip(truths, map(int, one.guesses), strict=True))) for one in teachers]
    assert test["w_f1"] == pytest.approx(expected)
    assert test["w_acc"] == pytest.approx([(one.guesses == one.truths).mean() for one in teachers])
    assert test["macro_f1"] == pytest.approx(
        [f1_score(truths, one.guesses, average="macro", zero_division=0) for one in teachers]
    )
    assert test["ece"] == pytest.approx([abs((one.guesses == one.truths).mean() - 0.8) for one in teachers])
    assert test["w_f1_mean"] == pytest.approx(statistics.mean(expected))
    assert test["w_f1_std"] == pytest.approx(statistics.stdev(expected))
    assert test["w_f1_interval_95"] == list(bootstrap_interval(teachers))
    assert test["per_class"]["anger"]["support"] == truths.count(2)
    assert [len(test["per_class"]["anger"][name]) for name in ("acc", "f1")] == [3, 3]
    assert found["student"]["dev"]["w_f1_std"] is None


def test_a_seed_given_twice_is_refused() -> None:
    with pytest.raises(ScoreError, match="teacher, seed 0, test: given twice"):
        results([predictions_of([0, 1], [0, 1])] * 2, LABELS)


def test_seeds_of_different_utterances_are_refused() -> None:
    with pytest.raises(PredictionsError, match="'test/utt1' is only in the first"):
        results([predictions_of([0, 1], [0, 1]), predictions_of([0], [0], seed=1)], LABELS)


def test_the_table_has_the_layout_of_the_paper() -> None:
    truths = [0, 0, 1, 1]
    seeds = [
        predictions_of(truths, guesses, seed=seed)
        for seed, guesses in enumerate([[0, 0, 1, 1], [0, 1, 1, 1]])
    ]
    student = predictions_of(truths, [0, 0, 1, 1], model="student")
    table = paper_table([*seeds, student], LABELS)
    assert table.header == (
        *("", "neutral ACC", "neutral F1", "joy ACC", "joy F1", "anger ACC", "anger F1", "w-ACC", "w-F1"),
    )
    # seed 1: neutral recall 1/2, F1 2/3; joy recall 1, F1 4/5; two values spread by |a - b| / sqrt 2
    assert table.rows[0] == (
        *("Teacher Model", "75.00 ± 35.36", "83.33 ± 23.57", "100.00 ± 0.00", "90.00 ± 14.14", "–", "–"),
        *("87.50 ± 17.68", "86.67 ± 18.86"),
    )
    assert table.rows[1] == ("Student Model", *["100.00"] * 4, "–", "–", "100.00", "100.00")


def test_a_table_of_a_run_selected_on_test_says_so() -> None:
    table = paper_table([predictions_of([0], [0])], LABELS, selected_on=Split.TEST)
    assert table.rows[0][0] == "Teacher Model (epoch chosen on test)"


def test_a_table_without_predictions_of_the_split_is_refused() -> None:
    with pytest.raises(ScoreError, match="no predictions of dev"):
        paper_table([predictions_of([0], [0])], LABELS, split=Split.DEV)


def test_markdown_survives_bars_and_line_ends_in_labels() -> None:
    table = Table(header=("", "a|b"), rows=(("x\ny", "1"),))
    assert table.markdown() == "|  | a\\|b |\n| :--- | ---: |\n| x y | 1 |\n"
    assert table.turned() == Table(header=("", "x\ny"), rows=(("a|b", "1"),))
