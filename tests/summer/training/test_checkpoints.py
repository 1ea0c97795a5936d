"""A trained model rebuilds itself from its file; a file that cannot be used is named with its remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from summer.conversations.reading import ModalityFeatures
from summer.corpus import LabelSet, Modality, Split
from summer.model.assembly import Student
from summer.training.checkpoints import CheckpointError, TrainedModel, load_model, save_model
from summer.training.preparation import Material, prepare
from summer.training.seed import obtain_student, obtain_teacher
from tests.summer.made_up_training import (
    SETTINGS,
    are_equal,
    made_learnable,
    made_material,
    made_place,
    predict,
    train_both,
    weights_of,
    with_model,
    with_training,
)

QUICK = with_training(SETTINGS, most_epochs=1)


@pytest.fixture(scope="module")
def material() -> Material:
    return made_material()


@pytest.fixture(scope="module")
def folder(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_both(material, QUICK, made_place(folder))
    return folder


def rewritten(
    path: Path, to: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]
) -> Path:
    """The same file with another header or other tensors."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["summer"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    change(header, tensors)
    save_file(tensors, to, metadata={"summer": json.dumps(header)})
    return to


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_model_read_back_says_exactly_the_same(stage: str, material: Material, tmp_path: Path) -> None:
    models = dict(zip(("teacher", "student"), train_both(material, QUICK, made_place(tmp_path)), strict=True))
    again = load_model(tmp_path / f"{stage}.safetensors")
    expected = predict(material, models[stage], Split.TEST, QUICK)
    assert np.array_equal(predict(material, again, Split.TEST, QUICK).probabilities, expected.probabilities)
    assert again.origin == models[stage].origin
    assert again.labels == models[stage].labels
    assert again.identities == models[stage].identities
    assert again.teacher_sizes == models[stage].teacher_sizes
    assert again.student_sizes == models[stage].student_sizes
    for modality, scale in models[stage].standardisations.items():
        assert np.array_equal(again.standardisations[modality].centre, scale.centre)
        assert np.array_equal(again.standardisations[modality].spread, scale.spread)
    assert not again.teacher.training


def test_writing_what_was_read_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    path = folder / "student.safetensors"
    save_model(tmp_path / "copy.safetensors", load_model(path))
    assert (tmp_path / "copy.safetensors").read_bytes() == path.read_bytes()


def test_a_students_file_carries_its_teacher(folder: Path) -> None:
    teacher, student = (load_model(folder / f"{name}.safetensors") for name in ("teacher", "student"))
    assert are_equal(weights_of(student.teacher), weights_of(teacher.teacher))
    assert isinstance(student.student, Student)
    assert teacher.student is None
    assert set(teacher.standardisations) == {Modality.TEXT}
    assert set(student.standardisations) == {Modality.TEXT, Modality.AUDIO}


def test_a_model_knows_what_it_was_trained_on(folder: Path) -> None:
    origin = load_model(folder / "student.safetensors").origin
    assert (origin.corpus, origin.protocol, origin.seed) == ("made-up", "none", 0)
    assert origin.selected_on == "dev"
    assert origin.epoch == 1
    assert origin.fingerprints == {"text": "f" * 64, "audio": "f" * 64}
    assert origin.settings["student"]["most_epochs"] == 1
    assert origin.settings["model"]["width"] == 8


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_named_with_its_remedy(share: float, folder: Path, tmp_path: Path) -> None:
    content = (folder / "student.safetensors").read_bytes()
    path = tmp_path / "student.safetensors"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=f"{path} cannot be read as a trained model .*train again"):
        load_model(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match="no trained model at .*absent.safetensors; make it with summer-train"
    ):
        load_model(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"summer": "no JSON"}, {"summer": "[]"}, {"summer": "{}"}]
)
def test_a_foreign_safetensors_file_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=f"{path} .*train again"):
        load_model(path)


def test_a_file_of_another_version_is_refused(folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors",
        tmp_path / "new.safetensors",
        lambda header, _: header.update(format=2),
    )
    with pytest.raises(CheckpointError, match=f"{path} has format 2, this program reads 1; train again"):
        load_model(path)


@pytest.mark.parametrize("what", ["width", "missing", "more"])
def test_weights_that_are_not_those_of_the_sizes_are_refused(what: str, folder: Path, tmp_path: Path) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        if what == "width":
            header["teacher"]["width"] = 16
        elif what == "missing":
            del tensors["teacher.classifier.bias"]
        else:
            tensors["teacher.more"] = torch.zeros(1)

    path = rewritten(folder / "teacher.safetensors", tmp_path / "odd.safetensors", change)
    with pytest.raises(
        CheckpointError, match=f"{path}: its weights are not those of its sizes .*train again"
    ):
        load_model(path)


