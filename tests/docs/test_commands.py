"""The page of commands has every command, with the exit statuses that its help names."""

from __future__ import annotations

import configparser
import importlib
import re
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from tests.places import REPOSITORY

CODE = re.compile(r"(?:^|; )(\d+) ")


def commands() -> Iterator[tuple[str, typer.Typer, list[str]]]:
    """Every console script that is installed; those with several commands give each by itself."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        name, _, target = line.partition(" = ")
        if name:
            app = importlib.import_module(target.partition(":")[0]).app
            inner = [command.name for command in app.registered_commands if command.name]
            yield from [(f"{name} {one}", app, [one]) for one in inner] or [(name, app, [])]


COMMANDS = {name: (app, inner) for name, app, inner in commands()}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_exit_statuses_of_each_help(name: str) -> None:
    app, inner = COMMANDS[name]
    page = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    [said] = re.findall(rf"^\| `{name}` \| .+? \| (.+) \|$", page, re.MULTILINE)
    shown = " ".join(CliRunner().invoke(app, [*inner, "--help"], terminal_width=200).output.split())
    statuses = shown.partition("Exit status: ")[2].partition(" Options:")[0].partition(" Arguments:")[0]
    assert CODE.findall(said) == CODE.findall(statuses) != []


def test_the_page_has_no_other_command() -> None:
    page = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(summer-.+?)` \|", page, re.MULTILINE)) == COMMANDS.keys()
