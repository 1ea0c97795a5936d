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
from summer.model.guided import GuidedStudent
from summer.training.checkpoints import (
    READINGS_BEFORE_0_3,
    CheckpointError,
    TrainedModel,
    load_checkpoint,
    save_model,
)
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import Material, prepare
from summer.training.seed import Settings, check_settings, obtain_model
from tests.summer.made_up_training import (
    SETTINGS,
    are_equal,
    made_learnable,
    made_material,
    made_place,
    predict,
    student_of,
    train_both,
    weights_of,
    with_model,
    with_training,
)

QUICK = with_training(SETTINGS, most_epochs=1)
OLD = with_model(
    QUICK, **READINGS_BEFORE_0_3, mixture="product"
)  # what versions before 0.3.0 made by default


@pytest.fixture(scope="module")
def material() -> Material:
    return made_material()


@pytest.fixture(scope="module")
def folder(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_both(material, QUICK, made_place(folder))
    return folder


@pytest.fixture(scope="module")
def old_folder(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained-as-before")
    train_both(material, OLD, made_place(folder))
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


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_model_read_back_says_exactly_the_same(name: str, material: Material, tmp_path: Path) -> None:
    models = dict(zip(("teacher", "student"), train_both(material, QUICK, made_place(tmp_path)), strict=True))
    again = load_checkpoint(tmp_path / f"{name}.safetensors")
    expected = predict(material, models[name], Split.TEST)
    assert np.array_equal(predict(material, again, Split.TEST).probabilities, expected.probabilities)
    assert again.origin == models[name].origin
    assert again.labels == models[name].labels
    assert again.identities == models[name].identities
    assert again.parts == models[name].parts
    assert again.name == name
    for modality, scale in models[name].standardisations.items():
        assert np.array_equal(again.standardisations[modality].centre, scale.centre)
        assert np.array_equal(again.standardisations[modality].spread, scale.spread)
    assert not any(module.training for module in again.model.modules())
    assert not any(parameter.requires_grad for parameter in again.model.parameters())


def test_writing_what_was_read_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    path = folder / "student.safetensors"
    save_model(tmp_path / "copy.safetensors", load_checkpoint(path))
    assert (tmp_path / "copy.safetensors").read_bytes() == path.read_bytes()


def test_a_students_file_carries_its_teacher(folder: Path) -> None:
    teacher, student = (load_checkpoint(folder / f"{one}.safetensors") for one in ("teacher", "student"))
    assert isinstance(student.model, GuidedStudent)
    assert are_equal(weights_of(student.model.teacher), weights_of(teacher.model))
    assert [part.name for part in student.parts] == ["teacher", "student"]
    assert student.parts[:1] == teacher.parts
    assert set(teacher.standardisations) == {Modality.TEXT}
    assert set(student.standardisations) == {Modality.TEXT, Modality.AUDIO}


def test_a_model_knows_what_it_was_trained_on(folder: Path) -> None:
    origin = load_checkpoint(folder / "student.safetensors").origin
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
        load_checkpoint(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match="no trained model at .*absent.safetensors; make it with summer-train"
    ):
        load_checkpoint(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"summer": "no JSON"}, {"summer": "[]"}, {"summer": "{}"}]
)
def test_a_foreign_safetensors_file_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=f"{path} .*train again"):
        load_checkpoint(path)


def test_a_file_of_another_version_is_refused(folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors",
        tmp_path / "new.safetensors",
        lambda header, _: header.update(format=3),
    )
    with pytest.raises(
        CheckpointError, match=f"{path} has format 3, this program reads 1 and 2; train again"
    ):
        load_checkpoint(path)


@pytest.mark.parametrize("what", ["width", "missing", "more"])
def test_weights_that_are_not_those_of_the_options_are_refused(
    what: str, folder: Path, tmp_path: Path
) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        if what == "width":
            header["models"][0]["options"]["width"] = 16
        elif what == "missing":
            del tensors["model.classifier.bias"]
        else:
            tensors["model.more"] = torch.zeros(1)

    path = rewritten(folder / "teacher.safetensors", tmp_path / "odd.safetensors", change)
    with pytest.raises(
        CheckpointError, match=f"{path}: its weights are not those of its options .*train again"
    ):
        load_checkpoint(path)


