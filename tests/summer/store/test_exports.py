"""Exports: npz by name, and the tuple that MMGCN and its descendants load."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from summer.corpus import Modality, Split, Status, Utterance
from summer.store import FeatureStore, Header, Rows, StoreError, new_store
from summer.store.exports import export_npz, export_pickle

SPLITS = [Split.TRAIN, Split.TRAIN, Split.DEV, Split.TEST]
LABELS = ("joy", "anger", "", "joy")
WORDS = ("Hi!", "", "Oh\nno 😢", "so " * 50)


def make_store(folder: Path, modality: Modality, words: Sequence[str] = WORDS) -> Path:
    utterances = [
        Utterance(
            id=f"{split}/dia0_utt{row}",
            split=split,
            dialogue="0",
            turn=row,
            speaker=("Ann", "Bob")[row % 2],
            text=text,
            label=label,
        )
        for row, (split, label, text) in enumerate(zip(SPLITS, LABELS, words, strict=True))
    ]
    rows = Rows(
        utterances=utterances,
        statuses=[Status.OK, Status.OK, Status.CORRUPT, Status.OK],
        reasons=["", "", "broken", ""],
    )
    header = Header(
        corpus="x",
        protocol="p",
        modality=modality,
        labels=("joy", "anger"),
        dim=3,
        fingerprint="f",
        corpus_digest="d",
    )
    vectors = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    vectors[2] = 0
    with new_store(folder / f"{modality}.h5", header, rows) as writer:
        writer.write_raw(0, vectors)
        if modality is Modality.AUDIO:
            writer.write_reduced(vectors[:, :1], {"method": "pca"})
    return folder / f"{modality}.h5"


def test_the_npz_holds_each_field_and_needs_no_pickle(tmp_path: Path) -> None:
    with FeatureStore(make_store(tmp_path, Modality.AUDIO)) as store:
        export_npz(store, tmp_path / "audio.npz")
    with np.load(tmp_path / "audio.npz", allow_pickle=False) as arrays:
        assert arrays["id"][3] == "test/dia0_utt3"
        assert arrays["status"].tolist() == ["ok", "ok", "corrupt", "ok"]
        assert arrays["text"].tolist() == list(WORDS)
        assert arrays["raw"].shape == (4, 3)
        assert arrays["reduced"].tolist() == [[1], [4], [0], [10]]


def test_words_of_no_row_are_still_an_array_of_text(tmp_path: Path) -> None:
    with FeatureStore(make_store(tmp_path, Modality.AUDIO)) as store:
        nothing = Rows(utterances=[], statuses=[], reasons=[])
        with new_store(tmp_path / "empty.h5", store.header, nothing):
            pass
    with FeatureStore(tmp_path / "empty.h5") as store:
        export_npz(store, tmp_path / "empty.npz")
    with np.load(tmp_path / "empty.npz", allow_pickle=False) as arrays:
        assert (arrays["text"].dtype.kind, arrays["text"].shape) == ("U", (0,))


def test_the_pickle_is_the_tuple_that_mmgcn_loads(tmp_path: Path) -> None:
    paths = [make_store(tmp_path, Modality.TEXT), make_store(tmp_path, Modality.AUDIO)]
    with FeatureStore(paths[0]) as text, FeatureStore(paths[1]) as audio:
        export_pickle([text, audio], tmp_path / "features.pkl")
    ids, speakers, labels, text_of, audio_of, visual_of, sentences, train, test, dev = pickle.loads(
        (tmp_path / "features.pkl").read_bytes()
    )
    assert ids["train/0"] == ["train/dia0_utt0", "train/dia0_utt1"]
    assert speakers["train/0"] == [[1, 0], [0, 1]]
    assert (labels["train/0"], labels["dev/0"]) == ([0, 1], [-1])
    assert [vector.tolist() for vector in text_of["train/0"]] == [[1, 2, 3], [4, 5, 6]]
    assert [vector.tolist() for vector in audio_of["test/0"]] == [[10]]
    assert visual_of == {}
    assert sentences == {"train/0": ["Hi!", ""], "dev/0": ["Oh\nno 😢"], "test/0": ["so " * 50]}
    assert (train, test, dev) == (["train/0", "dev/0"], ["test/0"], ["dev/0"])


@pytest.mark.parametrize("wordless", [Modality.TEXT, Modality.AUDIO])
def test_the_pickle_takes_the_words_of_whichever_store_has_them(wordless: Modality, tmp_path: Path) -> None:
    for modality in (Modality.TEXT, Modality.AUDIO):
        make_store(tmp_path, modality, [""] * 4 if modality is wordless else WORDS)
    with FeatureStore(tmp_path / "text.h5") as text, FeatureStore(tmp_path / "audio.h5") as audio:
        export_pickle([text, audio], tmp_path / "features.pkl")
    assert pickle.loads((tmp_path / "features.pkl").read_bytes())[6]["train/0"] == ["Hi!", ""]


def test_stores_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = make_store(tmp_path, Modality.TEXT)
    again = make_store(tmp_path / "other", Modality.TEXT)
    with (
        FeatureStore(first) as one,
        FeatureStore(again) as two,
        pytest.raises(StoreError, match="two stores of one modality"),
    ):
        export_pickle([one, two], tmp_path / "features.pkl")
