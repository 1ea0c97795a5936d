"""A run's model, asked far from where it was trained: the same numbers, and mistakes refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from numpy.typing import NDArray

from summer.corpus import Modality, Split, Utterance
from summer.evaluation.predictions import Predictions
from summer.runs.folder import RunError
from summer.runs.model import EmotionModel, load_model
from summer.runs.reading import read_run
from summer.store import Kind
from summer.training.checkpoints import CheckpointError
from tests.summer.made_up import LABELS, write_store
from tests.summer.made_up_training import made_learnable
from tests.summer.runs.made_run import (
    AUDIO,
    EXTRACTORS,
    HOLES,
    MODELS,
    RUN_SETTINGS,
    SEEDS,
    TEXT,
    MadeRun,
    made_run,
)

VIDEO = Modality.VIDEO
Vectors = Mapping[Modality, NDArray[np.float32]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeRun]:
    """A moved run; not to be changed."""
    yield made_run(tmp_path_factory.mktemp("made"))
    AcceleratorState._reset_state(True)


@pytest.fixture
def copied(made: MadeRun, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(made.run, tmp_path / "run"))


def raw(made: MadeRun) -> dict[Modality, NDArray[np.float32]]:
    return {modality: one.vectors.copy() for modality, one in made.conversations.features.items()}


def written(made: MadeRun, model: str, seed: int) -> dict[Split, Predictions]:
    """What predictions.csv has of one model and seed, by split."""
    return {
        one.split: one for one in read_run(made.run).predictions if (one.model, one.seed) == (model, seed)
    }


def by_id(predictions: list[Predictions]) -> dict[str, NDArray[np.float32]]:
    return {name: row for one in predictions for name, row in zip(one.ids, one.probabilities, strict=True)}


def expected_rows(made: MadeRun, model: str, seed: int = 0) -> NDArray[np.float32]:
    """What the stores give, all utterances in corpus order."""
    rows = by_id(load_model(made.run, model=model, seed=seed).predict_stores(list(made.stores.values())))
    return np.stack([rows[utterance.id] for utterance in made.conversations.utterances])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", MODELS)
def test_copies_of_the_stores_give_predictions_csv_bit_for_bit(made: MadeRun, model: str, seed: int) -> None:
    loaded = load_model(made.run, model=model, seed=seed)
    found = {one.split: one for one in loaded.predict_stores(list(made.stores.values()))}
    expected = written(made, model, seed)
    assert list(found) == list(Split)
    assert expected.keys() == {Split.DEV, Split.TEST}
    for split, one in expected.items():
        assert (found[split].model, found[split].seed, found[split].ids) == (model, seed, one.ids)
        assert found[split].dialogues == one.dialogues
        np.testing.assert_array_equal(found[split].truths, one.truths)
        np.testing.assert_array_equal(found[split].probabilities, one.probabilities)


@pytest.mark.parametrize("kind", ["raw", "reduced"])
@pytest.mark.parametrize("model", MODELS)
def test_arrays_give_the_same_probabilities_as_stores(made: MadeRun, model: str, kind: Kind) -> None:
    vectors = raw(made) if kind == "raw" else made.reduced
    before = {modality: array.copy() for modality, array in vectors.items()}
    found = load_model(made.run, model=model).predict(made.conversations.utterances, vectors, kind=kind)
    np.testing.assert_allclose(found, expected_rows(made, model), rtol=0, atol=1e-6)
    for modality, array in vectors.items():
        np.testing.assert_array_equal(array, before[modality])


def test_raw_vectors_are_what_is_read_unless_told_otherwise(made: MadeRun) -> None:
    loaded = load_model(made.run)
    given = loaded.predict(made.conversations.utterances, raw(made))
    np.testing.assert_array_equal(given, loaded.predict(made.conversations.utterances, raw(made), kind="raw"))


def test_raw_stores_of_the_same_extractor_go_through_the_runs_own_reducer(
    made: MadeRun, tmp_path: Path
) -> None:
    text = write_store(tmp_path / "text.h5", made.conversations, TEXT, settings=EXTRACTORS[TEXT])
    for model in MODELS:
        rows = by_id(load_model(made.run, model=model).predict_stores([text, made.stores[AUDIO]]))
        found = np.stack([rows[utterance.id] for utterance in made.conversations.utterances])
        np.testing.assert_allclose(found, expected_rows(made, model), rtol=0, atol=1e-6)


def test_a_store_reduced_since_is_read_as_the_run_read_it(made: MadeRun, tmp_path: Path) -> None:
    rows = len(made.conversations.utterances)
    audio = write_store(
        tmp_path / "audio.h5",
        made.conversations,
        AUDIO,
        reduced=np.zeros((rows, 2), dtype=np.float32),
        fingerprint="a" * 64,
        settings=EXTRACTORS[AUDIO],
    )
    found = by_id(load_model(made.run).predict_stores([made.stores[TEXT], audio]))
    listed = np.stack([found[utterance.id] for utterance in made.conversations.utterances])
    np.testing.assert_allclose(listed, expected_rows(made, "student"), rtol=0, atol=1e-6)


def test_rows_that_are_not_finite_or_all_zeros_lack_the_modality(made: MadeRun) -> None:
    loaded, vectors = load_model(made.run), raw(made)
    for modality, rows in HOLES.items():
        assert not vectors[modality][list(rows)].any()
        vectors[modality][list(rows)] = np.nan
    found = loaded.predict(made.conversations.utterances, vectors)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, loaded.predict(made.conversations.utterances, raw(made)))


def test_a_missing_modality_is_missing_in_every_utterance(made: MadeRun) -> None:
    loaded, utterances = load_model(made.run), made.conversations.utterances
    alone = loaded.predict(utterances, {TEXT: raw(made)[TEXT]})
    silent = {**raw(made), AUDIO: np.zeros_like(raw(made)[AUDIO])}
    np.testing.assert_array_equal(alone, loaded.predict(utterances, silent))
    assert not np.allclose(alone, loaded.predict(utterances, raw(made)))
    rows = by_id(loaded.predict_stores([made.stores[TEXT]]))
    stored = np.stack([rows[utterance.id] for utterance in utterances])
    np.testing.assert_allclose(stored, alone, rtol=0, atol=1e-6)


def test_what_a_model_does_not_read_is_not_looked_at(made: MadeRun, tmp_path: Path) -> None:
    teacher, utterances = load_model(made.run, model="teacher"), made.conversations.utterances
    video = write_store(tmp_path / "video.h5", made_learnable(modalities=(VIDEO,)), VIDEO)
    expected = teacher.predict_stores([made.stores[TEXT]])
    found = teacher.predict_stores([video, made.stores[AUDIO], made.stores[TEXT]])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    strange = {AUDIO: np.ones((len(utterances), 99), dtype=np.float32)}
    np.testing.assert_array_equal(
        teacher.predict(utterances, {**raw(made), **strange}), teacher.predict(utterances, raw(made))
    )


def test_dialogues_may_be_any_and_labels_are_not_needed(made: MadeRun) -> None:
    utterances = made.conversations.utterances
    rows = [row for row, one in enumerate(utterances) if one.split is Split.TEST and one.dialogue == "dia1"]
    unlabelled = [replace(utterances[row], label="") for row in rows]
    vectors = {modality: array[rows] for modality, array in raw(made).items()}
    found = load_model(made.run).predict(unlabelled, vectors)
    np.testing.assert_allclose(found, expected_rows(made, "student")[rows], rtol=0, atol=1e-6)


def test_a_model_says_what_it_is(made: MadeRun) -> None:
    loaded = load_model(made.run)
    assert (loaded.name, loaded.labels, loaded.modalities) == ("student", LABELS, (TEXT, AUDIO))
    assert load_model(made.run, model="teacher").modalities == (TEXT,)
    assert (loaded.origin.seed, loaded.origin.selected_on) == (0, "dev")
    assert load_model(made.run, seed=1).origin.seed == 1
    assert loaded.origin.settings == RUN_SETTINGS.to_json()
    assert {modality: one.settings for modality, one in loaded.features.items()} == EXTRACTORS
    assert loaded.to("cpu") is loaded


@pytest.mark.parametrize(("model", "seed"), [("mpl", 0), ("student", 2), ("mpl", 2)])
def test_an_unknown_model_or_seed_is_refused_and_those_there_are_named(
    made: MadeRun, model: str, seed: int
) -> None:
    message = (
        f"{made.run} has the models teacher, student, mlp of the seeds 0, 1, not the {model} of seed {seed}"
    )
    with pytest.raises(RunError, match=message):
        load_model(made.run, model=model, seed=seed)


@pytest.mark.parametrize("record", [None, "{}", '{"name": "of somebody else"}'])
def test_a_folder_that_is_no_run_is_refused(record: str | None, tmp_path: Path) -> None:
    if record is not None:
        (tmp_path / "run.json").write_text(record)
    with pytest.raises(RunError, match="holds no run; give a folder that summer-train --out has written"):
        load_model(tmp_path)


def test_a_model_whose_file_is_gone_is_refused(copied: Path) -> None:
    (copied / "seed0" / "student.safetensors").unlink()
    with pytest.raises(CheckpointError, match="there is no trained model at"):
        load_model(copied)


@pytest.mark.parametrize(
    ("modality", "kind", "message"),
    [
        (TEXT, "raw", "raw text features are 5 wide, the reducer of .* reads 6"),
        (TEXT, "reduced", "text features are 5 wide, the student reads 4; give those of the same extractor"),
        (AUDIO, "raw", "audio features are 5 wide, the student reads 4; give those of the same extractor"),
        (AUDIO, "reduced", "audio features are 5 wide, the student reads 4"),
    ],
)
def test_vectors_of_another_width_are_refused(
    made: MadeRun, modality: Modality, kind: Kind, message: str
) -> None:
    vectors: Vectors = raw(made) if kind == "raw" else made.reduced
    wrong = {**vectors, modality: np.ones((len(made.conversations.utterances), 5), dtype=np.float32)}
    with pytest.raises(RunError, match=message):
        load_model(made.run).predict(made.conversations.utterances, wrong, kind=kind)


def test_rows_and_utterances_that_differ_in_number_are_refused(made: MadeRun) -> None:
    fewer: list[Utterance] = list(made.conversations.utterances[:-1])
    with pytest.raises(RunError, match="39 rows of text for 38 utterances; give one each"):
        load_model(made.run).predict(fewer, raw(made))


def test_nothing_that_the_model_reads_is_refused(made: MadeRun) -> None:
    teacher = load_model(made.run, model="teacher")
    with pytest.raises(RunError, match="the teacher reads text, of which nothing is given; give at least"):
        teacher.predict_stores([made.stores[AUDIO]])
    with pytest.raises(RunError, match="the teacher reads text, of which nothing is given"):
        teacher.predict(made.conversations.utterances, {AUDIO: raw(made)[AUDIO]})


def test_stores_of_another_extractor_are_refused_by_the_settings_that_differ(
    made: MadeRun, tmp_path: Path
) -> None:
    settings = {"model": "bert, 2 layers, 6 wide", "mode": "frozen", "vector": "mean"}
    other = write_store(
        tmp_path / "text.h5", made.conversations, TEXT, settings=settings, fingerprint="e" * 64
    )
    with pytest.raises(RunError, match=f"{other} has text features of another extractor than .*") as caught:
        load_model(made.run).predict_stores([other, made.stores[AUDIO]])
    assert "(other: mode, vector); extract them with the settings in" in str(caught.value)
    assert str(made.run / "features" / "features.json") in str(caught.value)


def test_stores_of_other_utterances_are_refused(made: MadeRun, tmp_path: Path) -> None:
    shorter = made_learnable({Split.TRAIN: (3,), Split.DEV: (2,)})
    audio = write_store(tmp_path / "audio.h5", shorter, AUDIO, fingerprint="a" * 64)
    with pytest.raises(RunError, match=f"{audio} holds other utterances than .*; give stores of one corpus"):
        load_model(made.run).predict_stores([made.stores[TEXT], audio])


def reducer_of(run: Path) -> Path:
    (found,) = (run / "features").rglob("text.reducer.safetensors")
    return found


def test_a_reducer_that_has_changed_is_refused_where_it_is_needed(made: MadeRun, copied: Path) -> None:
    content = bytearray(reducer_of(copied).read_bytes())
    content[-1] ^= 1
    reducer_of(copied).write_bytes(content)
    loaded = load_model(copied)
    with pytest.raises(RunError, match="is not the reducer that .* was trained with: its sha256 differs"):
        loaded.predict(made.conversations.utterances, raw(made))
    assert_same_as_stores(made, loaded)


def test_a_reducer_that_is_gone_is_refused_where_it_is_needed(made: MadeRun, copied: Path) -> None:
    reducer_of(copied).unlink()
    loaded = load_model(copied)
    with pytest.raises(RunError, match="the reducer of .* was at .* and is gone; put it back there"):
        loaded.predict(made.conversations.utterances, raw(made))
    assert_same_as_stores(made, loaded)


def assert_same_as_stores(made: MadeRun, loaded: EmotionModel) -> None:
    """Where no reducer is needed, all is as before."""
    rows = by_id(loaded.predict_stores(list(made.stores.values())))
    found = np.stack([rows[utterance.id] for utterance in made.conversations.utterances])
    np.testing.assert_array_equal(found, expected_rows(made, loaded.name))
    given = loaded.predict(made.conversations.utterances, made.reduced, kind="reduced")
    np.testing.assert_allclose(given, found, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_kept_no_features_still_predicts_what_it_was_trained_on(
    made: MadeRun, copied: Path, model: str
) -> None:
    shutil.rmtree(copied / "features")
    loaded = load_model(copied, model=model)
    assert loaded.features == {}
    assert_same_as_stores(made, loaded)


def test_a_run_that_kept_no_features_reduces_nothing_and_says_so(
    made: MadeRun, copied: Path, tmp_path: Path
) -> None:
    shutil.rmtree(copied / "features")
    loaded, utterances = load_model(copied), made.conversations.utterances
    with pytest.raises(RunError, match="has no reducer of text, which its features went through; give red"):
        loaded.predict(utterances, raw(made))
    narrow = {**raw(made), TEXT: np.ones((len(utterances), 4), dtype=np.float32)}
    with pytest.raises(RunError, match="has no reducer of text"):  # though the width would fit
        loaded.predict(utterances, narrow)
    text = write_store(tmp_path / "text.h5", made.conversations, TEXT, settings=EXTRACTORS[TEXT])
    with pytest.raises(RunError, match=r"\(other: fingerprint\); give the store that it was trained on"):
        loaded.predict_stores([text])


def test_a_model_without_attention_tells_nothing(made: MadeRun) -> None:
    loaded = load_model(made.run, model="mlp")
    assert loaded.attention(made.conversations.utterances, raw(made)) is None
    assert loaded.attention_in_stores(list(made.stores.values())) is None


@pytest.mark.parametrize("model", ["teacher", "student"])
def test_attention_is_told_of_stores_and_of_arrays_alike(made: MadeRun, model: str) -> None:
    loaded = load_model(made.run, model=model)
    of_stores = loaded.attention_in_stores(list(made.stores.values()))
    of_arrays = loaded.attention(made.conversations.utterances, raw(made))
    assert of_stores is not None
    assert of_arrays is not None
    ids = [utterance.id for utterance in made.conversations.utterances]
    assert list(of_stores) == list(of_arrays) == ids
    for name, one in of_stores.items():
        dialogue = made.conversations.utterances[one.row].dialogue
        assert {made.conversations.utterances[row].dialogue for row in one.rows} == {dialogue}
        assert ids[one.row] == name
        for modality, weights in one.weights.items():
            assert weights.shape == one.usable[modality].shape == one.rows.shape
            assert not weights[~one.usable[modality]].any()
            np.testing.assert_allclose(of_arrays[name].weights[modality], weights, rtol=0, atol=1e-6)


def test_attention_of_one_split_is_of_that_split(made: MadeRun) -> None:
    found = load_model(made.run).attention_in_stores(list(made.stores.values()), [Split.TEST])
    expected = [one.id for one in made.conversations.utterances if one.split is Split.TEST]
    assert found is not None
    assert list(found) == expected
