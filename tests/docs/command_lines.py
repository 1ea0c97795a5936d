"""A documented command, held against the real command line without being carried out.

What is looked at: that there is such a program, that it takes these options and values, that the recipe is
there and takes each `-o`, that corpora, models, systems and seeds are ones that it knows.
"""

from __future__ import annotations

import configparser
import importlib
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from extraction.corpora.readers import READERS
from pipelines.recipe import load_recipe, recipe_of_dataset
from pipelines.reproduce.systems import catalogue
from pipelines.train.run import parse_seeds
from summer.corpus import Modality
from summer.training.models import known_models
from tests.places import REPOSITORY

OPERATORS = frozenset(("|", "||", "&", "&&", ";"))
ENGINES = ("docker", "apptainer")  # of containers; what runs inside is ours
LAUNCHERS = ("python", "torchrun", "accelerate")  # of a module, named after -m


def programs() -> dict[str, typer.Typer]:
    """The console scripts that an installation has, with what each starts."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    modules = {name: target.partition(":")[0] for name, _, target in (one.partition(" = ") for one in lines)}
    return {name: importlib.import_module(module).app for name, module in modules.items()}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a block: without comments, redirections and what joins them."""
    for line in text.replace("\\\n", " ").splitlines():
        reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        reader.whitespace_split = True
        words: list[str] = []
        for word in [*reader, ";"]:
            if word not in OPERATORS:
                words.append(word)
            elif words:
                yield _without_redirection(words)
                words = []


def check(words: Sequence[str]) -> None:
    """Pass where the command is one that its program would take.

    Raises:
        ValueError: it is not; the message says why.
    """
    program = Path(words[0]).name
    if program in programs():
        _check_ours(programs()[program], program, words[1:])
    elif program == "make":
        _check_make(words[1:])
    elif program in ENGINES:
        ours = next((n for n, word in enumerate(words) if word in programs()), None)
        if ours is not None:  # else it builds
            _check_ours(programs()[words[ours]], words[ours], words[ours + 1 :])
    elif program in LAUNCHERS and "-m" in words:
        _check_module(words[words.index("-m") + 1 :])
    else:
        raise ValueError(
            f"{program!r} is no console script of setup.cfg, no make and no module; if it is to be typed all "
            "the same, let its block be run, or list it with a reason (tests/docs/treated.py)"
        )


def unknown_options(span: str) -> list[str]:
    """What looks like an option in a piece of code within text, and is none of the program that it names."""
    program, *words = span.split()
    command = get_command(programs()[program])
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if inner:
        command, words = (inner[words[0]], words[1:]) if words and words[0] in inner else (command, words)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("-") and word not in known]


def _without_redirection(words: list[str]) -> list[str]:
    return words[: next((n for n, word in enumerate(words) if word[0] in "<>"), len(words))]


def _check_ours(app: typer.Typer, program: str, words: Sequence[str]) -> None:
    command, words = get_command(app), list(words)
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if inner:
        if not words or words[0] not in inner:
            raise ValueError(f"{program} {' '.join(words[:1])}: it has {', '.join(inner)}")
        command, words = inner[words[0]], words[1:]
    try:
        values = command.make_context(program, words).params
    except TyperException as error:
        raise ValueError(f"{program}: {error}") from error
    _check_values(values)


def _check_values(values: Mapping[str, Any]) -> None:
    dataset, overrides = values.get("dataset"), values.get("overrides") or ()
    if dataset and not dataset.endswith(".csv") and dataset not in READERS:
        raise ValueError(f"--dataset {dataset}: there is {', '.join(READERS)}, or the path of a .csv")
    if "recipe" in values:
        recipe = values["recipe"] or (recipe_of_dataset(dataset) if dataset else "manifest")
        if not recipe.endswith(".toml"):
            _ = load_recipe(recipe, overrides).settings
    elif dataset:
        load_recipe(recipe_of_dataset(dataset), [f"corpus.{one}" for one in overrides])
    if "seeds" in values:
        parse_seeds(values["seeds"])
        _check_models(values.get("models") or ())
    if values.get("without"):
        on_test = not values["without_test_selection"]
        everything = catalogue(tuple(Modality), teacher=Modality.TEXT, has_head=True, on_test=on_test)
        everything.without(values["without"])


def _check_models(names: Sequence[str]) -> None:
    strangers = [name for name in names if name not in known_models()]
    if strangers:
        raise ValueError(f"--model {strangers[0]}: there is {', '.join(known_models())}")


def _check_make(targets: Sequence[str]) -> None:
    """The targets are there, and each of our commands in them would be taken."""
    typed = ["make", "--dry-run", "--old-file=install", *targets]
    done = subprocess.run(typed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    for words in commands(done.stdout):
        if Path(words[0]).name in programs():
            check(words)


def _check_module(words: Sequence[str]) -> None:
    module, *rest = words
    if find_spec(module) is None:
        raise ValueError(f"there is no module {module}")
    if module.startswith("pipelines."):
        _check_ours(importlib.import_module(f"{module}.command").app, module, rest)
