"""Each option of each command is written once, in a dataclass, and what is typed arrives in it."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner

from pipelines.console import add_command, command_errors
from pipelines.data.command import CheckOrder, DiffOrder, ExportOrder, FacesOrder, ImportOrder, InfoOrder
from pipelines.data.command import app as data_app
from pipelines.evaluate.command import EvaluationOrder
from pipelines.evaluate.command import app as evaluate_app
from pipelines.extract.command import ExtractionOrder
from pipelines.extract.command import app as extract_app
from pipelines.recipe import shipped_recipes
from pipelines.reproduce.command import app as reproduce_app
from pipelines.serve.command import ServeOrder
from pipelines.serve.command import app as serve_app
from pipelines.train.command import TrainingOrder
from pipelines.train.command import app as train_app
from pipelines.tune.command import app as tune_app
from summer.corpus import Split
from tests.places import REPOSITORY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Case = tuple[
    typer.Typer, str, str, "DataclassInstance"
]  # the command, where it goes, what is typed, what arrives

CASES: dict[str, Case] = {
    "extract": (
        extract_app,
        "pipelines.extract.run.carry_out",
        "--dataset demo --modality audio --root raw --out there --recipe meld -o a.b=1 -o c.d=2 --device cpu "
        "--workers 0 --batch-size 3 --shard 1/2 --limit 4 --retry-failed --overwrite --strict --keep-crops "
        "--dry-run --engine ray --address there:6379 --fetched-gib 2 --threads 1",
        ExtractionOrder(
            dataset="demo",
            modality="audio",
            root="raw",
            out=Path("there"),
            recipe="meld",
            overrides=("a.b=1", "c.d=2"),
            device="cpu",
            workers=0,
            batch_size=3,
            shard="1/2",
            limit=4,
            retry_failed=True,
            overwrite=True,
            strict=True,
            keep_crops=True,
            dry_run=True,
            engine="ray",
            address="there:6379",
            threads=1,
            fetched_gib=2.0,
        ),
    ),
    "train": (
        train_app,
        "pipelines.train.run.carry_out",
        "--recipe demo --features f --store a.h5 --store b.h5 --out there --stage student --model mlp "
        "--model teacher --modality audio "
        "--seeds 0-4 --teacher other --select-on test --test-curve -o a.b=1 -o c.d=2 --device cuda:1 "
        "--precision bf16 --threads 1 --resume --overwrite --projection --distributions",
        TrainingOrder(
            recipe="demo",
            features=Path("f"),
            stores=(Path("a.h5"), Path("b.h5")),
            out=Path("there"),
            stage="student",
            models=("mlp", "teacher"),
            modality="audio",
            seeds="0-4",
            teacher=Path("other"),
            select_on="test",
            test_curve=True,
            overrides=("a.b=1", "c.d=2"),
            device="cuda:1",
            precision="bf16",
            threads=1,
            resume=True,
            overwrite=True,
            projection=True,
            distributions=True,
        ),
    ),
    "evaluate": (
        evaluate_app,
        "pipelines.evaluate.run.carry_out",
        "a b --model teacher --split dev",
        EvaluationOrder(run=Path("a"), other=Path("b"), model="teacher", split=Split.DEV),
    ),
    "serve": (
        serve_app,
        "pipelines.serve.run.carry_out",
        "--run there --host ::1 --port 80 --most-megabytes 2 --most-minutes 1.5 --most-waiting 0 --asr "
        "--asr-model base --guess-speakers --device cpu --workers 0",
        ServeOrder(
            run=Path("there"),
            host="::1",
            port=80,
            most_megabytes=2,
            most_minutes=1.5,
            most_waiting=0,
            asr=True,
            asr_model="base",
            guess_speakers=True,
            device="cpu",
            workers=0,
        ),
    ),
    "data check": (
        data_app,
        "pipelines.data.run.check",
        "check --dataset demo --root raw -o a=1 -o b=2 --workers 3",
        CheckOrder(dataset="demo", root="raw", overrides=("a=1", "b=2"), workers=3),
    ),
    "data info": (
        data_app,
        "pipelines.data.run.info",
        "info a.h5 --failed",
        InfoOrder(store=Path("a.h5"), failed=True),
    ),
    "data faces": (
        data_app,
        "pipelines.data.run.faces",
        "faces a.h5 --out sheet.png --crops there --most 12 --speaker Ann --only remarks",
        FacesOrder(
            store=Path("a.h5"),
            out=Path("sheet.png"),
            crops=Path("there"),
            most=12,
            speaker="Ann",
            only="remarks",
        ),
    ),
    "data diff": (
        data_app,
        "pipelines.data.run.diff",
        "diff a.h5 b.h5 --rows",
        DiffOrder(first=Path("a.h5"), second=Path("b.h5"), rows=True),
    ),
    "data export": (
        data_app,
        "pipelines.data.run.export",
        "export a.h5 b.h5 --out c.pkl --format pickle --overwrite",
        ExportOrder(stores=(Path("a.h5"), Path("b.h5")), out=Path("c.pkl"), form="pickle", overwrite=True),
    ),
    "data import": (
        data_app,
        "pipelines.data.run.import_features",
        "import a.csv --format csv --modality audio --like b.h5 --out c --id-column name --id-template {name}"
        " --columns x,y --ignore-unknown --layout mmgcn --corpus meld --labels p,q --dev-dialogues d.txt "
        "--text-layers first --overwrite",
        ImportOrder(
            file=Path("a.csv"),
            form="csv",
            modality="audio",
            like=Path("b.h5"),
            out=Path("c"),
            id_column="name",
            id_template="{name}",
            columns="x,y",
            ignore_unknown=True,
            layout="mmgcn",
            corpus="meld",
            labels="p,q",
            dev_dialogues=Path("d.txt"),
            text_layers="first",
            overwrite=True,
        ),
    ),
}


NEEDED = {
    "extract": "--dataset demo",
    "train": "--recipe demo",
    "evaluate": "a",
    "serve": "--run there",
    "data check": "check --dataset demo",
    "data info": "info a.h5",
    "data faces": "faces a.h5 --out sheet.png",
    "data diff": "diff a.h5 b.h5",
    "data export": "export a.h5 b.h5 --out c.pkl",
    "data import": "import a.csv",
}


@pytest.mark.parametrize("command", CASES)
def test_each_option_of_each_command_arrives_in_its_order(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, target, words, expected = CASES[command]
    unchanged = [one.name for one in fields(expected) if getattr(expected, one.name) == one.default]
    assert not unchanged, "type every option with another value than its default"
    arrived: list[object] = []

    def carry_out(order: object) -> int:
        arrived.append(order)
        return 7

    monkeypatch.setattr(target, carry_out)
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 7, result.output
    assert arrived == [expected]


@pytest.mark.parametrize("command", CASES)
def test_what_is_not_typed_has_the_default_of_the_order(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, target, _, full = CASES[command]
    needed = {one.name: getattr(full, one.name) for one in fields(full) if one.default is MISSING}
    arrived: list[object] = []

    def carry_out(order: object) -> int:
        arrived.append(order)
        return 0

    monkeypatch.setattr(target, carry_out)
    result = CliRunner().invoke(app, NEEDED[command].split())
    assert result.exit_code == 0, result.output
    assert arrived == [type(full)(**needed)]


@pytest.mark.parametrize("app", [extract_app, train_app, tune_app, reproduce_app])
def test_the_help_names_every_shipped_recipe(app: typer.Typer) -> None:
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    [words] = re.findall(r"--recipe <\w+> +((?:.*\n)+?) +--", shown)
    assert set(shipped_recipes()) <= set(re.findall(r"[\w-]+", words))


def test_a_run_without_out_stands_in_the_folder_of_its_recipe() -> None:
    assert TrainingOrder(recipe="configs/mine.toml").out == Path("runs/mine")
    assert TrainingOrder(recipe="demo", out=Path()).out == Path()


@dataclass(frozen=True, kw_only=True)
class Order:
    """Pour tea.

    Hot.
    """

    names: Annotated[tuple[str, ...], typer.Argument(help="for whom")] = ()
    cups: Annotated[tuple[int, ...], typer.Option("--cup", help="how full")] = (1, 2)


def test_the_class_is_the_help_and_a_repeated_option_a_tuple() -> None:
    app, arrived = typer.Typer(rich_markup_mode=None), []

    def pour(order: Order) -> int:
        arrived.append(order)
        return 0

    add_command(app, Order, pour)
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "  Pour tea.\n\n  Hot.\n" in shown
    assert "how full" in shown
    assert CliRunner().invoke(app, []).exit_code == 0
    assert CliRunner().invoke(app, ["ann", "bob", "--cup", "3"]).exit_code == 0
    assert arrived == [Order(), Order(names=("ann", "bob"), cups=(3,))]


def test_a_mistake_that_the_user_can_mend_is_one_line() -> None:
    app = typer.Typer(rich_markup_mode=None)

    def pour(_: Order) -> int:
        raise ValueError("no tea; buy some")

    add_command(app, Order, pour)
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.output) == (2, "error: no tea; buy some\n")


def stopped_at_once(app: typer.Typer, module: str, monkeypatch: pytest.MonkeyPatch, words: str) -> str:
    """What a command says to a second Ctrl-C."""

    def carry_out(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"{module}.carry_out", carry_out)
    monkeypatch.setattr(sys, "argv", ["program", *shlex.split(words)])
    result = CliRunner().invoke(app, shlex.split(words))
    assert result.exit_code == 130
    return result.output


def test_an_extraction_stopped_at_once_says_how_it_goes_on_and_does_not_speak_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = partial(stopped_at_once, extract_app, "pipelines.extract.run", monkeypatch)
    assert stopped("--dataset demo") == "stopped at once; the same command goes on from there\n"
    anew = stopped("--dataset demo --overwrite")
    assert anew == "stopped at once; the same command, without --overwrite, goes on from there\n"


def test_a_training_stopped_at_once_says_the_command_that_resumes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = partial(stopped_at_once, train_app, "pipelines.train.run", monkeypatch)
    said = stopped("--recipe demo --out 'my runs/a' --overwrite")
    assert said.endswith("with: summer-train --recipe demo --out 'my runs/a' --resume\n")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "the same command with --resume goes on" in stopped("--recipe demo")


BAR_PROGRAM = """
import logging
from rich.console import Console
from pipelines.console import command_errors
from pipelines.train.display import training_display
from pathlib import Path
with command_errors(), training_display(Console(), Path("unused"), 0, lambda: False) as watch:
    watch.on_step("student", 1, 0, 9)
    logging.getLogger("summer.training").info("student: going on after epoch 22")
