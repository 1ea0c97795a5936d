"""The page "add a model" is true: its file and its one line make a model that keeps every promise."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pipelines.recipe import load_recipe
from summer.baselines import BASELINES
from summer.runs.experiment import train
from summer.training.models import known_models
from tests.docs.pages import blocks, fenced
from tests.summer.battery import BATTERY, settings_for, what_a_hole_holds_says_nothing
from tests.summer.made_up import write_stores
from tests.summer.made_up_training import made_learnable

FILE = "summer/baselines/averaged.py"


def module_of(code: str, folder: Path) -> ModuleType:
    """The page's file, written and imported."""
    path = folder / "averaged.py"
    path.write_text(code, encoding="utf-8")
    specification = importlib.util.spec_from_file_location("averaged_of_the_page", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look their annotations up there
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def _averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    page = blocks("add-a-model.md")
    averaged = module_of(page[FILE], tmp_path)
    line = page["summer/baselines/__init__.py"].partition("\n")[2].strip()
    for name, kind in eval(f"{{{line}}}", {"averaged": averaged}).items():  # the page's very line
        monkeypatch.setitem(BASELINES, name, kind)
    yield
    del sys.modules[averaged.__name__]


@pytest.mark.usefixtures("_averaged")
@pytest.mark.parametrize("promise", BATTERY, ids=lambda promise: promise.__name__)
def test_the_model_of_the_page_keeps_it(promise: Callable[[str, Path], None], tmp_path: Path) -> None:
    promise("averaged", tmp_path)


@pytest.mark.usefixtures("_averaged")
def test_it_is_trained_by_its_name_beside_the_others(tmp_path: Path) -> None:
    assert known_models()[-1] == "averaged"
    stores = write_stores(tmp_path / "stores", made_learnable())
    run = train(
        tmp_path / "run",
        stores,
        settings=settings_for("averaged", most_epochs=1),
        models=["averaged", "student"],
        device="cpu",
    )
    assert run.models == ["averaged", "teacher", "student"]
    assert "| averaged |" in (tmp_path / "run" / "table.md").read_text()


@pytest.mark.usefixtures("_averaged")
def test_the_recipe_of_the_page_changes_both_halves_of_it(tmp_path: Path) -> None:
    [toml] = [block.text for block in fenced("docs/add-a-model.md") if block.language == "toml"]
    (tmp_path / "my.toml").write_text(toml, encoding="utf-8")
    averaged = load_recipe(str(tmp_path / "my.toml")).settings.rivals["averaged"]
    assert (getattr(averaged.options, "dropout", None), averaged.training.learning_rate) == (0.3, 5e-4)


def test_the_battery_catches_a_model_that_reads_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = blocks("add-a-model.md")[FILE]
    broken = code.replace("each.masked_fill(~there.unsqueeze(2), 0.0)", "each")
    assert broken != code
    monkeypatch.setitem(BASELINES, "averaged", module_of(broken, tmp_path).KIND)
    with pytest.raises(AssertionError):
        what_a_hole_holds_says_nothing("averaged", tmp_path)
