"""`summer-train` as a user types it: what it writes and prints, how it exits, what a mistake says."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accelerate.state import AcceleratorState
from sklearn.metrics import accuracy_score, f1_score, recall_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from typer.testing import CliRunner, Result

from pipelines.train.command import app
from pipelines.train.run import parse_seeds
from summer.baselines.mlp import MlpOptions
from summer.corpus import Split
from summer.model.guided import GuidedStudent
from summer.report.figures.curves import curves_figure
from summer.runs.folder import RunError
from summer.training.checkpoints import TrainedModel, load_checkpoint
from summer.training.history import read_history
from summer.training.progress import BEST
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.summer.made_up import LABELS, write_store
from tests.summer.made_up_training import LENGTHS, are_equal, made_learnable, student_of, weights_of

SPLITS = ("test", "dev")
MODELS = ("teacher", "student")


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own() -> Iterator[None]:
    AcceleratorState._reset_state(True)  # a fixture of the module may have trained
    yield
    AcceleratorState._reset_state(True)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_stores(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="module")
def first_run(recipe: Path, features: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A finished run of two seeds; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return out, typed(recipe, features, out, "--seeds", "0-1", "--projection", "--distributions")


def typed(recipe: Path, features: Path, out: Path, *more: str | Path) -> Result:
    return CliRunner().invoke(app, words(recipe, features, out, *more))


def succeeds(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(result: Result) -> str:
    """The one line that a mistake is answered with."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in result.output
    return lines[0]


