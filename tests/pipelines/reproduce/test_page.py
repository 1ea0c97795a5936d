"""The page of a reproduction: its numbers are those of the runs, what failed is named."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from sklearn.metrics import f1_score

from pipelines.reproduce.jobs import Ended, Ending, Job
from pipelines.reproduce.page import Reproduction, write_page
from pipelines.reproduce.systems import SUMMER_RUN, catalogue
from summer.conversations.reading import Conversations, read_conversations
from summer.corpus import Modality, Split
from summer.runs import results
from summer.runs.experiment import train
from summer.training.models import kind_of
from summer.training.seed import ModelSettings, Settings
from tests.summer.made_up import LABELS, write_stores
from tests.summer.made_up_training import LENGTHS, SETTINGS, TRAINING, made_learnable

SEEDS = (0, 1)
WITH_CURVE = replace(TRAINING, test_curve=True)
TRIAL = replace(SETTINGS, teacher=TRAINING, student=TRAINING)
KIND = kind_of("regression")
SAME_TEACHERS = ("without-hcmf", "modalities-text", "without-residual")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Conversations]]:
    """The runs of some systems on two modalities; not to be changed."""
    AcceleratorState._reset_state(True)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_confusion", "draw_curves", "draw_learning"):  # no page has them; half of the time
            patch.setattr(results, name, lambda *_, **__: None)
        yield _trained(tmp_path_factory.mktemp("reproduction"))
    AcceleratorState._reset_state(True)


def _trained(folder: Path) -> tuple[Path, Conversations]:
    lengths = {**LENGTHS, Split.TEST: (4, 5, 3, 4, 4, 5)}
    stores = write_stores(folder, made_learnable(lengths, signal=1.5))

    def run(name: str, settings: Settings, *models: str, **options: object) -> None:
        chosen = {"settings": settings, "models": models, "seeds": SEEDS, "device": "cpu", **options}
        train(folder / "out" / "runs" / name, stores, **chosen)  # type: ignore[arg-type]

    watched = replace(TRIAL, teacher=WITH_CURVE, student=WITH_CURVE)
    run(SUMMER_RUN, watched, "teacher", "student", projection=True, distributions=True)
    run("majority", TRIAL, "majority")
    run("mlp", TRIAL, "mlp")
    run("regression-text-audio", TRIAL, "regression")
    teachers = folder / "out" / "runs" / SUMMER_RUN
    for name, changes in (
        ("without-hcmf", {"fusion": "self-attention"}),
        ("modalities-text", {"student": (Modality.TEXT,)}),
        ("without-residual", {"fusion_residual": False}),
    ):
        settings = replace(TRIAL, model=replace(TRIAL.model, **changes))  # type: ignore[arg-type]
        run(name, settings, "student", teacher_run=teachers)
    run("teacher-text-top-k", replace(TRIAL, model=replace(TRIAL.model, routing="top-k")), "teacher")
    on_test = ModelSettings(options=KIND.options(), training=replace(KIND.training, select_on=Split.TEST))
    run("regression-text-audio-on-test", replace(TRIAL, rivals={"regression": on_test}), "regression")
    return folder / "out", read_conversations(stores)


def reproduction_of(out: Path, conversations: Conversations) -> Reproduction:
    """All systems for these stores; those without a run have failed."""
    found = catalogue((Modality.TEXT, Modality.AUDIO), teacher=Modality.TEXT, has_head=False, on_test=True)
    ended = {}
    for system in found.systems:
        product = out / "runs" / system.name / "results.json"
        job = Job(name=system.name, words=("--model", system.name), product=product)
        is_done = product.is_file()
        ended[system.name] = Ended(
            job=job,
            ending=Ending.DONE if is_done else Ending.FAILED,
            reason="" if is_done else "out of luck",
        )
    return Reproduction(recipe="tiny", catalogue=found, conversations=conversations, seeds=SEEDS, ended=ended)


@pytest.fixture(scope="module")
def page(runs: tuple[Path, Conversations]) -> str:
    write_page(runs[0], reproduction_of(*runs))
    return (runs[0] / "page.md").read_text(encoding="utf-8")


def table(page: str, heading: str) -> list[dict[str, str]]:
    """The table below a heading, row by row."""
    below = page.partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def w_f1(run: Path, model: str) -> list[float]:
    """By scikit-learn, from the predictions, in percent, a number per seed."""
    scores = []
    for seed in SEEDS:
        with (run / f"seed{seed}" / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        names = [[row[f"{model}_{label}"] for label in LABELS.names] for row in rows]
        guesses = [LABELS.names[int(np.argmax([float(p) for p in of]))] for of in names]
        truths = [row["truth"] for row in rows]
        scores.append(100 * float(f1_score(truths, guesses, average="weighted", zero_division=0)))
    return scores


def best_on_test(history: Path) -> float:
    """The best of the curve, in percent."""
    return 100 * max(epoch["test_w_f1"] for epoch in json.loads(history.read_text(encoding="utf-8")))


def shown(scores: list[float]) -> str:
    return f"{np.mean(scores):.2f} ± {np.std(scores, ddof=1):.2f}"


@pytest.mark.parametrize(
    ("title", "run", "model"),
    [
        ("SUMMER, student", SUMMER_RUN, "student"),
        ("SUMMER, teacher", SUMMER_RUN, "teacher"),
        ("majority class", "majority", "majority"),
        ("MLP, modalities side by side", "mlp", "mlp"),
        ("logistic regression, text + audio", "regression-text-audio", "regression"),
    ],
)
def test_the_score_of_a_row_is_that_of_its_runs_predictions(
    title: str, run: str, model: str, page: str, runs: tuple[Path, Conversations]
) -> None:
    (row,) = [row for row in table(page, "All systems") if row["system"] == title]
    assert row["w-F1"] == shown(w_f1(runs[0] / "runs" / run, model))
    (same,) = [row for row in table(page, "Table 2: per class") if row["system"] == title]
    assert same["w-F1"] == row["w-F1"]


def test_systems_stand_in_order_and_the_students_lead_is_its_score_less_theirs(page: str) -> None:
    rows = table(page, "All systems")
    means = [float(row["w-F1"].split(" ")[0]) for row in rows]
    assert all(upper >= lower for upper, lower in pairwise(means))
    student = next(mean for row, mean in zip(rows, means, strict=True) if row["system"] == "SUMMER, student")
    for row, mean in zip(rows, means, strict=True):
        if row["system"] != "SUMMER, student":
            assert float(row["the student's lead"]) == pytest.approx(student - mean, abs=0.011)


def test_choosing_on_test_has_its_own_score_and_the_inflation_is_the_difference(
    page: str, runs: tuple[Path, Conversations]
) -> None:
    rows = {row["system"]: row for row in table(page, "All systems")}
    homes = {"SUMMER, teacher": (SUMMER_RUN, "teacher"), "SUMMER, student": (SUMMER_RUN, "student")}
    homes["logistic regression, text + audio"] = ("regression-text-audio", "regression")
    for title, (name, model) in homes.items():
        row, run = rows[title], runs[0] / "runs" / name
        honest = w_f1(run, model)
        if model == "regression":
            chosen = w_f1(runs[0] / "runs" / f"{name}-on-test", model)
        else:
            chosen = [best_on_test(run / f"seed{seed}" / f"{model}-history.json") for seed in SEEDS]
        assert row["w-F1 chosen on test"] == shown(chosen)
        assert float(row["inflation"]) == pytest.approx(np.mean(chosen) - np.mean(honest), abs=0.006)
    assert rows["majority class"]["inflation"] == "–"
    assert "w-F1 in the paper" not in rows["majority class"]  # it prints nothing of this corpus


def test_tables_3_and_4_and_the_figures_are_there(page: str, runs: tuple[Path, Conversations]) -> None:
    (row,) = table(page, "Table 3: modalities")
    assert (row["modalities"], row["w-F1"]) == (
        "text",
        shown(w_f1(runs[0] / "runs/modalities-text", "student")),
    )
    whole, without = table(page, "Table 4: components")
    assert whole["w-F1"] == shown(w_f1(runs[0] / "runs" / SUMMER_RUN, "student"))
    assert without["w-F1"] == shown(w_f1(runs[0] / "runs/without-hcmf", "student"))
    for number in (4, 5, 6, 7):
        assert f"(figure{number}.png)" in page
        assert (runs[0] / f"figure{number}.png").read_bytes().startswith(b"\x89PNG")


def test_what_failed_is_named_with_log_and_command_and_what_is_lacking_with_its_reason(
    page: str, runs: tuple[Path, Conversations]
) -> None:
    end = page.partition("## What could not be run")[2]
    log = runs[0] / "jobs" / "without-ikd" / "log.txt"
    assert (
        f"without-ikd: failed: out of luck. Log: `{log}`. To repeat it: `summer-train --model without-ikd`"
        in end
    )
    assert "text + audio + video: there is no video store." in end
    assert "the text store has no head" in end
    assert "summer: failed" not in end


def test_the_first_lines_say_what_is_lacking_what_was_counted_and_who_leads(page: str) -> None:
    first = page.partition("\n## ")[0]
    assert "Read: text and audio. **Without video**" in first
    assert "21 training, 9 dev and 25 test utterances" in first
    best = table(page, "All systems")[0]["system"]
    if best == "SUMMER, student":
        assert "**SUMMER's student leads**" in first
    else:
        assert f"**SUMMER does not lead**: {best} has" in first


def test_a_page_is_the_same_however_often_it_is_written(page: str, runs: tuple[Path, Conversations]) -> None:
    write_page(runs[0], reproduction_of(*runs))
    assert (runs[0] / "page.md").read_text(encoding="utf-8") == page


def test_the_html_holds_every_picture_and_table_and_asks_the_network_for_nothing(
    page: str, runs: tuple[Path, Conversations]
) -> None:
    html = (runs[0] / "page.html").read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == page.count(".png)") == 5
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', html) == []
    assert html.count("<table>") == len(re.findall(r"\| :--- \|", page))
    assert all(re.findall(r'<img [^>]*alt="[^"]{20,}"', html))


def test_without_the_run_of_teacher_and_student_the_page_says_so_and_has_all_else(
    runs: tuple[Path, Conversations], tmp_path: Path
) -> None:
    for name in ("mlp", "majority"):
        shutil.copytree(runs[0] / "runs" / name, tmp_path / "runs" / name)
    write_page(tmp_path, reproduction_of(tmp_path, runs[1]))
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "SUMMER could not be run" in page
    assert {row["system"] for row in table(page, "All systems")} == {
        "majority class",
        "MLP, modalities side by side",
    }
    assert "Table 4" not in page.partition("## What could not")[0]
