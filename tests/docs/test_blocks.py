"""Every command and program of README.md, CONTRIBUTING.md and docs/ is run, or held against the real one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.command_lines import check, commands, programs, unknown_options
from tests.docs.homes import HOMES, SLOW, WITH_WEIGHTS, run_block
from tests.docs.pages import PAGES, Block, code_spans, fenced
from tests.docs.treated import TREATED, Listed, Parsed, RunBy, Runs, Treatment
from tests.places import REPOSITORY

WHAT_TO_DO = "give it an entry in tests/docs/treated.py, whose first lines say which"


def entries(block: Block) -> list[Treatment]:
    """What the table has for a block; it should be one."""
    return [one for words, one in TREATED.get(block.page, {}).items() if block.text.startswith(words)]


def treated(page: str) -> Iterator[tuple[Block, Treatment]]:
    """The blocks of a page that have an entry, with it."""
    return ((block, entries(block)[0]) for block in fenced(page) if entries(block))


def marks_of(page: str) -> list[pytest.MarkDecorator]:
    """Those of a page whose blocks are run."""
    slow = [pytest.mark.slow] if page in SLOW else []
    return [*slow, pytest.mark.weights] if page in WITH_WEIGHTS else slow


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_one_entry(page: str) -> None:
    without = [str(block) for block in fenced(page) if not entries(block)]
    assert not without, f"these blocks are neither run, nor parsed, nor listed: {WHAT_TO_DO}"
    twice = [str(block) for block in fenced(page) if len(entries(block)) > 1]
    assert not twice, "these have two entries in tests/docs/treated.py: make the words of both longer"


def test_every_entry_is_of_one_block() -> None:
    texts = {page: [block.text for block in fenced(page)] for page in PAGES}
    stale = [
        f"{page}: {words!r}"
        for page, table in TREATED.items()
        for words in table
        if sum(text.startswith(words) for text in texts.get(page, [])) != 1
    ]
    assert not stale, "these entries of tests/docs/treated.py are of no block, or of two: correct their words"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_that_its_program_takes(page: str) -> None:
    wrong: dict[str, str] = {}
    for block, treatment in treated(page):
        for words in commands(block.text) if block.is_shell and not isinstance(treatment, Listed) else ():
            if isinstance(treatment, Parsed) or Path(words[0]).name in programs():
                try:
                    check(words)
                except ValueError as error:
                    wrong[f"{block}: {shlex.join(words)}"] = str(error)
    assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_every_program_and_option_within_text_is_there(page: str) -> None:
    spans = [span for span in code_spans(page) if span.partition(" ")[0] in programs()]
    wrong = {span: options for span in spans if (options := unknown_options(span))}
    assert not wrong
    for span in code_spans(page):
        if span.startswith(("make ", "python -m ", "torchrun ")):
            [words] = commands(span.removesuffix(" ..."))
            check(words)


@pytest.mark.parametrize("page", [pytest.param(page, marks=marks_of(page)) for page in HOMES])
def test_the_blocks_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    HOMES[page](tmp_path)
    for block, treatment in treated(page):
        if isinstance(treatment, Runs):
            run_block(block, tmp_path, treatment)


def test_every_page_with_a_block_that_is_run_has_a_home() -> None:
    running = {page for page, table in TREATED.items() for one in table.values() if isinstance(one, Runs)}
    assert running == HOMES.keys(), "lay one in tests/docs/homes.py, and take away what no page needs"


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_runs_a_block_names_it(page: str) -> None:
    for block, treatment in treated(page):
        if isinstance(treatment, RunBy):
            text = (REPOSITORY / treatment.test).read_text(encoding="utf-8")
            assert Path(page).name in text, f"{treatment.test} does not run {block}"
            assert block.title in text, f"{treatment.test} does not run {block}"


def test_only_commands_are_parsed() -> None:
    others = [
        str(block)
        for page in PAGES
        for block, treatment in treated(page)
        if isinstance(treatment, Parsed) and not (block.is_shell and list(commands(block.text)))
    ]
    assert not others, "run these, or list them with a reason"


def test_reasons_are_given() -> None:
    reasons = [
        one.why for table in TREATED.values() for one in table.values() if isinstance(one, (Parsed, Listed))
    ]
    assert all(len(reason.split()) > 2 for reason in reasons)
