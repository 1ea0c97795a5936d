"""Networks of folds as one file: a clip has the vector of its own network, in common axes; damage is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from extraction.video.folds import VideoFolds
from extraction.video.network import beginning
from extraction.video.network.backbones import load_backbone
from extraction.video.network.beginning import DifferentBeginningsError, taken_apart
from extraction.video.network.folded import folds_in, load_folds
from extraction.video.network.tuned import METADATA, load_head, load_network
from extraction.weights import Weights, WeightsUnavailable
from tests.extraction.fake import corpus_of
from tests.extraction.video.made_folds import OWN_BLOCKS, MadeFolds, described, made_folds

CORPUS = corpus_of(["word"] * 60)


@pytest.fixture(name="whole", scope="module")
def _whole(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> MadeFolds:
    return made_folds(tmp_path_factory.mktemp("whole"), random_weights, VideoFolds.dealt(CORPUS, 2, "whole"))


@pytest.fixture(name="mean", scope="module")
def _mean(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> MadeFolds:
    """Another layer, and deviations."""
    return made_folds(
        tmp_path_factory.mktemp("mean"),
        random_weights,
        VideoFolds.dealt(CORPUS, 3, "mean"),
        layer="repeat_2",
        over_time="mean-and-deviation",
    )


@pytest.fixture(name="crops", scope="module")
def _crops() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)


def vector(
    made: MadeFolds, start: Weights, crops: NDArray[np.uint8], fold: int | None
) -> NDArray[np.float32]:
    backbone = load_backbone(
        "inception_resnet_v1",
        made.weights,
        "cpu",
        layer=made.layer,
        over_time=made.over_time,
        recogniser=start,
    )
    return replace(backbone, fold=fold).vector(crops)


@pytest.mark.parametrize("fold", [0, 1, None])
@pytest.mark.parametrize("kind", ["whole", "mean"])
def test_a_row_has_the_vector_of_its_network_in_the_axes_of_the_reference(
    request: pytest.FixtureRequest,
    random_weights: Weights,
    crops: NDArray[np.uint8],
    kind: str,
    fold: int | None,
) -> None:
    made: MadeFolds = request.getfixturevalue(kind)
    found, expected = vector(made, random_weights, crops, fold), made.expected(crops, fold)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
    other = made.expected(crops, 0 if fold == 1 else 1)
    assert np.abs(found - other).max() > 0.02 * scale


@pytest.mark.parametrize("kind", ["whole", "mean"])
def test_the_head_of_the_reference_gives_the_logits_of_the_network_that_read(
    request: pytest.FixtureRequest, random_weights: Weights, crops: NDArray[np.uint8], kind: str
) -> None:
    made: MadeFolds = request.getfixturevalue(kind)
    reference = load_head(made.singles[made.folds.reference])
    said = []
    for fold in range(made.folds.count):
        own, x = load_head(made.singles[fold]), made.own(fold, crops)
        said.append(own.weight @ x + own.bias)
        found = vector(made, random_weights, crops, fold)
        np.testing.assert_allclose(reference.weight @ found + reference.bias, said[-1], rtol=1e-3, atol=1e-2)
    if kind == "mean":
        new = vector(made, random_weights, crops, None)
        np.testing.assert_allclose(
            reference.weight @ new + reference.bias, np.mean(said, axis=0), rtol=1e-3, atol=1e-2
        )


@pytest.mark.parametrize("kind", ["whole", "mean"])
def test_a_long_sequence_is_seen_in_windows(
    request: pytest.FixtureRequest,
    random_weights: Weights,
    crops: NDArray[np.uint8],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: MadeFolds = request.getfixturevalue(kind)
    at_once = vector(made, random_weights, crops, 1)
    monkeypatch.setattr(beginning, "in_windows", lambda crops: crops.tensor_split(2))
    found, expected = vector(made, random_weights, crops, 1), made.expected(crops, 1, window=2)
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(np.abs(expected).max()))
    assert not np.allclose(found, at_once, atol=1e-4 * float(np.abs(expected).max()))


def test_what_the_networks_have_in_common_is_kept_once(whole: MadeFolds) -> None:
    stored = load_file(whole.weights.path)
    one = load_file(whole.singles[0].path)
    shared = {name: tensor for name, tensor in stored.items() if name in one}
    assert all(torch.equal(tensor, one[name]) for name, tensor in shared.items())
    own = {name for name in one if not name.startswith("head.") and name not in shared}
    for number, single in enumerate(whole.singles):
        tensors, network = load_file(single.path), load_network(single)
        name_of = {id(parameter): name for name, parameter in network.named_parameters()}
        blocks = network.blocks[-OWN_BLOCKS:]
        assert {name_of[id(p)] for block in blocks for p in block.parameters()} == own
        for place, block in enumerate(blocks, start=1):
            for name, parameter in block.named_parameters():
                kept = stored[f"{whole.folds.networks[number]}.block_{place}.{name}"]
                assert torch.equal(kept, tensors[name_of[id(parameter)]])


def test_networks_that_differ_before_their_last_blocks_are_refused(whole: MadeFolds) -> None:
    networks = [load_network(single) for single in whole.singles[:2]]
    with pytest.raises(
        DifferentBeginningsError, match=r"network 2 differs from the first in sequence\.2\.4\."
    ):
        taken_apart(networks, own_blocks=OWN_BLOCKS - 1)


def rewritten(
    made: MadeFolds,
    path: Path,
    change: Callable[[dict[str, Tensor]], None] = lambda _: None,
    **record: Any,
) -> Weights:
    with safe_open(made.weights.path, framework="pt") as file:
        told = json.loads(file.metadata()[METADATA]) | record
    tensors = load_file(made.weights.path)
    change(tensors)
    save_file(tensors, path, metadata={METADATA: json.dumps(told)})
    return described(path)


def flip_a_number(tensors: dict[str, Tensor]) -> None:
    tensors["fold_2.head.bias"][0] += 1e-3


def lose_a_network(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if name.startswith("fold_1.")]:
        del tensors[name]


@pytest.mark.parametrize("change", [flip_a_number, lose_a_network])
def test_numbers_that_are_not_those_that_were_written_are_refused(
    whole: MadeFolds, tmp_path: Path, change: Callable[[dict[str, Tensor]], None]
) -> None:
    damaged = rewritten(whole, tmp_path / "damaged.safetensors", change)
    with pytest.raises(
        WeightsUnavailable, match=r"damaged: its numbers have sha256 .*; copy it again, or del"
    ):
        load_folds(damaged)


def test_half_a_file_is_refused(whole: MadeFolds, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    half.write_bytes(whole.weights.path.read_bytes()[:100_000_000])
    with pytest.raises(WeightsUnavailable, match="holds no networks of folds"):
        load_folds(described(half))
    with pytest.raises(WeightsUnavailable, match="cannot be read as weights"):
        load_network(described(half))


def test_folds_that_cannot_be_read_are_told(whole: MadeFolds, tmp_path: Path) -> None:
    odd = rewritten(
        whole, tmp_path / "odd.safetensors", folds={"corpus": "fake", "count": 2, "new_rows": "whole"}
    )
    with pytest.raises(WeightsUnavailable, match=r"the folds in the record of .*'dialogues'.*copy it again"):
        folds_in(odd)


def test_another_vector_than_the_tuned_one_is_refused(whole: MadeFolds) -> None:
    with pytest.raises(WeightsUnavailable, match=r"-o video\.over_time=mean$"):
        load_folds(whole.weights, over_time="mean-and-deviation")
    with pytest.raises(WeightsUnavailable, match=r"-o video\.layer=block8$"):
        load_folds(whole.weights, layer="repeat_2")


def test_one_network_and_those_of_folds_are_not_taken_for_each_other(
    whole: MadeFolds, random_weights: Weights
) -> None:
    assert folds_in(whole.weights) == whole.folds
    assert folds_in(whole.singles[0]) is folds_in(random_weights) is None
    with pytest.raises(WeightsUnavailable, match="holds a network for each fold, and one is wanted here"):
        load_network(whole.weights)
    with pytest.raises(WeightsUnavailable, match="holds no networks of folds"):
        load_folds(whole.singles[0])
    with pytest.raises(WeightsUnavailable, match="no longer tells people apart"):
        load_backbone("inception_resnet_v1", whole.weights, "cpu")
