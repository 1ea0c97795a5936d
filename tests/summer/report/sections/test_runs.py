"""What a report says of a run: scores as scikit-learn has them, its training, what it cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from summer.corpus import Split
from summer.report.document import Chart, Grid, Heading, Paragraph
from summer.report.sections.run import EpochCost, ReportedRun, run_section
from summer.report.sections.scores import scores_blocks
from summer.report.sections.training import training_blocks
from tests.summer.evaluation.made_predictions import LABELS, made_system, made_truths, predictions_of
from tests.summer.report.conversation.made_up_talk import EVIL

TRUTHS = made_truths(np.random.default_rng(0), 80)
SYSTEM = made_system(np.random.default_rng(1), TRUTHS, right=0.7, seeds=2, model="student")
EPOCH: dict[str, Any] = {"losses": {"total": 2.0}, "selected_on": "dev", "loss": 1.5, "w_f1": 0.5}


def test_bars_and_confusion_are_means_over_seeds() -> None:
    blocks = list(scores_blocks(SYSTEM, LABELS, {}, Split.DEV))
    bars, confusion = (block for block in blocks if isinstance(block, Chart))
    f1 = np.mean([f1_score(one.truths, one.guesses, average=None) for one in SYSTEM], axis=0)
    assert [one["value"] for one in bars.spec["data"]["values"]] == pytest.approx(100 * f1, rel=1e-3)
    assert all(one["low"] < one["value"] < one["high"] for one in bars.spec["data"]["values"])
    shares = np.mean([confusion_matrix(one.truths, one.guesses) for one in SYSTEM], axis=0)
    shares /= shares.sum(axis=1, keepdims=True)
    assert [one["share"] for one in confusion.spec["data"]["values"]] == pytest.approx(
        shares.ravel(), rel=1e-3
    )
    assert "mean of 2 seeds" in confusion.title


def test_the_split_that_chose_the_epoch_is_warned_of() -> None:
    warned = [
        block for block in scores_blocks(SYSTEM, LABELS, {}, Split.TEST) if isinstance(block, Paragraph)
    ]
    assert [block.is_warning for block in warned] == [True]
    assert not [b for b in scores_blocks(SYSTEM, LABELS, {}, Split.DEV) if isinstance(b, Paragraph)]


def test_intervals_are_those_of_results_json_and_a_dash_without_it() -> None:
    results = {"student": {"test": {"w_f1_interval_95": [0.5, 0.75]}}}
    for known, cell in ((results, "[50.00, 75.00]"), ({}, "–")):
        grids = [b for b in scores_blocks(SYSTEM, LABELS, known, Split.DEV) if isinstance(b, Grid)]
        assert grids[1].table.rows[0][3] == cell


def test_a_class_without_utterances_has_no_bar_and_no_row_of_shares() -> None:
    system = [predictions_of([0, 1, 0, 1], [0, 1, 2, 1])]
    bars, confusion = (b for b in scores_blocks(system, LABELS, {}, Split.DEV) if isinstance(b, Chart))
    assert {one["emotion"] for one in bars.spec["data"]["values"]} == {"neutral", "joy"}
    assert {one["truth"] for one in confusion.spec["data"]["values"]} == {"neutral", "joy"}


def test_without_a_known_truth_nothing_is_scored() -> None:
    system = [predictions_of([-1, -1], [0, 1])]
    (said,) = scores_blocks(system, LABELS, {}, Split.DEV)
    assert isinstance(said, Paragraph)


def test_every_family_that_a_history_has_gets_a_chart_and_no_other() -> None:
    inside = {"phi": {"text from audio": 0.5}, "tau": {"text": 1.0}}
    drawn = {"kept_experts": {"text": 0.9}, "modality_weights": {"text": 0.6, "audio": 0.4}}
    histories = {
        "student": [[{**EPOCH, "epoch": k, "inside": inside, "drawn": drawn} for k in (1, 2)]],
        "teacher": [[{**EPOCH, "epoch": 0, "losses": {}}]],
    }
    blocks = list(training_blocks(histories))
    headings = [block.words for block in blocks if isinstance(block, Heading)]
    assert headings == ["Training of student", "Training of teacher"]
    titles = [block.title for block in blocks if isinstance(block, Chart)]
    assert titles == [
        "student: losses in training",
        "student: loss on dev",
        "student: w-F1 on dev, which chooses the epoch",
        "student: share of experts that an utterance keeps (equation 3)",
        "student: weight of each modality",
        "student: phi of each attention of HCMF (equation 8)",
        "student: tau of each SDMoE (equation 4)",
        "teacher: loss on dev",
        "teacher: w-F1 on dev, which chooses the epoch",
    ]
    assert list(training_blocks({"majority": [[]]})) == []


def test_the_words_of_a_chart_say_where_its_lines_begin_and_end() -> None:
    history = [{**EPOCH, "epoch": k, "losses": {"total": 4.0 / k}} for k in (1, 2, 4)]
    chart = next(block for block in training_blocks({"student": [history]}) if isinstance(block, Chart))
    assert "total from 4 to 1" in chart.says
    assert [one["value"] for one in chart.spec["data"]["values"]] == [4.0, 2.0, 1.0]


def test_a_section_has_facts_and_costs_under_the_name_of_the_run() -> None:
    run = ReportedRun(
        name=EVIL,
        predictions=SYSTEM,
        labels=LABELS,
        facts=[("commit", "abc")],
        costs={"student": EpochCost(epochs=6, seconds=1.5, processor_seconds=3.0)},
    )
    section = run_section(run)
    assert section.title == f"Run {EVIL}"
    grid = next(b for b in section.blocks if isinstance(b, Grid) and "median epoch" in b.caption)
    assert grid.table.rows == (("student", "6", "1.50", "3.00"),)
