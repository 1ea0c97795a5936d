"""Tuned networks as files: they come back as they were, say how they were made, and are told from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from extraction.video.network.backbones import load_backbone
from extraction.video.network.lfnet3d import InflatedInceptionResnet
from extraction.video.network.tuned import METADATA, check_layer, load_network, save_tuned, tuning_of
from extraction.weights import Weights, WeightsUnavailable
from summer.durable import file_sha256

RECORD = {"layer": "block8", "dev_scores": [0.5]}


@pytest.fixture(name="network")
def _network(random_weights: Weights) -> InflatedInceptionResnet:
    """One whose last kernels over time are not the same for every frame."""
    network = load_network(random_weights)
    with torch.no_grad():
        for parameter in network.blocks[-1].parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return network


@pytest.fixture(name="tuned")
def _tuned(network: InflatedInceptionResnet, tmp_path: Path) -> Weights:
    save_tuned(tmp_path / "tuned.safetensors", network, nn.Linear(1792, 2), RECORD)
    return described(tmp_path / "tuned.safetensors")


@pytest.fixture(name="crops")
def _crops() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)


def described(path: Path) -> Weights:
    return Weights(path=path, sha256=file_sha256(path), source="given", name=str(path))


def test_a_tuned_network_comes_back_with_kernels_and_record(
    network: InflatedInceptionResnet, tuned: Weights
) -> None:
    read = load_network(tuned)
    assert tuning_of(tuned) == RECORD
    expected = network.state_dict()
    for name, tensor in read.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    stored = load_file(tuned.path)
    assert {"head.weight", "head.bias"} < stored.keys()
    assert any(tensor.dim() == 5 and tensor.shape[2] == 3 for tensor in stored.values())
    assert not any(name.startswith("embedding.") for name in stored)


def test_a_recognisers_file_is_no_tuned_one(random_weights: Weights) -> None:
    assert tuning_of(random_weights) is None
    assert load_network(random_weights).recognises_faces


def test_vectors_are_the_tuned_networks_and_people_are_told_by_the_untuned_one(
    random_weights: Weights, tuned: Weights, crops: NDArray[np.uint8]
) -> None:
    flat = load_backbone("inception_resnet_v1", random_weights, "cpu")
    both = load_backbone("inception_resnet_v1", tuned, "cpu", recogniser=random_weights)
    assert both.recognises_faces
    assert np.array_equal(both.embed(crops), flat.embed(crops))
    assert not np.allclose(both.vector(crops), flat.vector(crops), rtol=1e-3)
    assert not np.allclose(both.vector(crops), both.vector(crops[::-1].copy()), rtol=1e-4)
    assert load_backbone("inception_resnet_v1", tuned, "cpu", recogniser=random_weights) is both


def test_a_tuned_network_alone_does_not_pass_for_a_recogniser(tuned: Weights) -> None:
    with pytest.raises(WeightsUnavailable, match="no longer tells people apart; give the face recogniser's"):
        load_backbone("inception_resnet_v1", tuned, "cpu")


def test_another_layer_than_the_tuned_one_is_refused_with_the_remedy(tuned: Weights) -> None:
    with pytest.raises(WeightsUnavailable, match=r"layer 'block8', and .* 'repeat_2'; .*video.layer=block8"):
        check_layer(tuned, RECORD, "repeat_2")
    with pytest.raises(WeightsUnavailable, match="tuned for the vector of layer"):
        load_network(tuned, layer="repeat_2")


def without(state: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: tensor for key, tensor in state.items() if key != name}


KERNEL = "sequence.3.branch1.1.conv.weight"


@pytest.mark.parametrize("damage", ["one is gone", "2D", "one too many"])
def test_kernels_that_are_not_the_networks_are_named(tuned: Weights, damage: str) -> None:
    state = load_file(tuned.path)
    changed = {
        "one is gone": without(state, KERNEL),
        "2D": {**state, KERNEL: state[KERNEL].mean(dim=2)},
        "one too many": {**state, "sequence.9.weight": torch.zeros(1)},
    }[damage]
    save_file(changed, tuned.path, metadata={METADATA: '{"layer": "block8"}'})
    name = "sequence.9.weight" if damage == "one too many" else KERNEL
    with pytest.raises(WeightsUnavailable, match=rf"{name} is .*wants .*tune again"):
        load_network(tuned)


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"layer": "block9"}'])
def test_a_record_that_cannot_be_read_is_an_error(tuned: Weights, text: str) -> None:
    save_file(load_file(tuned.path), tuned.path, metadata={METADATA: text})
    with pytest.raises(WeightsUnavailable, match="record of the tuned network .* cannot be read"):
        tuning_of(tuned)


def test_what_is_neither_is_refused_as_before(tuned: Weights, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, other)
    assert tuning_of(described(other)) is None
    with pytest.raises(WeightsUnavailable, match="InceptionResnetV1 wants"):
        load_network(described(other))
    other.write_bytes(b"half a file")
    with pytest.raises(WeightsUnavailable, match="cannot be read as weights"):
        load_network(replace(tuned, path=other))
