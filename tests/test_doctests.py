"""Every example in a docstring gives what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.places import REPOSITORY


def modules_with_examples() -> list[str]:
    """Names of all modules whose text holds a prompt."""
    return [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for package in ("summer", "extraction", "pipelines")
        for path in sorted(Path(REPOSITORY / package).rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def test_there_are_some() -> None:
    assert len(modules_with_examples()) >= 2


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_hold(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed
