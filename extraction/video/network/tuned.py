"""Tuned networks as files: 3D kernels, the classifier over them, and the record of how they were tuned.

A face recogniser's file holds 2D kernels with batch norms (`conv2d_1a.conv.weight`, `conv2d_1a.bn.weight`)
and is inflated when it is read. A tuned file holds what inflation made and training moved: `frames.*` and
`sequence.*`, batch norms folded in, those of `sequence` 3D; `head.*`, the linear classifier; and no
`embedding.*`, because a network that was tuned for emotion no longer knows people. The names tell the two
apart, and shapes are checked against the network that is built. The record is JSON in the file's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from facenet_pytorch import InceptionResnetV1
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from extraction.video.network.lfnet3d import InflatedInceptionResnet, Layer, OverTime
from extraction.weights import Weights, WeightsUnavailable, load_vggface2
from summer.durable import json_of, write_aside
from summer.store import EncoderHead, StoreError

METADATA = "summer-tune"
FOLDS = "folds"  # key of the record of a file that holds a network for each fold (folded.py)
KERNELS, HEAD = ("frames.", "sequence."), "head."


def save_tuned(
    path: Path, network: InflatedInceptionResnet, head: nn.Linear, record: Mapping[str, Any]
) -> None:
    """Write a tuned network, aside and renamed into place.

    Args:
        record: has "layer" among what else is worth knowing.

    Raises:
        DiskError: the disk is full or refuses.
    """
    kernels = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(KERNELS)}
    tensors = kernels | {f"{HEAD}{name}": tensor for name, tensor in head.state_dict().items()}
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_aside(path, save(on_host, metadata={METADATA: json.dumps(record, ensure_ascii=False)}))


def tuning_of(weights: Weights) -> dict[str, Any] | None:
    """The record of a tuned network; None of any other file.

    Raises:
        WeightsUnavailable: it is a tuned network whose record cannot be read.
    """
    try:
        with safe_open(weights.path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA)
    except (SafetensorError, OSError):
        return None  # whoever loads it says why
    if text is None:
        return None
    try:
        record: dict[str, Any] = json_of(text)
        if record["layer"] not in get_args(Layer):
            raise ValueError(f"layer {record['layer']!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsUnavailable(
            f"the record of the tuned network {weights.path} cannot be read ({error}); tune again"
        ) from error
    return record


def check_layer(weights: Weights, record: Mapping[str, Any], layer: Layer) -> None:
    """Refuse a network whose other layer was tuned.

    Raises:
        WeightsUnavailable: names both layers and the remedy.
    """
    if record["layer"] != layer:
        raise WeightsUnavailable(
            f"{weights.path} was tuned for the vector of layer {record['layer']!r}, and this run asks for "
            f"{layer!r}; give -o video.layer={record['layer']}"
        )


def check_is_one(weights: Weights, record: Mapping[str, Any] | None) -> None:
    """Refuse a file that holds a network for each fold.

    Raises:
        WeightsUnavailable: names the remedy.
    """
    if record is not None and FOLDS in record:
        raise WeightsUnavailable(
            f"{weights.path} holds a network for each fold, and one is wanted here; give the file of one of "
            "them, which summer-tune left beside it, or leave video.weights out"
        )


def load_network(
    weights: Weights, *, layer: Layer = "block8", over_time: OverTime = "mean"
) -> InflatedInceptionResnet:
    """The inflated network with a face recogniser's weights, or with tuned ones; in evaluation mode.

    Raises:
        WeightsUnavailable: the file holds neither, or networks of folds, or was tuned for another layer.
    """
    record = tuning_of(weights)
    flat = InceptionResnetV1(classify=False)
    if record is None:
        flat.load_state_dict(load_vggface2(weights))
        return InflatedInceptionResnet(flat, layer=layer, over_time=over_time).eval()
    check_is_one(weights, record)
    check_layer(weights, record, layer)
    network = InflatedInceptionResnet(flat, layer=layer, over_time=over_time)
    del network.embedding  # it would be another network's: face_embedding fails instead of misleading
    state = load_file(weights.path)
    found = {name: tensor for name, tensor in state.items() if not name.startswith(HEAD)}
    fill(network.state_dict(), found, weights.path)
    return network.eval()


def load_head(weights: Weights) -> EncoderHead:
    """The linear layer over the vector that a tuned network was trained with.

    Raises:
        WeightsUnavailable: the file cannot be read, or has none.
    """
    try:
        with safe_open(weights.path, framework="numpy") as file:
            return EncoderHead(weight=file.get_tensor("head.weight"), bias=file.get_tensor("head.bias"))
    except (SafetensorError, OSError, StoreError) as error:
        raise WeightsUnavailable(
            f"the classifier in {weights.path} cannot be read ({error}); delete the file and tune again"
        ) from error


def fill(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Copy kernels in, each into the memory layout that its network has chosen.

    Raises:
        WeightsUnavailable: one is absent, of another shape, or one too many.
    """
    for name in sorted(wanted.keys() | found.keys()):
        shapes = [tuple(tensors[name].shape) if name in tensors else "absent" for tensors in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise WeightsUnavailable(
                f"{path}: {name} is {shapes[0]}, the inflated InceptionResnetV1 wants {shapes[1]}; give "
                "other weights, or tune again"
            )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(found[name])
