"""A small recipe and stores to run `summer-train` on."""

from __future__ import annotations

from pathlib import Path

from summer.conversations.reading import Conversations
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import made_learnable

RECIPE = """\
[model]
width = 8
heads = 2
layers = 1
experts = 2
longest_dialogue = 8

[teacher]
learning_rate = 2e-2
batch_dialogues = 3
most_epochs = 2

[student]
learning_rate = 2e-2
batch_dialogues = 3
most_epochs = 2
"""


def made_recipe(folder: Path) -> Path:
    """A recipe of a model that trains in a moment."""
    path = folder / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def made_stores(folder: Path, conversations: Conversations | None = None) -> Path:
    """A folder of stores of a learnable corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    write_stores(folder, conversations or made_learnable())
    return folder


def words(recipe: Path, features: Path, out: Path, *more: str | Path) -> list[str]:
    """The command line's words, without the program."""
    first = ["--recipe", recipe, "--features", features, "--out", out, "--device", "cpu"]
    return [str(word) for word in (*first, *more)]