@pytest.mark.parametrize("key", ["models", "labels", "identities", "origin"])
def test_a_header_that_lacks_something_is_refused(key: str, folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors", tmp_path / "odd.safetensors", lambda header, _: header.pop(key)
    )
    with pytest.raises(CheckpointError, match=f"{path} .*train again"):
        load_checkpoint(path)


def obtained(material: Material, folder: Path, name: str) -> TrainedModel:
    teacher = None if name == TEACHER else load_checkpoint(folder / "teacher.safetensors")
    return obtain_model(name, material, QUICK, made_place(folder), needed=teacher)


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_finished_model_is_read_and_not_trained_again(name: str, material: Material, folder: Path) -> None:
    before = (folder / f"{name}.safetensors").stat().st_mtime_ns
    obtained(material, folder, name)
    assert (folder / f"{name}.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_model_of_other_features_is_refused(name: str, folder: Path) -> None:
    conversations = made_learnable()
    text = conversations.features[Modality.TEXT]
    other = ModalityFeatures(vectors=text.vectors, usable=text.usable, fingerprint="e" * 64)
    features = {**conversations.features, Modality.TEXT: other}
    material = prepare(replace(conversations, features=features), SETTINGS.model)
    message = (
        f"{name}.safetensors was trained on text features {'f' * 16}.*the store has {'e' * 16}.*"
        "give the store that it was trained on, or train a new one"
    )
    with pytest.raises(CheckpointError, match=message):
        obtained(material, folder, name)


@pytest.mark.parametrize("name", ["teacher", "student"])
@pytest.mark.parametrize(
    "changes",
    [{"labels": LabelSet(("neutral", "anger", "joy"))}, {"protocol": "other"}],
)
def test_a_model_of_other_labels_or_another_protocol_is_refused(
    changes: dict[str, Any], name: str, folder: Path
) -> None:
    material = prepare(replace(made_learnable(), **changes), SETTINGS.model)
    message = rf"{name}.safetensors was trained for protocol none \(neutral, joy, anger\), .*train a new one"
    with pytest.raises(CheckpointError, match=message):
        obtained(material, folder, name)


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
        obtain_model(TEACHER, made_material(settings), settings, made_place(folder))


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
    teacher = obtain_model(TEACHER, material, settings, made_place(folder))
    student = obtain_model(STUDENT, material, settings, made_place(tmp_path), needed=teacher)
    assert predict(material, student, Split.TEST).probabilities.shape == (9, 3)


@pytest.mark.parametrize("order", [("audio", "text"), ("text", "audio")])
def test_a_students_modalities_keep_their_order(order: tuple[str, str], tmp_path: Path) -> None:
    """The weights of equation 6 stand in it: in another order they would weigh the wrong modality."""
    settings = with_model(QUICK, student=tuple(map(Modality, order)))
    material = made_material()
    _, student = train_both(material, settings, made_place(tmp_path))
    again = load_checkpoint(tmp_path / "student.safetensors")
    assert student_of(again).modalities == tuple(map(Modality, order))
    ours, theirs = (predict(material, model, Split.DEV) for model in (student, again))
    assert np.array_equal(ours.probabilities, theirs.probabilities)


def without_new_readings(options: dict[str, Any]) -> dict[str, Any]:
    """Of a table of model options; that of a student stands one level below."""
    if "model" in options:
        return {**options, "model": without_new_readings(options["model"])}
    old = {name: value for name, value in options.items() if name not in READINGS_BEFORE_0_3}
    return {**old, "mixture": "printed" if old["mixture"] == "product" else old["mixture"]}


def forget_new_readings(header: dict[str, Any], _: dict[str, torch.Tensor]) -> None:
    for part in header["models"]:
        part["options"] = without_new_readings(part["options"])
    header["origin"]["settings"] = without_new_readings(header["origin"]["settings"])


def as_of_0_2(path: Path, to: Path) -> Path:
    """The same model as version 0.2.0 wrote it."""
    return rewritten(path, to, forget_new_readings)


def as_format_1(path: Path, to: Path) -> Path:
    """The same model as versions before 0.2.0 wrote it."""

    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        forget_new_readings(header, tensors)
        parts = {part["name"]: part for part in header.pop("models")}
        header["format"] = 1
        for name in ("teacher", "student"):
            header[name] = sizes_of_format_1(parts[name]) if name in parts else None
        origin = header["origin"]
        origin["dev_w_f1"] = origin.pop("w_f1")
        del origin["batch_dialogues"]
        for name in [name for name in tensors if name.startswith("model.")]:
            inside = name.removeprefix("model.")  # of a pair: teacher.* and student.*
            tensors[inside if len(parts) == 2 else f"teacher.{inside}"] = tensors.pop(name)

    return rewritten(path, to, change)


def sizes_of_format_1(part: dict[str, Any]) -> dict[str, Any]:
    """What was called ModelSizes: of the options what shapes a network, and the corpus' shape."""
    options = part["options"].get("model", part["options"])
    chosen = ("speakers", "speaker_slots", "speaker_fewest_utterances", "guidance", "teacher", "student")
    shape = {**part["shape"], "feature_dims": dict(part["shape"]["feature_dims"])}
    return shape | {name: value for name, value in options.items() if name not in chosen}


@pytest.mark.parametrize("name", ["teacher", "student"])
@pytest.mark.parametrize("written_as", [as_format_1, as_of_0_2])
def test_a_file_of_an_older_version_is_read_with_its_readings_and_predicts_the_same(
    written_as: Callable[[Path, Path], Path], name: str, material: Material, old_folder: Path, tmp_path: Path
) -> None:
    new = load_checkpoint(old_folder / f"{name}.safetensors")
    path = written_as(old_folder / f"{name}.safetensors", tmp_path / f"{name}.safetensors")
    old = load_checkpoint(path)
    assert (old.name, old.parts) == (new.name, new.parts)
    assert replace(old.origin, settings=new.origin.settings) == new.origin
    for part in old.parts:
        options = part.options.model if part.name == "student" else part.options
        assert {key: getattr(options, key) for key in READINGS_BEFORE_0_3} == READINGS_BEFORE_0_3
        assert options.mixture == "product"
    assert (old.labels, old.identities) == (new.labels, new.identities)
    assert are_equal(weights_of(old.model), weights_of(new.model))
    assert old.standardisations.keys() == new.standardisations.keys()
    for split in (Split.DEV, Split.TEST):
        ours, theirs = (predict(material, model, split) for model in (new, old))
        assert np.array_equal(ours.probabilities, theirs.probabilities)
    save_model(tmp_path / "new.safetensors", replace(old, origin=new.origin))
    assert (tmp_path / "new.safetensors").read_bytes() == (old_folder / f"{name}.safetensors").read_bytes()


@pytest.mark.parametrize("mixture", ["branches", "mean"])
def test_another_mixture_of_an_older_version_keeps_its_name(mixture: str, tmp_path: Path) -> None:
    train_both(made_material(), with_model(OLD, mixture=mixture), made_place(tmp_path))
    old = load_checkpoint(as_of_0_2(tmp_path / "student.safetensors", tmp_path / "old.safetensors"))
    assert [part.options for part in old.parts] == [
        part.options for part in load_checkpoint(tmp_path / "student.safetensors").parts
    ]
    assert old.parts[1].options.model.mixture == mixture


def test_the_new_readings_predict_otherwise_with_the_same_weights(
    material: Material, old_folder: Path, tmp_path: Path
) -> None:
    """Why a file must be read with the readings of its version: most of them change no weight's shape."""

    def change(header: dict[str, Any], _: dict[str, torch.Tensor]) -> None:
        header["models"][0]["options"]["emotion_attention"] = "added"

    path = old_folder / "teacher.safetensors"
    other = load_checkpoint(rewritten(path, tmp_path / "other.safetensors", change))
    ours, theirs = (predict(material, model, Split.TEST) for model in (load_checkpoint(path), other))
    assert not np.allclose(ours.probabilities, theirs.probabilities, atol=1e-4)


@pytest.mark.parametrize("changes", [{"routing": "dense"}, {"experts": 3}, {"guidance": "train"}])
def test_a_student_of_format_1_keeps_a_teacher_that_was_made_otherwise(
    changes: dict[str, Any], old_folder: Path, tmp_path: Path
) -> None:
    """The settings in such a file are the student's; its borrowed teacher is built by its own sizes."""
    settings = with_model(OLD, **changes)
    material = made_material(settings)
    teacher = load_checkpoint(old_folder / "teacher.safetensors")
    new = obtain_model(STUDENT, material, settings, made_place(tmp_path), needed=teacher)
    old = load_checkpoint(as_format_1(tmp_path / "student.safetensors", tmp_path / "old.safetensors"))
    ours, theirs = (predict(material, model, Split.TEST) for model in (new, old))
    assert np.array_equal(ours.probabilities, theirs.probabilities)
    assert old.parts[-1] == new.parts[-1]
    assert old.parts[0].options.routing == "sparse"
    assert old.parts[0].options.experts == 2


@pytest.mark.parametrize("key", ["teacher", "student", "labels", "origin"])
def test_a_header_of_format_1_that_lacks_something_is_refused(
    key: str, old_folder: Path, tmp_path: Path
) -> None:
    old = as_format_1(old_folder / "student.safetensors", tmp_path / "old.safetensors")
    path = rewritten(old, tmp_path / "odd.safetensors", lambda header, _: header.pop(key))
    with pytest.raises(CheckpointError, match=f"{path} cannot be read as a trained model .*train again"):
        load_checkpoint(path)


def test_a_file_of_a_model_that_this_program_lacks_names_it(folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors",
        tmp_path / "odd.safetensors",
        lambda header, _: header["models"][0].update(name="dialoguegcn"),
    )
    with pytest.raises(CheckpointError, match=f"{path} .*there is no model 'dialoguegcn'"):
        load_checkpoint(path)


def test_options_out_of_range_are_named_by_model_and_key(folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "student.safetensors",
        tmp_path / "odd.safetensors",
        lambda header, _: header["models"][1]["options"]["model"].update(experts="many"),
    )
    with pytest.raises(CheckpointError, match=f"{path} .*the options of student: model.experts: "):
        load_checkpoint(path)


def choosing_on(split: Split) -> Settings:
    return with_training(QUICK, select_on=split)


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_model_whose_epoch_was_chosen_on_another_split_is_refused(
    name: str, material: Material, folder: Path
) -> None:
    path = folder / f"{name}.safetensors"
    trained = load_checkpoint(path)
    check_settings(trained, path, choosing_on(Split.DEV), material.identities)
    message = (
        f"{path}: its epoch was chosen on dev, this run chooses on test; "
        "give --select-on dev, or train a new one"
    )
    with pytest.raises(CheckpointError, match=message):
        check_settings(trained, path, choosing_on(Split.TEST), material.identities)
    with pytest.raises(CheckpointError, match=message):
        obtain_model(name, material, choosing_on(Split.TEST), made_place(folder), needed=trained)
    assert path.is_file()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda model: model["options"].update(width=10**6, heads=2), "width is 1000000, and its weights"),
        (lambda model: model["options"].update(layers=1000), "layers is 1000, and its weights are of"),
        (lambda model: model["shape"].update(classes=10**9), "labels of 1000000000 classes"),
        (lambda model: model["shape"].update(feature_dims=[["text", 10**12]]), "text is 10+, and its"),
        (lambda model: model["shape"].update(classes=-1), "train again"),
    ],
)
def test_a_model_larger_than_its_weights_is_refused_before_it_is_built(
    change: Callable[[dict[str, Any]], None], says: str, folder: Path, tmp_path: Path
) -> None:
    path = rewritten(
        folder / "teacher.safetensors",
        tmp_path / "odd.safetensors",
        lambda header, _: change(header["models"][0]),
    )
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(path)


def test_a_model_after_one_that_it_does_not_need_is_refused(folder: Path, tmp_path: Path) -> None:
    path = rewritten(
        folder / "teacher.safetensors",
        tmp_path / "odd.safetensors",
        lambda header, _: header.update(models=header["models"] * 2),
    )
    with pytest.raises(CheckpointError, match="a teacher after teacher, which it does not need"):
        load_checkpoint(path)
