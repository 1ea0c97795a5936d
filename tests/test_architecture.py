"""The arrows of ARCHITECTURE.md hold, light modules stay light, libraries do not print."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import summer.store
from tests.places import REPOSITORY

OURS = ("summer", "extraction", "pipelines", "tests")
SHARED = {
    "summer.corpus",
    "summer.durable",
    "summer.metrics",
    "summer.threads",
}  # words, files and scores of both halves
READING = {"summer.corpus", "summer.options", "summer.conversations"}
ALLOWED = {
    "pipelines": {"pipelines", "extraction", "summer"},
    "extraction": {"extraction", "summer.store", "summer.folds", "summer.processes", *SHARED},
    "summer.corpus": set(),
    "summer.durable": set(),
    "summer.folds": {"summer.corpus"},
    "summer.metrics": {"summer.corpus"},
    "summer.options": {"summer.corpus"},
    "summer.processes": {"summer.sharing"},
    "summer.sharing": set(),
    "summer.threads": set(),
    "summer.store": {"summer.store", "summer.corpus", "summer.durable"},
    "summer.conversations": {"summer.store", *READING},
    "summer.layers": {"summer.layers"},
    "summer.reduction": {"summer.reduction", "summer.layers", "summer.folds", *READING, *SHARED},
    "summer.classifier": READING,
    "summer.model": {"summer.model", "summer.layers", "summer.classifier", "summer.sharing", *READING},
    "summer.baselines": {
        "summer.baselines",
        "summer.layers",
        "summer.classifier",
        "summer.sharing",
        *READING,
    },
    "summer.evaluation": {"summer.evaluation", *SHARED},
    "summer.report": {"summer.report", "summer.evaluation", "summer.store", *SHARED},
    "summer.training": {
        "summer.training",
        "summer.model",
        "summer.baselines",
        "summer.classifier",
        "summer.processes",
        "summer.sharing",
        "summer.evaluation",
        *READING,
        *SHARED,
    },
    "summer.runs": {"summer"},
}


def sources(package: str) -> list[Path]:
    """The files of a package, or of a module."""
    place = REPOSITORY / package.replace(".", "/")
    found = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert found, f"package {package} has no sources"
    return found


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports from the top level"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_allowed(name: str, package: str) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[package])


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_follow_the_arrows(package: str) -> None:
    against = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if name.partition(".")[0] in OURS and not is_allowed(name, package)
    ]
    assert not against


def test_every_part_of_summer_has_its_arrows() -> None:
    parts = {
        f"summer.{path.stem}"
        for path in (REPOSITORY / "summer").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert parts - {"summer.__init__"} == {name for name in ALLOWED if name.startswith("summer.")}


def test_extraction_takes_the_public_names_of_the_store_and_no_others() -> None:
    taken = {
        name for path in sources("extraction") for name in imported(path) if name.startswith("summer.store")
    }
    assert taken
    assert taken <= {f"summer.store.{name}" for name in summer.store.__all__}


def test_the_public_names_are_loaded_when_asked_for() -> None:
    program = """
import sys, summer
heavy = ("torch", "h5py", "numpy", "sklearn", "matplotlib")
assert not any(name in sys.modules for name in heavy), [name for name in heavy if name in sys.modules]
assert set(summer.__all__) == set(summer._HOMES) <= set(dir(summer))
for name in summer.__all__:
    assert getattr(summer, name).__name__ == name
try:
    summer.nothing
except AttributeError as error:
    assert "nothing" in str(error)
"""
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize("package", ["summer", "extraction"])
def test_libraries_do_not_print(package: str) -> None:
    printing = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not printing


@pytest.mark.parametrize(
    "module",
    [
        "summer.store",
        "summer.corpus",
        "summer.options",
        "extraction.media",
        "extraction.text",
        "extraction.text.folds",
        "extraction.video.extractor",
        "extraction.video.by_speaker",
        "extraction.weights",
        "pipelines.extract.command",
        "pipelines.extract.run",
        "pipelines.extractors",
        "pipelines.text_encoders",
        "pipelines.data.command",
        "pipelines.train.command",
        "pipelines.tune.command",
        "pipelines.evaluate.command",
        "pipelines.reproduce.command",
        "pipelines.report.command",
        "pipelines.serve.command",
        "pipelines.serve.run",
    ],
)
def test_a_light_module_does_not_load_torch(module: str) -> None:
    program = (
        f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "unasked"),
    [
        ("extraction.run, extraction.corpora, extraction.audio", ("ray", "fsspec", "aiohttp")),
        ("pipelines.extract.run, pipelines.reproduce.run", ("ray", "aiohttp")),  # torch may bring fsspec
    ],
)
def test_clusters_and_addresses_cost_nothing_where_there_are_none(
    module: str, unasked: tuple[str, ...]
) -> None:
    program = f"import sys, {module}; sys.exit(any(name in sys.modules for name in {unasked}))"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0


def test_nothing_that_is_shipped_imports_what_only_tests_have() -> None:
    only_in_tests = {
        *("pytest", "hypothesis", "beartype", "python_speech_features", "torch_geometric"),
        *("playwright", "axe_playwright_python"),
        *("sphinx", "myst_parser", "furo"),
    }
    importing = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for package in ("summer", "extraction", "pipelines")
        for path in sources(package)
        for name in imported(path)
        if name.partition(".")[0] in only_in_tests
    ]
    assert not importing


def test_training_loads_nothing_that_came_with_what_only_tests_have() -> None:
    program = """
import sys
import pipelines.train.run
brought = ("torch_geometric", "aiohttp", "yarl", "multidict", "xxhash")
sys.exit(any(name in sys.modules for name in brought))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("extract", "--help"),
        ("train", "--help"),
        ("tune", "--help"),
        ("evaluate", "--help"),
        ("reproduce", "--help"),
        ("report", "--help"),
        ("serve", "--help"),
        ("data", "--help"),
        ("data", "check --help"),
        ("data", "info --help"),
        ("data", "faces --help"),
        ("data", "diff --help"),
        ("data", "export --help"),
        ("data", "import --help"),
    ],
)
def test_help_of_a_command_loads_neither_torch_nor_numpy(command: str, words: str) -> None:
    program = (
        f"import sys\nsys.argv = ['summer', *{words.split()}]\nfrom pipelines.{command}.command import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'numpy', 'h5py', 'av')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--help" in done.stdout
