"""The page of all keys of a recipe is what the dataclasses say, and a recipe takes each of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pipelines.recipe import Recipe, _known_keys, load_recipe, shipped_recipes
from summer.baselines import BASELINES
from tests.docs.pages import blocks
from tests.places import REPOSITORY
from tests.write_recipe_page import PAGE, keys_of_recipes, page_with

HEADING = re.compile(r"^#{3,4} (.+)$")
NAMED = re.compile(r"`\[([^\]<]+)\]`")
ROW = re.compile(r"^\| `(?P<key>\w+)` \| (?:`(?P<default>.+?)`)? ?\| (?P<values>.*?) \| (?P<words>.*?) ?\|$")


def rows() -> Iterator[tuple[str, re.Match[str]]]:
    """Each table that the page names, and each row below it; of [corpus] none, whose table is another."""
    tables: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := HEADING.match(line):
            tables = NAMED.findall(heading[1])
        elif (row := ROW.match(line)) and tables != ["corpus"]:
            yield from ((table, row) for table in tables)


def test_the_page_is_what_the_dataclasses_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(keys_of_recipes(), page), "run python -m tests.write_recipe_page"


def test_every_key_that_a_recipe_takes_is_on_the_page_with_words() -> None:
    found = {f"{table}.{row['key']}" for table, row in rows()}
    known = set(_known_keys(Recipe))
    tables = {key.rpartition(".")[0] for key in known} | {"corpus", "baselines", "trainings"}
    assert known - tables <= found
    wordless = [f"{table}.{row['key']}" for table, row in rows() if not row["words"]]
    assert not wordless, "say in the docstring what these are"


def test_a_recipe_that_says_each_default_of_the_page_is_one_that_says_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    defaults = {f"{table}.{row['key']}": row["default"] for table, row in rows() if row["default"]}
    given = [f"{key}={value}" for key, value in defaults.items() if not key.startswith("text.tuning_again")]
    assert len(given) > 100
    recipe = load_recipe(str(empty), given)
    assert replace(recipe, baselines={}) == load_recipe(str(empty))
    assert {name: one.options for name, one in recipe.settings.rivals.items()} == {
        name: kind.options() for name, kind in BASELINES.items() if fields(kind.options)
    }


@pytest.mark.parametrize("name", shipped_recipes())
def test_the_page_says_what_each_shipped_recipe_is_for(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8").partition("## The keys")[0]


def test_the_recipe_of_the_page_is_one(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(blocks("recipe.md")["my.toml"], encoding="utf-8")
    assert load_recipe(str(path)).model.start == "regression"


def test_the_readme_leads_to_the_page() -> None:
    assert "docs/recipe.md" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
