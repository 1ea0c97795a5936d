"""Corrected annotations and the same command again: what it does anew, what it leaves, what it says."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipelines.extract import reduction
from summer.store import FeatureStore
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.pipelines.extract.small_corpus import SmallCorpus, reduced_by, said

PLACE = Path("clips", "audio.h5")


@pytest.fixture
def corpus(tmp_path: Path) -> SmallCorpus:
    return SmallCorpus(tmp_path)


def correct(corpus: SmallCorpus) -> None:
    """Three labels, a text, two rows more, one less."""
    for name in ("train0_0", "train1_1", "test0_0"):
        corpus.rows[name]["label"] = "neutral" if corpus.rows[name]["label"] != "neutral" else "joy"
    corpus.rows["train2_0"]["text"] = "I love it!"
    del corpus.rows["dev1_1"]
    corpus.add("train5_0", split="train", dialogue="train5", turn=0)
    corpus.add("train5_1", split="train", dialogue="train5", turn=1)


@pytest.mark.parametrize("method", ["pca", "dialogue-rnn"])
def test_a_corrected_corpus_costs_its_new_rows_and_ends_in_the_bytes_of_a_fresh_run(
    method: str, corpus: SmallCorpus, tmp_path: Path
) -> None:
    options = reduced_by(method)
    said(corpus.extract(tmp_path / "out", *options))
    correct(corpus)
    told = said(corpus.extract(tmp_path / "out", *options, "--dry-run"))
    line = "3 labels and 1 text corrected, 2 rows added, 1 gone: 2 of 19 rows extracted anew"
    assert "would extract 2 of 19" in told
    assert f"since the store was made: {line}" in told
    assert f"audio: {line}" in said(corpus.extract(tmp_path / "out", *options))
    assert "nothing to do" in said(corpus.extract(tmp_path / "out", *options))
    said(corpus.extract(tmp_path / "fresh", *options))
    for name in (PLACE.name, "audio.reducer.safetensors"):
        found, fresh = ((tmp_path / out / "clips" / name).read_bytes() for out in ("out", "fresh"))
        assert found == fresh, name


def test_a_corrected_label_fits_again_what_learns_from_labels_and_nothing_else(
    corpus: SmallCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("pca", "dialogue-rnn"):
        said(corpus.extract(tmp_path / method, *reduced_by(method)))
    fitted: list[str] = []
    fit = reduction.fit_reducer

    def spied(method: reduction.Method, *arguments: object, **options: object) -> object:
        fitted.append(method)
        return fit(method, *arguments, **options)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(reduction, "fit_reducer", spied)

    def again(line: str) -> list[str]:
        fitted.clear()
        for method in ("pca", "dialogue-rnn"):
            assert line in said(corpus.extract(tmp_path / method, *reduced_by(method)))
        return fitted

    corpus.rows["train0_0"]["label"] = "anger"
    assert again("1 label corrected: 0 of 18 rows extracted anew") == ["dialogue-rnn"]
    corpus.rows["test0_0"]["label"] = ""  # no reducer ever looks at test
    assert again("1 label corrected: 0 of 18 rows extracted anew") == []
    corpus.rows["test0_0"]["text"] = "I love it!"
    assert again("1 text corrected: 0 of 18 rows extracted anew") == []
    corpus.add("train9_0", split="train", dialogue="train9", turn=0)
    assert again("1 row added: 1 of 19 rows extracted anew") == ["pca", "dialogue-rnn"]
    with FeatureStore(tmp_path / "pca" / PLACE) as store:
        told = {u.id: (u.label, u.text) for u in store.rows.utterances}
    assert told["train0_0"][0] == "anger"
    assert told["test0_0"] == ("", "I love it!")


def test_a_corrected_text_is_read_anew_with_those_in_whose_context_it_stands(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    encoder = roberta_folder(tmp_path / "encoder").path
    options = ("-o", f"text.model={encoder}", "-o", "text.future_tokens=0")
    said(corpus.extract(tmp_path, *options, modality="text"))
    place = tmp_path / "clips" / "text.h5"
    with FeatureStore(place) as store:
        before, names = store.features("raw"), [u.id for u in store.rows.utterances]
    corpus.rows["train1_0"]["text"] = "Oh my God"
    corpus.rows["train3_0"]["label"] = "neutral"
    corpus.rows["dev0_1"]["text"] = "why do all your coffee mugs have numbers"
    told = said(corpus.extract(tmp_path, *options, modality="text"))
    assert "1 label and 2 texts corrected: 3 of 18 rows extracted anew" in told
    with FeatureStore(place) as store:
        changed = (store.features("raw") != before).any(axis=1)
    assert [name for name, row in zip(names, changed, strict=True) if row] == [
        *("train1_0", "train1_1", "dev0_1"),
    ]


def test_media_that_are_named_anew_are_read_anew(corpus: SmallCorpus, tmp_path: Path) -> None:
    said(corpus.extract(tmp_path))
    corpus.rows["train0_1"]["media"] = "dev0_0.wav"
    told = said(corpus.extract(tmp_path))
    assert "other annotations: 1 of 18 rows extracted anew" in told
    with FeatureStore(tmp_path / PLACE) as store:
        row_of = {u.id: row for row, u in enumerate(store.rows.utterances)}
        raw = store.features("raw")
    np.testing.assert_array_equal(raw[row_of["train0_1"]], raw[row_of["dev0_0"]])


def test_a_store_of_an_older_version_is_brought_up_to_date_or_refused_in_a_line(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    said(corpus.extract(tmp_path, *reduced_by("pca")))
    before = (tmp_path / PLACE).read_bytes()
    with h5py.File(tmp_path / PLACE, "a") as file:
        del file["inputs"]
    of_then = deepcopy(corpus.rows)
    correct(corpus)
    told = said(corpus.extract(tmp_path, *reduced_by("pca")), exit_code=2)
    assert "made by an older version" in told
    assert "--overwrite" in told
    of_now, corpus.rows = corpus.rows, of_then
    said(corpus.extract(tmp_path, *reduced_by("pca")))
    assert (tmp_path / PLACE).read_bytes() == before
    corpus.rows = of_now
    assert "rows extracted anew" in said(corpus.extract(tmp_path, *reduced_by("pca")))


def test_a_lost_split_is_refused_in_a_line(corpus: SmallCorpus, tmp_path: Path) -> None:
    said(corpus.extract(tmp_path))
    for name in [name for name in corpus.rows if name.startswith("test")]:
        del corpus.rows[name]
    told = said(corpus.extract(tmp_path), exit_code=2)
    assert "has 4 test rows, and the corpus none of them: put the annotations back" in told