def read_json(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{path}: {name} is no JSON"))


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def teacher_of(trained: TrainedModel) -> nn.Module:
    """The teacher inside a student's file."""
    assert isinstance(trained.model, GuidedStudent)
    return trained.model.teacher


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_holds_every_file_that_is_promised(first_run: tuple[Path, Result]) -> None:
    out, result = first_run
    succeeds(result)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    of_seeds = {
        f"seed{seed}/{name}"
        for seed in (0, 1)
        for model in MODELS
        for name in (
            f"{model}.safetensors",
            f"{model}-history.json",
            f"{model}-seconds.json",
            f"{model}-portraits/epoch1.npz",
            f"{model}-portraits/epoch2.npz",
            f"projection-{model}.png",
            "distributions.png",
            "predictions.csv",
        )
    }
    of_run = {
        "run.json",
        "features/features.json",
        "results.json",
        "table.md",
        "predictions.csv",
        "curves.png",
        "learning.json",
        "learning.png",
    }
    figures = {f"confusion-{model}.png" for model in MODELS}
    logs = {name for name in names if name.startswith("tensorboard/")}
    assert names - logs == of_seeds | of_run | figures
    assert {name.split("/")[1] for name in logs} == {f"seed{n}-{model}" for n in (0, 1) for model in MODELS}
    for name in names:
        if name.endswith(".png"):
            assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_predictions_csv_has_a_row_a_seed_split_and_utterance(first_run: tuple[Path, Result]) -> None:
    rows = read_rows(first_run[0] / "predictions.csv")
    assert len(rows) == 2 * (sum(LENGTHS[Split.DEV]) + sum(LENGTHS[Split.TEST]))
    probabilities = [f"{model}_{label}" for model in MODELS for label in LABELS.names]
    assert list(rows[0]) == ["seed", "split", "id", "dialogue", "truth", *MODELS, *probabilities]
    for row in rows:
        for model in MODELS:
            found = {label: float(row[f"{model}_{label}"]) for label in LABELS.names}
            assert sum(found.values()) == pytest.approx(1, abs=1e-5)
            assert row[model] == max(found, key=lambda label: found[label])


def test_results_json_has_the_promised_layout_and_sklearns_numbers(first_run: tuple[Path, Result]) -> None:
    found = read_json(first_run[0] / "results.json")
    rows = read_rows(first_run[0] / "predictions.csv")
    for model in MODELS:
        assert found[model].keys() == set(SPLITS)
        for split in SPLITS:
            scores = found[model][split]
            assert [len(scores[name]) for name in ("w_f1", "w_acc")] == [2, 2]
            for seed in (0, 1):
                chosen = [row for row in rows if row["split"] == split and row["seed"] == str(seed)]
                truths, guesses = [row["truth"] for row in chosen], [row[model] for row in chosen]
                options = {"labels": list(LABELS.names), "zero_division": 0.0}
                f1 = f1_score(truths, guesses, average="weighted", **options)
                assert scores["w_f1"][seed] == pytest.approx(f1)
                assert scores["w_acc"][seed] == pytest.approx(accuracy_score(truths, guesses))
                recalls = recall_score(truths, guesses, average=None, **options)
                f1s = f1_score(truths, guesses, average=None, **options)
                for number, label in enumerate(LABELS.names):
                    assert scores["per_class"][label]["acc"][seed] == pytest.approx(recalls[number])
                    assert scores["per_class"][label]["f1"][seed] == pytest.approx(f1s[number])
                    assert scores["per_class"][label]["support"] == truths.count(label)


def test_results_json_says_which_epoch_was_chosen_and_what_was_kept_in_it(
    first_run: tuple[Path, Result],
) -> None:
    found = read_json(first_run[0] / "results.json")["chosen_epochs"]
    for model in MODELS:
        for seed in (0, 1):
            history = read_json(first_run[0] / f"seed{seed}" / f"{model}-history.json")
            best = max(record["w_f1"] for record in history)
            first = next(record for record in history if record["w_f1"] == best)
            chosen = {key: first[key] for key in ("epoch", "selected_on", "w_f1")}
            assert found[model][seed] == {**chosen, **first["drawn"]}
    assert found["student"][0]["kept_experts"].keys() == {"text", "audio"}
    assert found["student"][0]["modality_weights"].keys() == {"text", "audio"}
    assert found["teacher"][0]["kept_experts"].keys() == {"text"}


def test_a_run_records_recipe_seeds_commit_versions_and_stores(first_run: tuple[Path, Result]) -> None:
    for name in ("run.json", "results.json"):
        found = read_json(first_run[0] / name)
        assert found["seeds"] == [0, 1]
        assert (found["corpus"], found["protocol"], found["selected_on"]) == ("made-up", "none", "dev")
        assert found["labels"] == list(LABELS.names)
        assert found["settings"]["model"]["width"] == 8
        assert found["settings"]["distillation"]["epsilon"] == 0.9
        assert found["stores"] == {"text": "f" * 64, "audio": "f" * 64}
        assert found["commit"]
        assert found["versions"]["torch"]


def test_the_table_and_what_is_printed_tell_the_scores(first_run: tuple[Path, Result]) -> None:
    out, result = first_run
    table = (out / "table.md").read_text(encoding="utf-8")
    assert table.count("Teacher Model") == table.count("Student Model") == 2
    assert "chosen on" not in table + result.stdout
    mean = 100 * sum(read_json(out / "results.json")["student"]["test"]["w_f1"]) / 2
    assert f"{mean:.2f} ± " in table
    assert f"{mean:.2f} ± " in result.stdout
    assert "made-up (none): 39 utterances" in result.stdout
    assert "text: 6 wide, 100.0% of the rows usable" in result.stdout
    assert "seed 1 student, epoch 2: loss " in result.stdout


def test_histories_tell_every_epoch(first_run: tuple[Path, Result]) -> None:
    history = read_json(first_run[0] / "seed0" / "student-history.json")
    assert [record["epoch"] for record in history] == [1, 2]
    assert set(history[0]["losses"]) == {"cross", "align", "inner", "smooth", "total"}
    assert history[0].keys() == {
        *("epoch", "losses", "learning_rate", "selected_on", "loss", "w_f1", "drawn", "inside"),
    }
    assert {record["selected_on"] for record in history} == {"dev"}
    assert history[0]["drawn"].keys() == {"kept_experts", "modality_weights"}
    assert history[0]["drawn"]["kept_experts"].keys() == {"text", "audio"}
    assert sum(history[0]["drawn"]["modality_weights"].values()) == pytest.approx(1, abs=1e-4)


def test_a_finished_run_is_refused_without_resume_and_untouched(
    first_run: tuple[Path, Result], recipe: Path, features: Path
) -> None:
    before = snapshot(first_run[0])
    line = refusal(typed(recipe, features, first_run[0]))
    assert "holds a run; --resume continues it, --overwrite starts it anew; or give another --out" in line
    line = refusal(typed(recipe, features, first_run[0], "--resume", "-o", "student.learning_rate=0.5"))
    assert "was begun with settings.student.learning_rate = 0.02, this command has 0.5" in line
    assert snapshot(first_run[0]) == before


def test_resume_adds_seeds_and_repeats_none(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    succeeds(typed(recipe, features, tmp_path, "--seeds", "1"))
    before = snapshot(tmp_path / "seed1")
    succeeds(typed(recipe, features, tmp_path, "--seeds", "0", "--resume"))
    assert snapshot(tmp_path / "seed1") == before
    found, expected = (read_json(out / "results.json") for out in (tmp_path, first_run[0]))
    assert found["seeds"] == [0, 1]
    assert {model: found[model] for model in MODELS} == {model: expected[model] for model in MODELS}
    ours, theirs = (out / "predictions.csv" for out in (tmp_path, first_run[0]))
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_teacher_stage_then_the_student_stage_is_the_whole(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    succeeds(typed(recipe, features, tmp_path, "--stage", "teacher"))
    assert not (tmp_path / "seed0" / "student.safetensors").exists()
    assert "student" not in read_json(tmp_path / "results.json")
    succeeds(typed(recipe, features, tmp_path, "--stage", "student", "--resume"))
    for model in MODELS:
        path = f"seed0/{model}.safetensors"
        ours, theirs = load_checkpoint(tmp_path / path), load_checkpoint(first_run[0] / path)
        assert are_equal(weights_of(ours.model), weights_of(theirs.model))
    ours_csv, theirs_csv = (out / "seed0" / "predictions.csv" for out in (tmp_path, first_run[0]))
    assert ours_csv.read_bytes() == theirs_csv.read_bytes()


def test_a_student_may_take_the_teachers_of_another_run(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    before = snapshot(first_run[0])
    out = tmp_path / "second"
    succeeds(typed(recipe, features, out, "--teacher", first_run[0], "-o", "student.most_epochs=1"))
    assert not (out / "seed0" / "teacher.safetensors").exists()
    student = load_checkpoint(out / "seed0" / "student.safetensors")
    teacher = load_checkpoint(first_run[0] / "seed0" / "teacher.safetensors")
    assert are_equal(weights_of(teacher_of(student)), weights_of(teacher.model))
    assert read_json(out / "results.json")["teacher_run"] == str(first_run[0])
    assert snapshot(first_run[0]) == before


def test_teachers_that_are_not_there_are_named_before_anything_is_written(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = refusal(typed(recipe, features, out, "--teacher", first_run[0], "--seeds", "0,5"))
    assert f"no finished teacher at {first_run[0] / 'seed5' / 'teacher.safetensors'}" in line
    assert "--stage teacher" in refusal(typed(recipe, features, out, "--stage", "student"))
    assert not out.exists()
    before = snapshot(first_run[0])
    again = ("--teacher", first_run[0], "--overwrite")
    assert "the teachers that this command needs" in refusal(typed(recipe, features, first_run[0], *again))
    line = refusal(typed(recipe, features, first_run[0], "--stage", "student", "--overwrite"))
    assert "the teachers that this command needs" in line
    assert snapshot(first_run[0]) == before


def test_overwrite_starts_anew(recipe: Path, features: Path, tmp_path: Path) -> None:
    one = ("-o", "teacher.most_epochs=1", "--stage", "teacher")
    succeeds(typed(recipe, features, tmp_path, *one, "--seeds", "0-1"))
    succeeds(typed(recipe, features, tmp_path, *one, "--overwrite"))
    assert not (tmp_path / "seed1").exists()
    assert read_json(tmp_path / "results.json")["seeds"] == [0]


def test_a_folder_that_is_not_a_run_is_never_deleted(recipe: Path, features: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for flags in ((), ("--resume",), ("--overwrite",)):
        assert "holds no run; give another --out" in refusal(typed(recipe, features, tmp_path, *flags))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_select_on_test_is_labelled_wherever_scores_are_shown(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    shown = succeeds(typed(recipe, features, tmp_path, "--select-on", "test", "-o", "student.most_epochs=1"))
    assert read_json(tmp_path / "results.json")["selected_on"] == "test"
    assert "(epoch chosen on test)" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "test chose the epoch" in shown or "epoch chosen on test" in shown
    assert load_checkpoint(tmp_path / "seed0" / "student.safetensors").origin.selected_on == "test"


def titles_of_curves(run: Path, models: Sequence[str]) -> list[str]:
    """Titles of the panels that curves.png is drawn of."""
    histories = {
        model: [read_history(run / "seed0" / f"{model}-history.json", selected_on="unknown").to_json()]
        for model in models
    }
    return [axes.get_title() for axes in curves_figure(histories).axes if axes.get_visible()]


def tags_of_tensorboard(run: Path, name: str) -> list[str]:
    events = EventAccumulator(str(run / "tensorboard" / name))
    events.Reload()
    return list(events.Tags()["scalars"])


def test_scores_of_test_are_called_so_everywhere_while_it_chooses_the_epoch(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    models = (*MODELS, "mlp")
    every = [word for model in models for word in ("--model", model)]
    quick = [word for model in models for word in ("-o", f"{model}.most_epochs=1")]
    shown = succeeds(typed(recipe, features, tmp_path, *every, *quick, "--select-on", "test"))
    for model in models:
        assert f"seed 0 {model}, epoch 1: loss " in shown
        tags = tags_of_tensorboard(tmp_path, f"seed0-{model}")
        assert {"test/loss", "test/w_f1", "loss/total", "learning_rate"} <= set(tags)
        assert not [tag for tag in tags if "dev" in tag]
        history = (tmp_path / "seed0" / f"{model}-history.json").read_text(encoding="utf-8")
        assert '"selected_on": "test"' in history
        assert "dev" not in history
        assert read_json(tmp_path / "results.json")["chosen_epochs"][model][0]["selected_on"] == "test"
    lines = [line for line in shown.splitlines() if "w-F1" in line and "epoch" in line]
    assert sum(", test w-F1 " in line for line in lines) == len(models)
    assert "dev" not in shown.replace(str(tmp_path), "")
    titles = titles_of_curves(tmp_path, models)
    assert {f"{model}: test w-F1" for model in models} <= set(titles)
    assert not [title for title in titles if "dev" in title]


def test_teachers_whose_epoch_was_chosen_on_test_are_refused_by_a_run_that_chooses_on_dev(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    quick = ("-o", "teacher.most_epochs=1", "-o", "student.most_epochs=1")
    flattered = tmp_path / "flattered"
    succeeds(typed(recipe, features, flattered, *quick, "--stage", "teacher", "--select-on", "test"))
    line = refusal(typed(recipe, features, tmp_path / "fair", *quick, "--teacher", flattered))
    assert str(flattered / "seed0" / "teacher.safetensors") in line
    assert "its epoch was chosen on test, this run chooses on dev; give --select-on test, or train" in line
    assert not (tmp_path / "fair" / "results.json").exists()


def test_a_rival_alone_needs_no_teacher(recipe: Path, features: Path, tmp_path: Path) -> None:
    shown = succeeds(typed(recipe, features, tmp_path, "--model", "mlp", "-o", "mlp.most_epochs=2"))
    names = {path.name for path in (tmp_path / "seed0").iterdir()}
    assert names == {"mlp.safetensors", "mlp-history.json", "mlp-seconds.json", "predictions.csv"}
    results = read_json(tmp_path / "results.json")
    assert results["models"] == ["mlp"]
    assert results["mlp"].keys() == set(SPLITS)
    assert not results.keys() & set(MODELS)
    rows = read_rows(tmp_path / "predictions.csv")
    assert [name for name in rows[0] if "teacher" in name or "student" in name] == []
    assert (tmp_path / "table.md").read_text(encoding="utf-8").count("| mlp |") == 2
    assert (tmp_path / "confusion-mlp.png").is_file()
    assert "seed 0 mlp, epoch 2: loss " in shown
    assert "teacher" not in shown.replace(str(tmp_path), "")
    assert titles_of_curves(tmp_path, ["mlp"]) == ["mlp: training loss", "mlp: dev loss", "mlp: dev w-F1"]


def test_rivals_that_take_no_step_leave_a_whole_run_and_are_alike_for_every_seed(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    models = ("--model", "majority", "--model", "regression")
    succeeds(typed(recipe, features, tmp_path, *models, "--seeds", "0-1"))
    results = read_json(tmp_path / "results.json")
    assert results["models"] == ["majority", "regression"]
    for model in results["models"]:
        first, second = results[model]["test"]["w_f1"]
        assert first == second
        assert [chosen["epoch"] for chosen in results["chosen_epochs"][model]] == [0, 0]
    assert (tmp_path / "curves.png").is_file()
    assert not (tmp_path / "learning.json").exists()  # nothing learns


def test_a_rivals_options_reach_it_and_are_recorded(recipe: Path, features: Path, tmp_path: Path) -> None:
    own = ("-o", "baselines.mlp.hidden_dim=8", "-o", "mlp.most_epochs=1")
    succeeds(typed(recipe, features, tmp_path, "--model", "mlp", *own))
    trained = load_checkpoint(tmp_path / "seed0" / "mlp.safetensors")
    assert trained.parts[-1].options == MlpOptions(hidden_dim=8)
    assert len(read_json(tmp_path / "seed0" / "mlp-history.json")) == 1
    recorded = read_json(tmp_path / "run.json")["settings"]["rivals"]["mlp"]
    assert recorded["options"]["hidden_dim"] == 8
    assert (recorded["training"]["most_epochs"], recorded["training"]["learning_rate"]) == (1, 1e-3)


def test_resume_adds_a_rival_and_leaves_the_others_as_they_are(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(first_run[0], out)
    own = ("-o", "baselines.mlp.hidden_dim=8", "-o", "mlp.most_epochs=1")
    shown = succeeds(typed(recipe, features, out, "--model", "mlp", "--resume", *own))
    assert "teacher, epoch" not in shown
    assert "student, epoch" not in shown
    for seed in ("seed0", "seed1"):
        assert (out / seed / "mlp.safetensors").is_file()
        for model in MODELS:
            for name in (f"{model}.safetensors", f"{model}-history.json"):
                assert (out / seed / name).read_bytes() == (first_run[0] / seed / name).read_bytes()
    for name in ("predictions.csv", "seed0/predictions.csv", "seed1/predictions.csv"):
        ours, theirs = read_rows(out / name), read_rows(first_run[0] / name)
        assert [{key: row[key] for key in theirs[0]} for row in ours] == theirs
        assert ours[0].keys() - theirs[0].keys() == {"mlp", *(f"mlp_{label}" for label in LABELS.names)}
    results, before = (read_json(run / "results.json") for run in (out, first_run[0]))
    assert results["models"] == [*MODELS, "mlp"]
    assert {model: results[model] for model in MODELS} == {model: before[model] for model in MODELS}
    assert len(results["mlp"]["test"]["w_f1"]) == 2
    finished = snapshot(out / "seed0")
    line = refusal(typed(recipe, features, out, "--resume", "-o", "baselines.mlp.hidden_dim=9", *own[2:]))
    assert "settings.rivals.mlp.options.hidden_dim = 8, this command has 9" in line
    succeeds(typed(recipe, features, out, "--resume", *own))
    assert snapshot(out / "seed0") == finished


def test_a_rival_joins_a_run_whose_epochs_test_chose(recipe: Path, features: Path, tmp_path: Path) -> None:
    quick = [word for model in (*MODELS, "mlp") for word in ("-o", f"{model}.most_epochs=1")]
    succeeds(typed(recipe, features, tmp_path, *quick, "--stage", "teacher", "--select-on", "test"))
    joined = ("--model", "mlp", "--resume")
    assert "select_on = 'test', this command has 'dev'" in refusal(
        typed(recipe, features, tmp_path, *quick, *joined)
    )
    succeeds(typed(recipe, features, tmp_path, *quick, *joined, "--select-on", "test"))
    assert read_json(tmp_path / "results.json")["models"] == ["teacher", "mlp"]


def test_models_are_tabled_in_the_order_given_what_they_need_before_them(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    quick = [word for model in (*MODELS, "mlp") for word in ("-o", f"{model}.most_epochs=1")]
    succeeds(typed(recipe, features, tmp_path, *quick, "--model", "mlp", "--model", "student"))
    assert read_json(tmp_path / "run.json")["models"] == ["mlp", "teacher", "student"]
    header = list(read_rows(tmp_path / "predictions.csv")[0])
    assert header[5:8] == ["mlp", "teacher", "student"]


@pytest.mark.parametrize("absent", [Split.TEST, Split.DEV])
def test_a_corpus_without_test_or_dev(absent: Split, recipe: Path, tmp_path: Path) -> None:
    lengths = {split: those for split, those in LENGTHS.items() if split is not absent}
    features = made_stores(tmp_path / "stores", made_learnable(lengths))
    quick = ("-o", "teacher.most_epochs=1", "-o", "student.most_epochs=1")
    if absent is Split.DEV:
        line = refusal(typed(recipe, features, tmp_path / "dev", *quick))
        assert "dev is to choose the epoch" in line
        assert "--select-on test" in line
        quick = (*quick, "--select-on", "test")
    succeeds(typed(recipe, features, tmp_path / "run", *quick))
    present = {"dev", "test"} - {absent.value}
    results = read_json(tmp_path / "run" / "results.json")
    assert results["student"].keys() == results["teacher"].keys() == present
    assert f"## {absent}" not in (tmp_path / "run" / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "mpl"], "there is no model 'mpl', did you mean 'mlp'?; there is teacher, student, "),
        (["--model", "mpl", "--select-on", "test"], "there is no model 'mpl', did you mean 'mlp'"),
        (["--model", "mlp", "--stage", "teacher"], "--stage teacher and --model say what is trained in two"),
        (["--model", "mlp", "--select-on", "train"], "select_on is train; the epoch is chosen on dev"),
        (
            ["--model", "mlp", "--model", "teacher", "-o", "mlp.select_on=test"],
            "choose all on one split with",
        ),
        (["-o", "baselines.mlp.hiden_dim=8"], "'baselines.mlp.hiden_dim', did you mean 'hidden_dim'"),
        (["--stage", "both"], "stage 'both' is not one of teacher, student, all"),
        (["--modality", "txet"], "model.teacher = 'txet'"),
        (
            ["--modality", "video"],
            "the teacher reads video, of which no store is given; there is text, audio: choose",
        ),
        (["--seeds", "4-0"], "seeds '4-0': write them as 0-4 or 0,3"),
        (["--seeds", "one"], "seeds 'one': write them as"),
        (["--device", "tpu"], "device 'tpu' is not here; torch sees cpu"),
        (["--device", "cuda:99"], "device 'cuda:99' is not here"),
        (["--precision", "fp8"], "precision 'fp8' is not one of no, bf16, fp16"),
        (["--select-on", "train"], "select_on is train; the epoch is chosen on dev"),
        (["--select-on", "dve"], "select_on = 'dve'"),
        (["-o", "student.select_on=test"], "choose all on one split with --select-on"),
        (["-o", "student.lerning_rate=1"], "did you mean 'student.learning_rate'"),
        (["-o", "model.widht=8"], "did you mean 'model.width'"),
        (["-o", "model.width=7"], "width is 7; give an even multiple of the 2 heads"),
        (["-o", "model.width=wide"], "model.width = 'wide'"),
        (["-o", "model.dropout=1"], r"dropout is 1.0; give a share in [0, 1)"),
        (["-o", "model.routing=thick"], "model.routing = 'thick'"),
        (["-o", "model.student=[]"], "give each modality once, at least one"),
        (["-o", "teacher.learning_rate=nan"], "learning_rate nan"),
        (["-o", "teacher.most_epochs=0"], "most_epochs is 0; give at least 1"),
        (["-o", "distillation.epsilon=2"], "epsilon is 2.0; give the right class a share in (0, 1]"),
        (["-o", "distillation.cross=inf"], "loss weights"),
        (["-o", "width"], "write key=value"),
        (["-o", "model.longest_dialogue=3"], "the model reads 3; set model.longest_dialogue"),
        (["--resume", "--overwrite"], "give one of them"),
    ],
)
def test_every_wrong_word_is_one_line_and_writes_nothing(
    more: list[str], message: str, recipe: Path, features: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert message in refusal(typed(recipe, features, out, *more))
    assert not (out / "results.json").exists()


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("0-4", [0, 1, 2, 3, 4]), ("3,0", [0, 3]), ("7,1-2,2", [1, 2, 7]), (" 1 , 2 ", [1, 2])],
)
def test_seeds_are_read_in_order_each_once(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "4-0", "1-", "0,,1", "1.5", "0-2-4", "0-99999999999"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(RunError, match=f"seeds '{text}': "):
        parse_seeds(text)


def test_an_unknown_recipe_names_the_nearest(features: Path, tmp_path: Path) -> None:
    line = refusal(
        CliRunner().invoke(app, ["--recipe", "medl", "--features", str(features), "--out", str(tmp_path)])
    )
    assert "no recipe 'medl', did you mean 'meld'" in line


def test_stores_that_are_not_there_or_do_not_belong_together_are_named(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    assert f"no feature store in {tmp_path}" in refusal(typed(recipe, tmp_path, tmp_path / "out"))
    text = features / "text.h5"
    other = made_learnable()
    audio = write_store(tmp_path / "audio.h5", other, list(other.features)[1], corpus="other")
    begin = ["--recipe", str(recipe), "--out", str(tmp_path / "out")]
    line = refusal(CliRunner().invoke(app, [*begin, "--store", str(text), "--store", str(audio)]))
    assert str(text) in line
    assert str(audio) in line
    assert "corpus made-up and other" in line
    line = refusal(CliRunner().invoke(app, [*begin, "--store", str(text), "--store", str(text)]))
    assert "both hold text" in line
    assert not (tmp_path / "out").exists()


def test_a_store_of_other_features_stops_a_resumed_run(recipe: Path, features: Path, tmp_path: Path) -> None:
    succeeds(typed(recipe, features, tmp_path / "run", "--stage", "teacher"))
    conversations = made_learnable()
    text, audio = conversations.features
    other = replace(conversations.features[text], fingerprint="e" * 64)
    changed = made_stores(
        tmp_path / "changed",
        replace(conversations, features={text: other, audio: conversations.features[audio]}),
    )
    line = refusal(typed(recipe, changed, tmp_path / "run", "--resume"))
    assert "was begun with stores.text = 'ffff" in line
    assert "this command has 'eeee" in line


def test_bfloat16_trains_another_model_than_float32(
    first_run: tuple[Path, Result], recipe: Path, features: Path, tmp_path: Path
) -> None:
    succeeds(typed(recipe, features, tmp_path, "--precision", "bf16"))
    assert read_json(tmp_path / "run.json")["precision"] == "bf16"
    ours, theirs = (
        load_checkpoint(out / "seed0" / "student.safetensors") for out in (tmp_path, first_run[0])
    )
    assert not are_equal(weights_of(student_of(ours)), weights_of(student_of(theirs)))


def test_a_diverging_student_is_one_line_and_the_teacher_stays(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    line = refusal(typed(recipe, features, tmp_path, "-o", "student.learning_rate=1e30"))
    assert "student, epoch" in line
    assert "lower it (-o student.learning_rate=...)" in line
    load_checkpoint(tmp_path / "seed0" / "teacher.safetensors")
    assert not (tmp_path / "seed0" / "student-progress" / BEST).exists()


def test_a_file_in_the_place_of_the_run_is_one_line(recipe: Path, features: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = refusal(typed(recipe, features, tmp_path / "file" / "run"))
    assert "a file stands where a folder must be; choose another --out" in line


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "the file system is read-only; choose another --out"),
        (errno.EACCES, "permission denied; choose another --out or change its permissions"),
        (errno.ENOSPC, "the disk is full; free some space"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line(
    number: int,
    remedy: str,
    recipe: Path,
    features: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", refuse)  # root may write everywhere: no chmod would do
    line = refusal(typed(recipe, features, tmp_path / "run"))
    assert f"cannot write {tmp_path / 'run' / 'run.json'}" in line
    assert remedy in line


def test_help_names_every_option_and_a_recipe_is_required() -> None:
    shown = succeeds(CliRunner().invoke(app, ["--help"]))
    for option in (
        "--recipe",
        "--features",
        "--model",
        "--stage",
        "--seeds",
        "--teacher",
        "--select-on",
        "--resume",
        "-o",
    ):
        assert option in shown
    assert CliRunner().invoke(app, []).exit_code == 2


def test_help_is_there_without_torch() -> None:
    program = (
        "import sys; sys.argv = ['summer-train', '--help']\n"
        "from pipelines.train.command import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "teacher" in done.stdout