"""


def test_what_is_logged_under_a_bar_stands_on_a_line_of_its_own() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-c", BAR_PROGRAM]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=REPOSITORY, env=environment)
    os.close(theirs)
    shown = "".join(iter(partial(_read_terminal, ours), ""))
    os.close(ours)
    assert process.wait() == 0, shown
    assert "seed 0 student, epoch 1" in shown
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece) for piece in re.split(r"[\r\n]+", shown)]
    assert "student: going on after epoch 22" in lines


def test_a_log_that_nobody_reads_ends_no_work() -> None:
    program = "\n".join(
        (
            "import logging, os",
            "from pipelines.console import command_errors",
            "with command_errors():",
            "    ours, theirs = os.pipe()",
            "    os.dup2(theirs, 2)",
            "    os.close(ours)",
            "    logging.getLogger('summer').info('said to nobody')",
            "    print('at work')",
        )
    )
    command = [sys.executable, "-u", "-c", program]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=REPOSITORY)
    assert (finished.returncode, finished.stdout) == (0, "at work\n")


def _read_terminal(terminal: int) -> str:
    """ "" at its end, which Linux tells by an error."""
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        return ""


def test_a_field_that_is_no_option_is_refused_by_name() -> None:
    @dataclass
    class Bare:
        cups: int

    with pytest.raises(TypeError, match="field 'cups' is no option; declare it as Annotated"):
        add_command(typer.Typer(), Bare, lambda _: 0)


LOGGING_PROGRAM = """
import logging
from pipelines.console import command_errors
with command_errors():
    for name in ("summer.training", "extraction.weights", "pipelines.extract", "another"):
        logging.getLogger(name).info("progress of %s", name)
        logging.getLogger(name).debug("details of %s", name)
        logging.getLogger(name).warning("trouble of %s", name)
"""


def test_progress_of_our_packages_and_warnings_of_all_reach_the_console() -> None:
    command = [sys.executable, "-c", LOGGING_PROGRAM]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert finished.stdout == ""
    assert finished.stderr.splitlines() == [
        "progress of summer.training",
        "trouble of summer.training",
        "progress of extraction.weights",
        "trouble of extraction.weights",
        "progress of pipelines.extract",
        "trouble of pipelines.extract",
        "trouble of another",
    ]


def test_what_the_system_refuses_of_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, command_errors():
        (tmp_path / "none" / "file").write_text("")
    assert left.value.exit_code == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none' / 'file'}: No such file")


def test_a_failure_of_the_system_without_a_file_is_a_bug() -> None:
    with pytest.raises(OSError, match="strange"), command_errors():
        raise OSError("strange")