@pytest.mark.parametrize("key", ["teacher", "labels", "identities", "origin"])
def test_a_header_that_lacks_something_is_refused(key: str, folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors", tmp_path / "odd.safetensors", lambda header, _: header.pop(key)
    )
    with pytest.raises(CheckpointError, match=f"{path} .*train again"):
        load_model(path)


def obtained(material: Material, folder: Path, stage: str) -> TrainedModel:
    if stage == "teacher":
        return obtain_teacher(material, QUICK, made_place(folder))
    teacher = load_model(folder / "teacher.safetensors")
    return obtain_student(material, QUICK, made_place(folder), teacher)


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_finished_model_is_read_and_not_trained_again(stage: str, material: Material, folder: Path) -> None:
    before = (folder / f"{stage}.safetensors").stat().st_mtime_ns
    obtained(material, folder, stage)
    assert (folder / f"{stage}.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_model_of_other_features_is_refused(stage: str, folder: Path) -> None:
    conversations = made_learnable()
    text = conversations.features[Modality.TEXT]
    other = ModalityFeatures(vectors=text.vectors, usable=text.usable, fingerprint="e" * 64)
    features = {**conversations.features, Modality.TEXT: other}
    material = prepare(replace(conversations, features=features), SETTINGS.model)
    message = (
        f"{stage}.safetensors was trained on text features {'f' * 16}.*the store has {'e' * 16}.*"
        "give the store that it was trained on, or train a new one"
    )
    with pytest.raises(CheckpointError, match=message):
        obtained(material, folder, stage)


@pytest.mark.parametrize("stage", ["teacher", "student"])
@pytest.mark.parametrize(
    "changes",
    [{"labels": LabelSet(("neutral", "anger", "joy"))}, {"protocol": "other"}],
)
def test_a_model_of_other_labels_or_another_protocol_is_refused(
    changes: dict[str, Any], stage: str, folder: Path
) -> None:
    material = prepare(replace(made_learnable(), **changes), SETTINGS.model)
    message = rf"{stage}.safetensors was trained for protocol none \(neutral, joy, anger\), .*train a new one"
    with pytest.raises(CheckpointError, match=message):
        obtained(material, folder, stage)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 16}, "model.width = 8, this run has 16"),
        ({"heads": 4}, "model.heads = 2, this run has 4"),
        ({"layers": 2}, "model.layers = 1, this run has 2"),
        ({"longest_dialogue": 99}, "model.longest_dialogue = 8, this run has 99"),
        ({"speakers": "names"}, "model.speakers = slots, this run has names"),
        ({"speaker_slots": 9}, "tells 5 speakers apart, this run 10"),
        ({"teacher": Modality.AUDIO}, "model.teacher = text, this run has audio"),
    ],
)
def test_a_teacher_that_cannot_guide_this_student_is_refused(
    changes: dict[str, Any], message: str, folder: Path
) -> None:
    settings = with_model(QUICK, **changes)
    with pytest.raises(CheckpointError, match=f"teacher.safetensors .*{message}.*train a new teacher"):
        obtain_teacher(made_material(settings), settings, made_place(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"routing": "dense"},
        {"experts": 3},
        {"fusion": "self-attention", "layers": 2},
        {"guidance": "never", "layers": 2, "heads": 4},
    ],
)
def test_ablations_of_the_student_may_borrow_the_teacher(
    changes: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    settings = with_model(QUICK, **changes)
    material = made_material(settings)
    teacher = obtain_teacher(material, settings, made_place(folder))
    student = obtain_student(material, settings, made_place(tmp_path), teacher)
    assert predict(material, student, Split.TEST, settings).probabilities.shape == (9, 3)


@pytest.mark.parametrize("order", [("audio", "text"), ("text", "audio")])
def test_a_students_modalities_keep_their_order(order: tuple[str, str], tmp_path: Path) -> None:
    """The weights of equation 6 stand in it: in another order they would weigh the wrong modality."""
    settings = with_model(QUICK, student=tuple(map(Modality, order)))
    material = made_material()
    _, student = train_both(material, settings, made_place(tmp_path))
    again = load_model(tmp_path / "student.safetensors")
    assert again.student is not None
    assert again.student.modalities == tuple(map(Modality, order))
    ours, theirs = (predict(material, model, Split.DEV, settings) for model in (student, again))
    assert np.array_equal(ours.probabilities, theirs.probabilities)
