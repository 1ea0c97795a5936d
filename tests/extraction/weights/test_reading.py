"""Reading the state of InceptionResnetV1: complete or refused, and never by running what a file says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from safetensors.torch import save_file
from torchvision.models.video import r3d_18

from extraction.weights import Weights, WeightsUnavailable, states


def facenet_file(path: Path) -> dict[str, torch.Tensor]:
    state = InceptionResnetV1(classify=False).state_dict()
    save_file(state, path)
    return state


def described(path: Path) -> Weights:
    return Weights(path=path, sha256="", source="given")


def test_facenet_pytorchs_own_file_is_read_and_its_classifier_dropped(tmp_path: Path) -> None:
    state = InceptionResnetV1(classify=True, num_classes=3).state_dict()
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path / "own.pt")
    found = states.load_vggface2(described(tmp_path / "own.pt"))
    assert not any(key.startswith("logits") for key in found)
    model = InceptionResnetV1(classify=False)
    model.load_state_dict(found, strict=True)
    assert torch.equal(model.last_linear.weight, state["last_linear.weight"])


def test_weights_of_another_network_are_refused_by_the_first_tensor_that_differs(tmp_path: Path) -> None:
    state = facenet_file(tmp_path / "a.safetensors")
    lacking = {key: value for key, value in state.items() if key != "last_linear.weight"}
    wrong = state | {"last_linear.weight": torch.zeros(7, 7)}
    more = state | {"attention.weight": torch.zeros(1)}
    for changed, problem in (
        (lacking, r"last_linear\.weight is absent"),
        (wrong, r"last_linear\.weight is \(7, 7\), InceptionResnetV1 wants \(512, 1792\)"),
        (more, r"has no attention\.weight"),
    ):
        save_file(changed, tmp_path / "b.safetensors")
        with pytest.raises(WeightsUnavailable, match=problem):
            states.load_vggface2(described(tmp_path / "b.safetensors"))


def test_r3d18_is_read_whole_from_torchvisions_file_and_nothing_else_passes(tmp_path: Path) -> None:
    state = r3d_18(weights=None).state_dict()
    torch.save(state, tmp_path / "r3d_18.pth")
    found = states.load_kinetics_r3d18(described(tmp_path / "r3d_18.pth"))
    r3d_18(weights=None).load_state_dict(found, strict=True)
    assert torch.equal(found["fc.weight"], state["fc.weight"])
    facenet_file(tmp_path / "faces.safetensors")
    with pytest.raises(WeightsUnavailable, match=r"is absent, VideoResNet wants"):
        states.load_kinetics_r3d18(described(tmp_path / "faces.safetensors"))


class Intruder:
    """An object whose unpickling would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_damaged_files_and_pickled_code_are_refused(tmp_path: Path) -> None:
    torch.save(Intruder(), tmp_path / "code.pt")
    torch.save(torch.zeros(1), tmp_path / "tensor.pt")
    (tmp_path / "damaged.pt").write_bytes(b"not weights")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "damaged.safetensors").write_bytes(b"not weights")
    for path in sorted(tmp_path.glob("*.*")):
        with pytest.raises(WeightsUnavailable, match=f"{path.name} (cannot be read|holds Tensor)"):
            states.load_vggface2(described(path))


def test_an_archive_whose_members_are_compressed_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "own.pt")
    with zipfile.ZipFile(tmp_path / "own.pt") as own:
        members = {name: own.read(name) for name in own.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in members.items():
            bomb.writestr(name, content)
    with pytest.raises(WeightsUnavailable, match=r"bomb\.pt .* is compressed"):
        states.load_vggface2(described(tmp_path / "bomb.pt"))


def test_what_is_no_tensor_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"a": "words"}, tmp_path / "words.pt")
    with pytest.raises(WeightsUnavailable, match=r"words\.pt: 'a' is no tensor"):
        states.load_vggface2(described(tmp_path / "words.pt"))
