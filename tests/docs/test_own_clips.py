"""The page on own clips is true: its manifest is read, its commands are taken, its program prints labels."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from extraction.corpora import CorpusError, open_corpus
from pipelines.data.command import app as data_app
from pipelines.evaluate.command import app as evaluate_app
from pipelines.extract.command import app as extract_app
from pipelines.recipe import load_recipe
from pipelines.train.command import app as train_app
from summer.corpus import Split
from tests.docs.pages import blocks
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.places import REPOSITORY
from tests.summer.made_up_training import LENGTHS

PAGE = blocks("own-clips.md")
MANIFEST, PROGRAM = "my/clips/manifest.csv", "ask.py"
COMMAND = re.compile(r"^(summer-\w+) (.+)$", re.MULTILINE)
README_PROGRAM = re.compile(r"^```python\n(from pathlib.*?)^```$", re.MULTILINE | re.DOTALL)
APPS = {
    "summer-data": (data_app, "pipelines.data.run.check"),
    "summer-evaluate": (evaluate_app, "pipelines.evaluate.run.carry_out"),
    "summer-extract": (extract_app, "pipelines.extract.run.carry_out"),
    "summer-train": (train_app, "pipelines.train.run.carry_out"),
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / MANIFEST
    path.parent.mkdir(parents=True)
    path.write_text(PAGE[MANIFEST].partition("\n")[2], encoding="utf-8")
    return path


def test_the_manifest_is_read_as_the_page_says(manifest: Path) -> None:
    corpus = open_corpus(str(manifest), None, {})
    assert corpus.name == "clips"
    assert [clip.utterance.split for clip in corpus.clips] == [
        *3 * [Split.TRAIN],
        *2 * [Split.DEV],
        Split.TEST,
    ]
    assert [clip.utterance.turn for clip in corpus.clips[:3]] == [0, 1, 3]
    assert not corpus.clips[4].utterance.is_labelled
    assert "disgust" in corpus.labels.names  # all are of MELD's seven


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("tea-0,train", "tea-0,Train", "splits are train, dev, test"),
        ("tea,1,Bob", "tea,00,Bob", "line 2 has the same turn of dialogue 'tea'"),
        ("tea-1,", "tea-0,", "give each row an id of its own"),
    ],
)
def test_what_the_page_forbids_is_refused(manifest: Path, before: str, after: str, message: str) -> None:
    text = manifest.read_text(encoding="utf-8")
    assert before in text
    manifest.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        open_corpus(str(manifest), None, {})


def test_every_command_of_the_page_is_taken_with_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = COMMAND.findall((REPOSITORY / "docs" / "own-clips.md").read_text(encoding="utf-8"))
    assert {name for name, _ in typed} == APPS.keys()
    arrived: list[SimpleNamespace] = []

    def carry_out(order: SimpleNamespace) -> int:
        arrived.append(order)
        return 0

    for name, rest in typed:
        app, target = APPS[name]
        monkeypatch.setattr(target, carry_out)
        result = CliRunner().invoke(app, shlex.split(rest))
        assert result.exit_code == 0, result.output
    for order in arrived:
        load_recipe(getattr(order, "recipe", None) or "manifest", getattr(order, "overrides", ()))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stores that nothing has reduced and a run trained on them, named as on the page."""
    folder = tmp_path_factory.mktemp("place")
    stores = made_stores(folder / "data" / "stores" / "clips")
    command = words(made_recipe(folder), stores, folder / "runs" / "clips")
    assert CliRunner().invoke(train_app, command).exit_code == 0
    return folder


def test_the_program_prints_a_label_for_each_utterance(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    exec(PAGE[PROGRAM], {})
    *lines, listed = capsys.readouterr().out.splitlines()
    count = sum(map(sum, LENGTHS.values()))
    assert len(lines) == count
    assert all(re.fullmatch(r"\w+/dia\d+_utt\d+: (neutral|joy|anger) \(\d+%\)", line) for line in lines)
    assert len(eval(listed)) == count


def test_the_readmes_program_reads_a_store_that_nothing_has_reduced(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = README_PROGRAM.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    exec(program.replace("stores/demo", "stores/clips"), names)
    assert names["vectors"].shape == (sum(map(sum, LENGTHS.values())), 4)  # type: ignore[attr-defined]


def test_the_pages_are_found_from_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert {"docs/own-clips.md", "docs/commands.md"} <= set(re.findall(r"docs/[\w-]+\.md", readme))
