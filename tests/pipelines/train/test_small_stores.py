"""`summer-train` on what is not a whole corpus, and starts that fail: what is said, what is left behind."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.store import EncoderHead
from tests.pipelines.evaluate.made_up_runs import made_recipe
from tests.pipelines.extract.small_corpus import SmallCorpus, reduced_by, said
from tests.pipelines.train.test_train import read_json, refusal, snapshot, succeeds, typed
from tests.summer.made_up import write_store
from tests.summer.made_up_training import LENGTHS, made_learnable

ONE_EPOCH = ("-o", "teacher.most_epochs=1", "-o", "student.most_epochs=1")
TEACHER = ("--stage", "teacher", *ONE_EPOCH)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return made_recipe(tmp_path)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return stores(tmp_path / "features", made_learnable())


def stores(folder: Path, conversations: Conversations, *, complete: bool = True) -> Path:
    folder.mkdir()
    for modality in conversations.features:
        write_store(folder / f"{modality}.h5", conversations, modality, complete=complete)
    return folder


def without_label(conversations: Conversations, label: str, *splits: Split) -> Conversations:
    return replace(
        conversations,
        utterances=tuple(
            replace(u, label="") if u.label == label and u.split in splits else u
            for u in conversations.utterances
        ),
    )


def test_a_store_of_the_first_rows_is_trained_on_and_says_so(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path)
    said(corpus.extract(tmp_path, "--limit", "13", *reduced_by("pca")))  # ten of train, three of dev
    recipe, out = made_recipe(tmp_path), tmp_path / "run"
    options = ("-o", "model.teacher=audio", "-o", "model.student=['audio']", *ONE_EPOCH)
    result = typed(recipe, tmp_path / "clips", out, *options)
    succeeds(result)
    assert read_json(out / "results.json")["teacher"]["dev"]["w_f1"]
    assert "test" not in read_json(out / "results.json")["teacher"]


def test_empty_splits_are_said_before_work_begins(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lengths = {Split.TRAIN: LENGTHS[Split.TRAIN], Split.DEV: LENGTHS[Split.DEV]}
    features = stores(tmp_path / "features", made_learnable(lengths), complete=False)
    succeeds(typed(recipe, features, tmp_path / "run", *TEACHER))
    assert f"{features / 'text.h5'} holds 30 utterances and not the whole corpus (--limit" in caplog.text
    assert "test has no utterance with a truth and a vector: nothing is measured on it" in caplog.text
    assert "(train 21, dev 9, test 0)" in caplog.text


@pytest.mark.parametrize(
    ("splits", "advice"),
    [
        ((Split.TRAIN,), "give the corpus some; "),
        ((Split.TRAIN, Split.TEST), "some, or take --select-on test"),
    ],
)
def test_without_what_chooses_the_epoch_nothing_begins(
    splits: tuple[Split, ...], advice: str, recipe: Path, tmp_path: Path
) -> None:
    features = stores(tmp_path / "features", made_learnable({split: LENGTHS[split] for split in splits}))
    line = refusal(typed(recipe, features, tmp_path / "runs" / "run"))
    assert (
        "dev is to choose the epoch and has no utterance with a truth and a vector (train 21, dev 0" in line
    )
    assert advice in line
    assert not (tmp_path / "runs").exists()


def test_dev_rows_without_any_vector_choose_no_epoch(recipe: Path, tmp_path: Path) -> None:
    made = made_learnable()
    dev = [row for row, utterance in enumerate(made.utterances) if utterance.split is Split.DEV]
    features = stores(
        tmp_path / "features", made_learnable(holes=dict.fromkeys((Modality.TEXT, Modality.AUDIO), dev))
    )
    assert "dev 0, test" in refusal(typed(recipe, features, tmp_path / "run"))


@pytest.mark.parametrize("start", ["drawn", "linear", "regression", "head"])
@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_a_label_that_train_lacks_is_a_warning_and_never_predicted(
    start: str, weighting: str, recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = made_learnable()
    head = EncoderHead(weight=np.eye(3, 6, dtype=np.float32), bias=np.zeros(3, dtype=np.float32))
    with_head = {Modality.TEXT: replace(made.features[Modality.TEXT], head=head)}
    made = replace(made, features={**made.features, **(with_head if start == "head" else {})})
    features = stores(tmp_path / "features", without_label(made, "anger", Split.TRAIN))
    options = ("-o", f"model.start={start}", "-o", f"teacher.class_weights={weighting}")
    result = typed(recipe, features, tmp_path / "run", *TEACHER, *options)
    shown = succeeds(result)
    assert "the training split has no utterance of anger: it cannot be learned" in caplog.text
    dev = read_json(tmp_path / "run" / "results.json")["teacher"]["dev"]
    assert dev["per_class"]["anger"]["support"] > 0
    assert np.isfinite(dev["w_f1"]).all()
    test = read_json(tmp_path / "run" / "results.json")["teacher"]["test"]
    assert ("never predicted" in shown) == bool(test["never_predicted"])


def test_one_label_in_train_is_an_error_that_leaves_nothing(recipe: Path, tmp_path: Path) -> None:
    made = without_label(without_label(made_learnable(), "anger", Split.TRAIN), "joy", Split.TRAIN)
    line = refusal(typed(recipe, stores(tmp_path / "features", made), tmp_path / "run"))
    assert "one class alone cannot be told from others" in line
    assert not (tmp_path / "run").exists()


def refuse_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training fails before its first step, with the run begun."""

    def fails(*_: object, **__: object) -> None:
        raise ValueError("it cannot begin")

    monkeypatch.setattr("summer.runs.one_seed.obtain_model", fails)


