"""Out-of-fold reduction: who reduces what, how sure rows look, steps that are found again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from summer.corpus import Split, group_dialogues
from summer.folds import folds_of
from summer.reduction import (
    OutOfFold,
    Reducer,
    ReductionError,
    default_dialogue_rnn_options,
    fit_reducer,
    load_reducer,
    out_of_fold,
    reduce_out_of_fold,
)
from tests.summer.reduction.made_rows import LABELS, MadeRows, made_rows

ROWS = made_rows()
WIDTH, FOLDS = 6, 3
SMALL = dataclasses.replace(
    default_dialogue_rnn_options(), hidden_dim=8, batch_dialogues=4, most_epochs=2, learning_rate=1e-2
)
TRAINING, DEV, TEST = (ROWS.of(split) & ROWS.usable for split in Split)
FOLD_OF = folds_of(group_dialogues(ROWS.utterances), FOLDS, option="folds")


def reduced(folder: Path, rows: MadeRows = ROWS, *, folds: int = FOLDS, width: int = WIDTH) -> OutOfFold:
    return reduce_out_of_fold(
        rows, labels=LABELS, width=width, seed=0, folds=folds, folder=folder / "audio.reducer", options=SMALL
    )


def fitted(rows: MadeRows) -> Reducer:
    return fit_reducer("dialogue-rnn", rows, labels=LABELS, width=WIDTH, seed=0, options=SMALL)


def of_fold(fold: int) -> NDArray[np.bool_]:
    return ROWS.of(Split.TRAIN) & np.array([FOLD_OF.get(u.dialogue) == fold for u in ROWS.utterances])


def kept(rows: MadeRows, mask: NDArray[np.bool_]) -> MadeRows:
    return MadeRows(
        features=rows.features[mask],
        usable=rows.usable[mask],
        utterances=[utterance for utterance, keep in zip(rows.utterances, mask, strict=True) if keep],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reduced")


@pytest.fixture(scope="module")
def made(folder: Path) -> OutOfFold:
    return reduced(folder)


def test_dev_and_test_are_reduced_by_the_reducer_trained_on_all(made: OutOfFold) -> None:
    whole = fitted(ROWS)
    assert made.whole.fingerprint == whole.fingerprint
    expected = whole.apply(ROWS)
    np.testing.assert_array_equal(made.vectors[~TRAINING], expected[~TRAINING])
    assert (made.vectors[TRAINING] != expected[TRAINING]).any(axis=1).all()
    assert made.vectors.dtype == np.float32


@pytest.mark.parametrize("fold", range(FOLDS))
def test_rows_of_a_fold_are_those_of_a_reducer_without_it_turned_as_its_other_rows_ask(
    made: OutOfFold, fold: int
) -> None:
    own, others = TRAINING & of_fold(fold), TRAINING & ~of_fold(fold)
    without = fitted(kept(ROWS, ~of_fold(fold))).apply(ROWS).astype(np.float64)
    whole = made.whole.apply(ROWS).astype(np.float64)
    source, target = without[others].mean(axis=0), whole[others].mean(axis=0)
    left, _, right = np.linalg.svd((without[others] - source).T @ (whole[others] - target))
    expected = (without[own] - source) @ left @ right + target
    np.testing.assert_allclose(made.vectors[own], expected, atol=1e-4)


def test_labels_of_a_fold_do_not_move_its_own_distances_but_those_of_others(
    made: OutOfFold, tmp_path: Path
) -> None:
    own = of_fold(0)
    utterances = [
        dataclasses.replace(u, label=LABELS.names[0]) if change else u
        for u, change in zip(ROWS.utterances, own, strict=True)
    ]
    other = reduced(tmp_path, dataclasses.replace(ROWS, utterances=utterances))

    def distances(vectors: NDArray[np.float32], rows: NDArray[np.bool_]) -> NDArray[np.float32]:
        here = vectors[rows & ROWS.usable]
        found: NDArray[np.float32] = np.linalg.norm(here[1:] - here[:-1], axis=1)
        return found

    np.testing.assert_allclose(distances(made.vectors, own), distances(other.vectors, own), atol=1e-4)
    assert not np.allclose(
        distances(made.vectors, of_fold(1)), distances(other.vectors, of_fold(1)), atol=1e-2
    )


def test_training_rows_look_surer_than_new_ones_in_sample_and_no_surer_out_of_fold(tmp_path: Path) -> None:
    rows = made_rows(unusable_share=0)
    wide = np.random.default_rng(8).standard_normal((len(rows.usable), 60)).astype(np.float32)
    wide[:, : rows.raw_dim] += rows.features / 4  # emotions that are hard to hear; the rows learnt by heart
    made = reduce_out_of_fold(
        dataclasses.replace(rows, features=wide),
        labels=LABELS,
        width=WIDTH,
        seed=0,
        folds=FOLDS,
        folder=tmp_path / "reducer",
        options=dataclasses.replace(SMALL, hidden_dim=16, dropout=0.0, most_epochs=25, patience_epochs=25),
    )
    emotions = np.array([utterance.label for utterance in rows.utterances])
    training = rows.of(Split.TRAIN)
    in_sample = made.whole.apply(dataclasses.replace(rows, features=wide))
    reader = LogisticRegression(max_iter=500).fit(in_sample[training], emotions[training])

    def sureness(vectors: NDArray[np.float32], of: NDArray[np.bool_]) -> float:
        """Mean probability of the true emotion."""
        truths = np.searchsorted(reader.classes_, emotions[of])
        return float(reader.predict_proba(vectors[of])[np.arange(of.sum()), truths].mean())

    assert sureness(in_sample, training) > 0.9
    new = sureness(in_sample, ~training)
    assert 0.3 < new < 0.6
    assert abs(sureness(made.vectors, training) - new) < 0.1


def test_each_reducer_is_found_again_and_an_interruption_loses_only_the_one_under_way(
    made: OutOfFold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []

    def interrupted(*args: Any, **kwargs: Any) -> Reducer:
        fits.append(1)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return fit_reducer(*args, **kwargs)

    monkeypatch.setattr(out_of_fold, "fit_reducer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reduced(tmp_path)
    [steps] = tmp_path.iterdir()
    assert sorted(path.name for path in steps.iterdir()) == ["all.safetensors", "without-fold-1.safetensors"]
    for fitted_in_all in (5, 5):  # the third once more and the fourth; then none
        again = reduced(tmp_path)
        assert len(fits) == fitted_in_all
        assert again.description == made.description
        np.testing.assert_array_equal(again.vectors, made.vectors)
    assert list(tmp_path.iterdir()) == [steps]


def test_the_same_again_elsewhere_gives_the_same_bytes(made: OutOfFold, folder: Path, tmp_path: Path) -> None:
    again = reduced(tmp_path)
    np.testing.assert_array_equal(again.vectors, made.vectors)
    assert again.description == made.description

    def files(where: Path) -> dict[str, bytes]:
        return {
            path.relative_to(where).as_posix(): path.read_bytes() for path in where.rglob("*.safetensors")
        }

    assert files(tmp_path) == files(folder)
    assert len(files(folder)) == FOLDS + 1


def changed(name: str) -> MadeRows:
    """The rows with something else in one of them."""
    row = int(np.flatnonzero({"train": TRAINING, "dev": DEV, "test": TEST}[name.split()[0]])[0])
    features, usable, utterances = ROWS.features.copy(), ROWS.usable.copy(), list(ROWS.utterances)
    if name.endswith("vector"):
        features[row] += 1
    elif name.endswith("status"):
        usable[row] = False
    else:
        field = name.split()[1]
        other = LABELS.names[3] if field == "label" else "somebody else"
        utterances[row] = dataclasses.replace(utterances[row], **{field: other})
    return MadeRows(features=features, usable=usable, utterances=utterances)


@pytest.mark.parametrize(
    "name", ["train vector", "train status", "train label", "train speaker", "dev vector", "dev label"]
)
def test_what_a_reducer_depends_on_is_another_step(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Reducer:
        raise LookupError("not found again")

    monkeypatch.setattr(out_of_fold, "fit_reducer", refused)
    with pytest.raises(LookupError):
        reduced(folder, changed(name))
    for options in ({"width": WIDTH - 1}, {"folds": FOLDS - 1}):
        with pytest.raises(LookupError):
            reduced(folder, **options)


def test_rows_of_the_test_split_cannot_move_what_is_found_again(made: OutOfFold, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    for name in ("test vector", "test label", "test status"):
        other = reduced(folder, changed(name))
        assert other.description == made.description
        np.testing.assert_array_equal(other.vectors[TRAINING], made.vectors[TRAINING])
    assert sorted(folder.rglob("*")) == before


def test_the_description_names_the_reducer_of_new_rows_and_that_of_each_fold(
    made: OutOfFold, folder: Path
) -> None:
    told = made.description
    assert told["reducer"] == made.whole.fingerprint != told["fingerprint"]
    assert (told["method"], told["width"], told["folds"]) == ("dialogue-rnn", str(WIDTH), str(FOLDS))
    assert json.loads(told["options"]) == dataclasses.asdict(SMALL)
    for fold in range(FOLDS):
        [path] = folder.rglob(f"without-fold-{fold + 1}.safetensors")
        names = [name for name, number in FOLD_OF.items() if number == fold]
        start = f"{names[0]} to {names[-1]} by {load_reducer(path).fingerprint}, aligned by "
        assert told[f"fold_{fold + 1}"].startswith(start)


def test_what_cannot_be_done_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    for folds in (1, 17):
        with pytest.raises(
            ValueError, match=rf"{folds} folds of 16 training dialogues: give folds between 2"
        ):
            reduced(tmp_path, folds=folds)
    count = int(TRAINING.sum())
    with pytest.raises(
        ReductionError,
        match=rf"without fold \d there are \d+ usable .* width {count} asked for; ask for no folds",
    ):
        reduced(tmp_path, width=count)  # enough for all, too many without a fold
    assert not list(tmp_path.rglob("*.safetensors"))  # found before anything was trained
    with pytest.raises(ReductionError, match=rf"{count} usable .* width {count + 1} asked for"):
        reduced(tmp_path, width=count + 1)
    reduced(tmp_path)
    [path] = tmp_path.rglob("all.safetensors")
    path.write_bytes(b"cut short")
    with pytest.raises(ReductionError, match=r"all\.safetensors cannot be read.*delete it"):
        reduced(tmp_path)
