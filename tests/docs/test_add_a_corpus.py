"""The page "add a corpus" is true: its folder and its one line make a corpus that can be extracted."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import extraction.corpora
from extraction.audio import ComParE
from extraction.corpora import CorpusError, check_corpus, open_corpus, readers
from extraction.engines import InProcess
from extraction.functionals import functionals
from extraction.plan import Job
from extraction.run import extract
from summer.corpus import Modality, Status
from summer.store import FeatureStore
from tests import media_factory
from tests.docs.pages import blocks

PAGE = blocks("add-a-corpus.md")
READER, QUIRKS = "extraction/corpora/tiny/reader.py", "extraction/corpora/tiny/tiny.toml"
LINE, TRAIN = "extraction/corpora/readers.py", "data/tiny/train.jsonl"
ROWS = ["train/d1_0", "train/d1_1", "train/d2_0", "train/d2_1"]
RECORDED = [0, 1]  # rows with a WAV file


def without_path(block: str) -> str:
    return block.partition("\n")[2]


@pytest.fixture(autouse=True)
def _tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of the page stands beside those of the other corpora, its line in their dict."""
    folder = tmp_path / READER
    folder.parent.mkdir(parents=True)
    folder.write_text(PAGE[READER], encoding="utf-8")
    (tmp_path / QUIRKS).write_text(PAGE[QUIRKS], encoding="utf-8")
    (folder.parent / "__init__.py").write_text('"""A corpus of a few lines."""\n', encoding="utf-8")
    beside = [*extraction.corpora.__path__, str(tmp_path / "extraction" / "corpora")]
    monkeypatch.setattr(extraction.corpora, "__path__", beside)
    importlib.invalidate_caches()
    imports, _, line = without_path(PAGE[LINE]).partition("\n")
    names = dict(vars(readers))
    exec(imports, names)  # the page's very import
    entry = eval(f"{{{line.strip()}}}", names)  # and its very line
    assert len(entry) == 1
    monkeypatch.setattr(readers, "READERS", {**readers.READERS, **entry})
    yield
    for name in [name for name in sys.modules if name.startswith("extraction.corpora.tiny")]:
        del sys.modules[name]
    del extraction.corpora.tiny  # type: ignore[attr-defined]


def noise(row: int) -> np.ndarray:
    """Whole numbers of 16 bits, so that a WAV file holds them exactly."""
    steps = np.random.default_rng(row).integers(-3000, 3000, size=16_000)
    return (steps / 32768).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The raw corpus: the page's annotations, and a second of noise for two of the four turns."""
    root = tmp_path / "data" / "tiny"
    (root / "sounds").mkdir(parents=True)
    (tmp_path / TRAIN).write_text(without_path(PAGE[TRAIN]), encoding="utf-8")
    for row in RECORDED:
        media_factory.wav(root / "sounds" / f"{Path(ROWS[row]).name}.wav", noise(row))
    return root


def test_the_corpus_is_opened_by_its_name(root: Path) -> None:
    corpus = open_corpus("tiny", root, {})
    utterances = [clip.utterance for clip in corpus.clips]
    assert [utterance.id for utterance in utterances] == ROWS
    assert [(u.speaker, u.text, u.label) for u in utterances[::3]] == [
        ("Ann", "You came!", "joy"),
        ("Cy", "Gone.", ""),
    ]
    assert corpus.clips[3].dialogue.speakers == ("Ann", "Cy")
    assert corpus.labels.names == ("joy", "fear")


def test_a_turn_without_sound_is_a_problem_known_if_the_toml_lists_it(root: Path) -> None:
    corpus = open_corpus("tiny", root, {})
    found = check_corpus(corpus, root, workers=1, on_progress=lambda _done, _total: None)
    missing = [(problem.where, problem.known) for problem in found if problem.kind == "missing"]
    assert missing == [("train/d2_0", False), ("train/d2_1", True)]


def test_the_sound_is_extracted_into_a_store(root: Path, tmp_path: Path) -> None:
    corpus = open_corpus("tiny", root, {})
    job = Job(corpus=corpus, extractor=ComParE(), folder=tmp_path / "stores" / corpus.name)
    report = extract(job, InProcess(), reduction=None, on_progress=lambda _: None)
    assert (report.extracted, report.missing_rows, report.errors) == (4, 0, [])
    with FeatureStore(tmp_path / "stores" / "tiny" / "audio.h5") as store:
        header, rows, vectors = store.header, store.rows, store.features("raw")
    assert (header.corpus, header.modality, header.complete) == ("tiny", Modality.AUDIO, True)
    assert header.corpus_digest == corpus.digest
    assert [utterance.id for utterance in rows.utterances] == ROWS
    assert list(rows.statuses) == [Status.OK, Status.OK, Status.MISSING, Status.MISSING]
    assert list(rows.reasons) == ["", "", "no file d2_0.wav", "no file d2_1.wav"]
    for row in RECORDED:
        np.testing.assert_array_equal(vectors[row], functionals(noise(row)))
    assert not vectors[2:].any()


@pytest.mark.parametrize(
    "line", ["{", '{"turns": []', '{"name": "d3", "turns": [{"who": "Ann"}]}', "3", "\xff"]
)
def test_a_line_that_is_no_dialogue_is_named(root: Path, line: str) -> None:
    with (root / "train.jsonl").open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(CorpusError, match=r"train\.jsonl, line 3: .*compare it"):
        open_corpus("tiny", root, {})


def test_a_folder_without_annotations_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"corpus tiny has no utterance; check the annotation files"):
        open_corpus("tiny", tmp_path, {})


def test_a_label_outside_the_set_is_named_and_other_quirks_allow_it(root: Path, tmp_path: Path) -> None:
    annotations = root / "train.jsonl"
    annotations.write_text(annotations.read_text("utf-8").replace('"fear"', '"awe"'), "utf-8")
    with pytest.raises(CorpusError, match=r"train/d2_0.* label 'awe'"):
        open_corpus("tiny", root, {})
    own = tmp_path / "own.toml"
    own.write_text(PAGE[QUIRKS].replace('"fear"', '"awe"'), "utf-8")
    assert open_corpus("tiny", root, {"quirks": str(own)}).labels.names == ("joy", "awe")


def test_a_policy_as_the_page_has_it_is_checked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = readers.READERS["tiny"]
    policies = {"classes": ("all", "joy")}
    chosen: list[str] = []

    def read(folder: Path, *, quirks: object, classes: str) -> object:
        chosen.append(classes)
        return tiny.read(folder, quirks=quirks)

    reader = readers.Reader(read, tiny.quirks, policies)  # type: ignore[arg-type]
    monkeypatch.setattr(readers, "READERS", {**readers.READERS, "tiny": reader})
    open_corpus("tiny", root, {})
    open_corpus("tiny", root, {"classes": "joy"})
    assert chosen == ["all", "joy"]
    with pytest.raises(CorpusError, match=r"policy classes = 'two' of tiny: allowed is all or joy"):
        open_corpus("tiny", root, {"classes": "two"})
