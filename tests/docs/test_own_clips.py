"""The manifest on the page of own clips is read as the page says; tests/docs/test_blocks.py runs the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from extraction.corpora import CorpusError, open_corpus
from summer.corpus import Split
from tests.docs.pages import blocks
from tests.places import REPOSITORY

PAGE = blocks("own-clips.md")
MANIFEST = "my/clips/manifest.csv"


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


def test_the_pages_are_found_from_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert {"docs/own-clips.md", "docs/commands.md"} <= set(re.findall(r"docs/[\w-]+\.md", readme))