def test_a_start_that_fails_leaves_no_run_behind(
    recipe: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_train(monkeypatch)
    out = tmp_path / "new" / "run"
    assert "it cannot begin" in refusal(typed(recipe, features, out))
    assert not (tmp_path / "new").exists()
    out.mkdir(parents=True)
    assert "it cannot begin" in refusal(typed(recipe, features, out))
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_a_start_that_fails_leaves_the_run_that_stood_there(
    flag: str, recipe: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    succeeds(typed(recipe, features, out, *TEACHER))
    before = snapshot(out)
    refuse_to_train(monkeypatch)
    assert "it cannot begin" in refusal(typed(recipe, features, out, *TEACHER, flag, "--seeds", "1"))
    assert snapshot(out) == before
    assert not list(tmp_path.glob(".run.*"))
    monkeypatch.undo()
    succeeds(typed(recipe, features, out, *TEACHER, flag, "--seeds", "1"))
    assert (out / "seed0").exists() == (flag == "--resume")
    assert not list(tmp_path.glob(".run.*"))


def test_a_run_that_came_to_a_step_stays_when_it_fails(recipe: Path, features: Path, tmp_path: Path) -> None:
    line = refusal(typed(recipe, features, tmp_path / "run", "-o", "student.learning_rate=1e30"))
    assert "student, epoch" in line
    assert (tmp_path / "run" / "seed0" / "teacher.safetensors").is_file()
    succeeds(typed(recipe, features, tmp_path / "other", *TEACHER))
    refusal(typed(recipe, features, tmp_path / "other", "--overwrite", "-o", "student.learning_rate=1e30"))
    assert (tmp_path / "other" / "run.json").is_file()
    assert not list(tmp_path.glob(".other.*"))


def test_a_killed_start_over_gives_the_run_back_at_the_next(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    succeeds(typed(recipe, features, out, *TEACHER))
    out.rename(tmp_path / ".run.before")  # as a kill leaves it
    out.mkdir()
    (out / "run.json").write_text("{}")
    line = refusal(typed(recipe, features, out, *TEACHER))
    assert "holds a run; --resume continues it" in line
    succeeds(typed(recipe, features, out, *TEACHER, "--resume"))
    assert (out / "seed0" / "teacher.safetensors").is_file()
    assert not list(tmp_path.glob(".run.*"))


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_an_output_that_cannot_be_written_leaves_no_folder(
    number: int, recipe: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    refusal(typed(recipe, features, tmp_path / "runs" / "run"))
    assert not (tmp_path / "runs").exists()


def test_stores_whose_annotations_were_corrected_do_not_resume_a_run(
    recipe: Path, features: Path, tmp_path: Path
) -> None:
    succeeds(typed(recipe, features, tmp_path / "run", *TEACHER))
    for path in features.iterdir():
        write_store(path, made_learnable(), Modality(path.stem), corpus_digest="e" * 64)
    line = refusal(typed(recipe, features, tmp_path / "run", *TEACHER, "--resume", "--seeds", "1"))
    assert "was begun with annotations = 'ddd" in line
