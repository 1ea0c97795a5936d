"""The page on reports is true: its commands and its program run as they stand, and so does the README's."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.report.command import ReportOrder, app
from summer.report.document import MARK
from tests.pipelines.report.made_up_report import made_run, made_stores
from tests.places import REPOSITORY

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = ".venv/bin/summer-report"


def fenced(page: str) -> Iterator[tuple[str, str]]:
    """Language and content of each block."""
    return ((one[1], one[2]) for one in FENCED.finditer((REPOSITORY / page).read_text(encoding="utf-8")))


COMMANDS = [
    line
    for page in ("README.md", "docs/report.md")
    for _, content in fenced(page)
    for line in content.splitlines()
    if line.startswith(PROGRAM)
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stores, a run and a reproduction where the pages say that they are."""
    folder = tmp_path_factory.mktemp("home")
    stores = made_stores(folder / "data" / "stores" / "demo")
    run = made_run(folder / "runs" / "demo", stores, projection=False)
    shutil.copytree(run, folder / "pages" / "demo" / "runs" / "summer")
    (folder / "pages" / "demo" / "reproduction.json").write_text("{}")
    (folder / "pages" / "demo" / "page.md").write_text("# t\n\n## All systems\n")
    return folder


def test_there_are_commands_to_be_run() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_writes_its_page(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    words = shlex.split(command.removeprefix(PROGRAM))
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    page = Path(words[words.index("--out") + 1])
    assert MARK in page.read_text("utf-8")


def test_the_program_of_the_page_writes_a_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = (content for language, content in fenced("docs/report.md") if language == "python")
    exec(compile(program, "docs/report.md", "exec"), {})
    assert "I said I would." in (tmp_path / "breakfast.html").read_text("utf-8")


def test_the_page_lists_every_option() -> None:
    page = (REPOSITORY / "docs" / "report.md").read_text(encoding="utf-8")
    options = set(ReportOrder.__dataclass_fields__) - {"things"}
    assert options == set(re.findall(r"^\| `--(\w+)", page, re.MULTILINE))
