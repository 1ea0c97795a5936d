"""FC, DialogueRNN, FC: what it learns from, what it must not see, and what context is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from summer.corpus import LabelSet, Split, Utterance
from summer.reduction import (
    DialogueRnnOptions,
    Reducer,
    ReductionError,
    default_dialogue_rnn_options,
    fit_reducer,
    load_reducer,
)
from tests.summer.reduction.made_rows import LABELS, RAW_DIM, SPOKEN_LABELS, MadeRows, made_rows

ROWS = made_rows()
WIDTH = 6
SMALL = dataclasses.replace(
    default_dialogue_rnn_options(), hidden_dim=8, batch_dialogues=4, most_epochs=2, learning_rate=1e-2
)
ONE_EPOCH = dataclasses.replace(SMALL, most_epochs=1)


def fitted(
    rows: MadeRows = ROWS,
    *,
    options: DialogueRnnOptions = SMALL,
    width: int = WIDTH,
    seed: int = 0,
    labels: LabelSet = LABELS,
) -> Reducer:
    return fit_reducer("dialogue-rnn", rows, labels=labels, width=width, seed=seed, options=options)


def reduced(reducer: Reducer, rows: MadeRows = ROWS) -> NDArray[np.float32]:
    return reducer.apply(rows)


def kept(rows: MadeRows, mask: NDArray[np.bool_]) -> MadeRows:
    return MadeRows(
        features=rows.features[mask],
        usable=rows.usable[mask],
        utterances=[utterance for utterance, keep in zip(rows.utterances, mask, strict=True) if keep],
    )


def relabelled(rows: MadeRows, mask: NDArray[np.bool_], label: str) -> MadeRows:
    utterances: list[Utterance] = [
        dataclasses.replace(utterance, label=label) if change else utterance
        for utterance, change in zip(rows.utterances, mask, strict=True)
    ]
    return dataclasses.replace(rows, utterances=utterances)


REDUCER = fitted()


def test_emotions_of_unseen_dialogues_can_be_read_from_the_reduced_vectors() -> None:
    vectors = reduced(fitted(options=dataclasses.replace(SMALL, most_epochs=12)))
    emotions = np.array([utterance.label for utterance in ROWS.utterances])
    train, test = (ROWS.of(split) & ROWS.usable for split in (Split.TRAIN, Split.TEST))
    reader = LogisticRegression(max_iter=500).fit(vectors[train], emotions[train])
    assert reader.score(vectors[test], emotions[test]) > 0.85
    untrained = reduced(fitted(relabelled(ROWS, ROWS.of(Split.TRAIN), "joy"), options=SMALL))
    blind = LogisticRegression(max_iter=500).fit(untrained[train], emotions[train])
    assert blind.score(untrained[test], emotions[test]) < reader.score(vectors[test], emotions[test])


def test_vectors_are_float32_of_the_width_and_zero_where_not_usable() -> None:
    vectors = reduced(REDUCER)
    assert vectors.shape == (len(ROWS.utterances), WIDTH)
    assert vectors.dtype == np.float32
    assert not vectors[~ROWS.usable].any()
    assert vectors[ROWS.usable].any(axis=1).all()


def test_a_seed_fixes_the_reducer_and_another_one_changes_it() -> None:
    assert fitted().fingerprint == REDUCER.fingerprint
    assert fitted(seed=1).fingerprint != REDUCER.fingerprint
    assert not np.allclose(reduced(fitted(seed=1)), reduced(REDUCER), atol=1e-3)


def test_fitting_and_loading_leave_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    fitted(options=ONE_EPOCH).save(tmp_path / "reducer")
    load_reducer(tmp_path / "reducer")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_number_of_threads_changes_no_bit_and_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert fitted().fingerprint == REDUCER.fingerprint
            np.testing.assert_array_equal(reduced(fitted()), reduced(REDUCER))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("poison", [np.nan, 1e38, 0.0])
def test_rows_of_the_test_split_cannot_move_the_reducer(poison: float) -> None:
    of_test = ROWS.of(Split.TEST)
    features = np.where(of_test[:, None], np.float32(poison), ROWS.features)
    poisoned = relabelled(dataclasses.replace(ROWS, features=features), of_test, "anger")
    assert fitted(poisoned).fingerprint == REDUCER.fingerprint
    assert fitted(kept(ROWS, ~of_test)).fingerprint == REDUCER.fingerprint


def test_rows_that_are_not_usable_cannot_move_the_reducer_by_vector_or_label() -> None:
    features = np.where(ROWS.usable[:, None], ROWS.features, np.float32(np.nan))
    poisoned = relabelled(dataclasses.replace(ROWS, features=features), ~ROWS.usable, "disgust")
    assert fitted(poisoned).fingerprint == REDUCER.fingerprint


def test_rows_of_dev_choose_the_epoch_and_touch_no_weight() -> None:
    of_dev = ROWS.of(Split.DEV)
    features = np.where(of_dev[:, None], -np.float32(1e38), ROWS.features)
    poisoned = relabelled(dataclasses.replace(ROWS, features=features), of_dev, "joy")
    plain, other = fitted(options=ONE_EPOCH), fitted(poisoned, options=ONE_EPOCH)
    assert plain.description["epoch"] != other.description["epoch"]
    np.testing.assert_array_equal(reduced(plain), reduced(other))


def test_without_a_labelled_dev_row_the_last_epoch_is_kept_and_said() -> None:
    unlabelled = relabelled(ROWS, ROWS.of(Split.DEV), "")
    for rows in (unlabelled, kept(ROWS, ~ROWS.of(Split.DEV))):
        reducer = fitted(rows)
        assert reducer.description["epoch"] == "2, the last: dev has no labelled, usable row to choose by"
    assert "chosen by dev w-F1 0." in REDUCER.description["epoch"]


def test_training_labels_that_are_unknown_or_of_one_class_do_not_stop_it() -> None:
    some = ROWS.of(Split.TRAIN) & (np.arange(len(ROWS.utterances)) % 3 > 0)
    only_in_dev = relabelled(ROWS, ROWS.of(Split.DEV), LABELS.names[SPOKEN_LABELS])
    for rows in (relabelled(ROWS, some, ""), relabelled(ROWS, ROWS.of(Split.TRAIN), "joy"), only_in_dev):
        assert np.isfinite(reduced(fitted(rows, options=ONE_EPOCH), rows)).all()


def test_an_utterance_is_reduced_in_the_context_of_its_own_dialogue_only() -> None:
    together = reduced(REDUCER)
    names = [(utterance.split, utterance.dialogue) for utterance in ROWS.utterances]
    for name in list(dict.fromkeys(names))[:6]:
        mask = np.array([other == name for other in names])
        alone = reduced(REDUCER, kept(ROWS, mask))
        np.testing.assert_allclose(alone, together[mask], atol=1e-5)
    first = np.flatnonzero(ROWS.usable)[0]
    changed = ROWS.features.copy()
    changed[first] += 2
    moved = (
        np.abs(reduced(REDUCER, dataclasses.replace(ROWS, features=changed)) - together).max(axis=1) > 1e-6
    )
    same_dialogue = np.array([name == names[first] for name in names])
    np.testing.assert_array_equal(moved, same_dialogue & ROWS.usable)


def test_a_row_that_is_not_usable_is_as_if_it_had_not_been_said() -> None:
    spoken_anyway = kept(ROWS, ROWS.usable)
    np.testing.assert_allclose(reduced(REDUCER, spoken_anyway), reduced(REDUCER)[ROWS.usable], atol=1e-5)


def test_a_dialogue_without_a_usable_row_is_all_zeros() -> None:
    nothing = dataclasses.replace(ROWS, usable=np.zeros_like(ROWS.usable))
    assert not reduced(REDUCER, nothing).any()


def test_a_loaded_reducer_reduces_to_the_same_bytes_and_needs_no_labels(tmp_path: Path) -> None:
    REDUCER.save(tmp_path / "reducer.safetensors")
    loaded = load_reducer(tmp_path / "reducer.safetensors")
    assert loaded.description == REDUCER.description
    foreign = relabelled(ROWS, ROWS.usable, "a label of another corpus")
    np.testing.assert_array_equal(reduced(loaded, foreign), reduced(REDUCER))


def test_it_may_widen_which_pca_cannot() -> None:
    assert reduced(fitted(width=RAW_DIM + 3, options=ONE_EPOCH)).shape[1] == RAW_DIM + 3


def test_the_description_tells_seed_options_and_classes() -> None:
    description = REDUCER.description
    assert json.loads(description["options"]) == dataclasses.asdict(SMALL)
    assert json.loads(description["labels"]) == list(LABELS.names)
    assert description["seed"] == "0"


def test_what_cannot_be_learnt_from_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(ReductionError, match=r"none of the \d+ usable training rows has a label.*choose pca"):
        fitted(relabelled(ROWS, ROWS.of(Split.TRAIN), ""))
    with pytest.raises(ReductionError, match=r"usable training rows are fewer than the reduced width 5000"):
        fitted(width=5000)
    with pytest.raises(ValueError, match="'anger' is not one of neutral, joy"):
        fitted(labels=LabelSet(("neutral", "joy")))
    with pytest.raises(ReductionError, match="features are 11 wide, the reducer was fitted on 12"):
        reduced(REDUCER, dataclasses.replace(ROWS, features=ROWS.features[:, 1:]))
    with pytest.raises(ReductionError, match="pca takes no options"):
        fit_reducer("pca", ROWS, labels=LABELS, width=2, seed=0, options=SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_dim": 0}, "hidden_dim is 0; give at least 1"),
        ({"most_epochs": 0}, "most_epochs is 0"),
        ({"dropout": 1.0}, r"dropout is 1.0; give a share in \[0, 1\)"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"weight_decay": -1.0}, "weight_decay -1.0"),
    ],
)
def test_an_option_out_of_its_range_is_an_error_that_names_it(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(default_dialogue_rnn_options(), **change)
