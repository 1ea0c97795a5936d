"""What stores become conversations, what is refused and by which words, and whose rows standardise."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from summer.conversations.reading import (
    ConversationError,
    Conversations,
    fit_standardisations,
    read_conversations,
    standardise,
)
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.store import StoreError
from tests.summer.made_up import DIMS, made_conversations, write_store, write_stores

TEXT, AUDIO, VIDEO = Modality
LENGTHS = {Split.TRAIN: (6, 4, 5), Split.DEV: (3,), Split.TEST: (4, 2)}
ROWS = 24
HOLES = {AUDIO: (2, 16), VIDEO: (2, 3, 20)}
TRAIN_ROWS = slice(0, 15)


def corpus(**changes: object) -> Conversations:
    return replace(made_conversations(LENGTHS, holes=HOLES), **changes)


def relabelled(*, labels: dict[Split, str]) -> Conversations:
    """Every utterance of a split has the label that is given for it."""
    made = corpus()
    utterances = (replace(u, label=labels.get(u.split, u.label)) for u in made.utterances)
    return replace(made, utterances=tuple(utterances))


def two_stores(folder: Path, other: Conversations | None = None, **changes: object) -> list[Path]:
    """Text as it should be, and audio that differs in one thing."""
    made = corpus()
    return [
        write_store(folder / "text.h5", made, TEXT),
        write_store(folder / "audio.h5", other or made, AUDIO, **changes),
    ]


def refusal(paths: list[Path]) -> str:
    with pytest.raises(ConversationError) as caught:
        read_conversations(paths)
    return str(caught.value)


def test_what_was_written_is_read_in_the_order_of_modalities(tmp_path: Path) -> None:
    made = corpus()
    read = read_conversations(list(reversed(write_stores(tmp_path, made))))
    assert (read.corpus, read.protocol, read.labels) == (made.corpus, made.protocol, made.labels)
    assert read.utterances == made.utterances
    assert list(read.features) == [TEXT, AUDIO, VIDEO]
    for modality, features in made.features.items():
        np.testing.assert_array_equal(read.features[modality].vectors, features.vectors)
        np.testing.assert_array_equal(read.features[modality].usable, features.usable)
        assert read.features[modality].dim == DIMS[modality]
    assert read.fingerprints == {m.value: "f" * 64 for m in Modality}


def test_reduced_features_are_read_where_there_are_some_and_name_their_reducer(tmp_path: Path) -> None:
    made = corpus()
    reduced = made.features[AUDIO].vectors[:, :2] * 3
    paths = [
        write_store(tmp_path / "a.h5", made, AUDIO, reduced=reduced),
        write_store(tmp_path / "t.h5", made, TEXT),
    ]
    read = read_conversations(paths)
    np.testing.assert_array_equal(read.features[AUDIO].vectors, reduced)
    assert read.features[TEXT].dim == DIMS[TEXT]
    assert read.fingerprints == {"text": "f" * 64, "audio": "f" * 64 + "+" + "r" * 64}


def test_two_stores_of_one_modality_are_refused(tmp_path: Path) -> None:
    paths = [write_store(tmp_path / name, corpus(), AUDIO) for name in ("one.h5", "two.h5")]
    message = refusal(paths)
    assert all(str(path) in message for path in paths)
    assert "both hold audio" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"corpus": "iemocap"}, "corpus made-up and iemocap"),
        ({"protocol": "other"}, "protocol none and other"),
        ({"labels": ("joy", "anger", "neutral")}, "labels neutral, joy, anger and joy, anger, neutral"),
        ({"corpus_digest": "e" * 64}, "corpus_digest dddddddddddddddd... and eeeeeeeeeeeeeeee..."),
    ],
)
def test_stores_that_differ_in_their_header_are_refused_by_both_paths(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    paths = two_stores(tmp_path, **change)
    message = refusal(paths)
    assert all(str(path) in message for path in paths)
    assert said in message


def test_other_utterances_and_other_lengths_are_refused_by_both_paths(tmp_path: Path) -> None:
    made = corpus()
    renamed = [replace(u, id=u.id.replace("dia1_utt2", "dia1_utt9")) for u in made.utterances]
    paths = two_stores(tmp_path, replace(made, utterances=tuple(renamed)))
    message = refusal(paths)
    assert all(str(path) in message for path in paths)
    assert "train/dia1_utt2 and train/dia1_utt9" in message
    shorter = made_conversations({**LENGTHS, Split.TEST: (4, 1)})
    paths = two_stores(tmp_path, replace(shorter, utterances=made.utterances[:-1]))
    message = refusal(paths)
    assert f"{paths[0]} has {ROWS} rows and {paths[1]} {ROWS - 1}" in message


def test_a_store_that_is_not_complete_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = two_stores(tmp_path, complete=False)
    assert len(read_conversations(paths).utterances) == ROWS
    assert f"{paths[1]} holds {ROWS} utterances and not the whole corpus (--limit" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["raw", "reduced"])
def test_a_row_that_is_ok_and_not_finite_is_refused_by_its_name(
    tmp_path: Path, kind: str, value: float
) -> None:
    made = corpus()
    path = write_store(tmp_path / "audio.h5", made, AUDIO, reduced=made.features[AUDIO].vectors)
    with h5py.File(path, "r+") as file:
        file[f"features/{kind}"][17, 1] = value
    if kind == "reduced":
        assert made.utterances[17].id in refusal([path])
    else:
        read_conversations([path])  # raw vectors are not what is read


def test_a_row_that_is_not_ok_may_hold_anything(tmp_path: Path) -> None:
    made = corpus()
    path = write_store(tmp_path / "audio.h5", made, AUDIO)
    with h5py.File(path, "r+") as file:
        file["features/raw"][16] = np.nan
    assert not read_conversations([path]).features[AUDIO].usable[16]


def test_no_store_and_no_file_are_refused(tmp_path: Path) -> None:
    assert "no feature store is given" in refusal([])
    with pytest.raises(StoreError, match="there is no feature store"):
        read_conversations([tmp_path / "absent.h5"])


@pytest.mark.parametrize(
    "made",
    [
        relabelled(labels={Split.TRAIN: "joy"}),
        relabelled(labels={Split.TRAIN: ""}),
        made_conversations({Split.DEV: (5,), Split.TEST: (4,)}),
    ],
    ids=["one class", "no labels", "no training split"],
)
def test_a_corpus_that_cannot_be_learned_from_is_read_all_the_same(
    made: Conversations, tmp_path: Path
) -> None:
    """A model is run on such data too; training refuses it (`tests.summer.training.test_preparation`)."""
    assert read_conversations(write_stores(tmp_path, made)).utterances == made.utterances


def test_a_label_outside_the_set_is_refused_by_name(tmp_path: Path) -> None:
    made = corpus(labels=LabelSet(("neutral", "joy")))
    assert "label 'anger' is not one of neutral, joy" in refusal(write_stores(tmp_path, made))


def test_nothing_is_warned_of_where_nothing_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read_conversations(write_stores(tmp_path, corpus()))
    assert not caplog.records


def test_counted_are_the_utterances_with_a_truth_and_something_to_see() -> None:
    made = made_conversations(LENGTHS, holes=dict.fromkeys(Modality, (1, 18)))
    unknown = [replace(u, label="") if n == 4 else u for n, u in enumerate(made.utterances)]
    made = replace(made, utterances=tuple(unknown))
    assert np.flatnonzero(made.counted(Split.TRAIN)).tolist() == [n for n in range(15) if n not in (1, 4)]
    assert np.flatnonzero(made.counted(Split.TEST)).tolist() == [19, 20, 21, 22, 23]


def test_rows_of_other_splits_and_rows_not_usable_cannot_move_the_standardisation() -> None:
    first, second = corpus(), corpus()
    for modality, features in second.features.items():
        features.vectors[TRAIN_ROWS.stop :] += 1e6
        features.vectors[~features.usable] = 1e6
        fitted = fit_standardisations(first)[modality]
        other = fit_standardisations(second)[modality]
        np.testing.assert_array_equal(fitted.centre, other.centre)
        np.testing.assert_array_equal(fitted.spread, other.spread)
        training = features.usable[TRAIN_ROWS]
        medians = np.median(first.features[modality].vectors[TRAIN_ROWS][training], axis=0)
        np.testing.assert_allclose(fitted.centre, medians, atol=1e-6)


def test_vectors_are_standardised_in_place_and_rows_not_usable_stay_zeros() -> None:
    made, before = corpus(), corpus()
    for features in (*made.features.values(), *before.features.values()):
        features.vectors[features.usable] += 4  # so that zeros would not stay zeros by themselves
    arrays = {m: features.vectors for m, features in made.features.items()}
    fitted = fit_standardisations(made)
    standardise(made, fitted)
    for modality, features in made.features.items():
        assert features.vectors is arrays[modality]
        assert not features.vectors[~features.usable].any()
        expected = (before.features[modality].vectors - fitted[modality].centre) / fitted[modality].spread
        np.testing.assert_allclose(
            features.vectors[features.usable], np.clip(expected, -5, 5)[features.usable], atol=1e-5
        )


def test_many_blocks_of_rows_are_standardised_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = corpus(), corpus()
    fitted = fit_standardisations(one)
    standardise(one, fitted)
    monkeypatch.setattr("summer.conversations.reading.ROWS_AT_ONCE", 5)
    standardise(many, fitted)
    for modality in Modality:
        np.testing.assert_array_equal(one.features[modality].vectors, many.features[modality].vectors)


def test_a_row_not_finite_is_named_rightly_in_a_later_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("summer.conversations.reading.ROWS_AT_ONCE", 5)
    made = corpus()
    path = write_store(tmp_path / "text.h5", made, TEXT)
    with h5py.File(path, "r+") as file:
        file["features/raw"][13, 0] = np.nan
    bad: Utterance = made.utterances[13]
    assert f"{path}: row {bad.id} holds NaN" in refusal([path])
