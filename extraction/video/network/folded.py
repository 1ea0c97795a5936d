"""Networks that were tuned without folds of a corpus, as one file, and how a clip's own of them is read.

The networks start at one and differ in their last blocks (beginning.py), so one file holds

    frames.*, sequence.*        what all have in common
    <network>.block_<n>.*       the last blocks of each: n counts those, from 1 on
    <network>.head.*            its linear layer over its vector, W_k and b_k
    <network>.alignment.*       m_k, Q, m: the way to the axes of the reference (summer/folds.py)

with <network> `fold_1` and on, and `whole` where one was tuned on all. What a network reads, x, becomes

    x'  = (x - m_k) Q + m
    x'' = x' + W^+ (W_k x + b_k - W x' - b)

W, b: the head of the reference, which gives x'' the logits of the network that read it (extraction/folds.py).
The reference, `whole` or else `fold_1`, keeps its vectors as they are.

The record in the file's header says who reads what (extraction/video/folds.py), how each network was tuned,
and the sha256 of all numbers: a file that was cut short or damaged is refused when it is read.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from extraction.folds import with_logits
from extraction.video.folds import VideoFolds
from extraction.video.network.beginning import SharedBeginning, beginning_of, end_of
from extraction.video.network.inception import InceptionResnetV1
from extraction.video.network.lfnet3d import InflatedInceptionResnet
from extraction.video.network.record import FOLDS, METADATA, REMEDY, check_layer, folds_in, tuning_of
from extraction.video.network.tuned import fill
from extraction.video.options import Layer, OverTime
from extraction.weights import Weights, WeightsUnavailable
from summer.durable import check_free_space, write_aside
from summer.folds import Alignment
from summer.store import EncoderHead, StoreError

CONTENT = "content"  # key of the record: the sha256 of all numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldNetworks:
    """All networks of a file.

    Args:
        folds: who reads what.
        networks: in the order of `folds.networks`, as heads and alignments are.
        alignments: None of the reference.
    """

    folds: VideoFolds
    networks: SharedBeginning
    heads: Sequence[EncoderHead]
    alignments: Sequence[Alignment | None]

    def vector(
        self, crops: Float[Tensor, "frame 3 160 160"], fold: int | None
    ) -> Float32[np.ndarray, " dim"]:
        """The vector of one face's sequence, in the axes of the reference.

        Args:
            crops: standardised, in order of time, on the device of the networks.
            fold: of the row's dialogue, from 0; None: a row that is read as new ones are.

        Raises:
            DeviceMemoryError: not even one window of it fits the device.
        """
        readers = self.folds.readers(fold)
        read = self.networks.vectors(crops, readers).cpu().numpy()
        aligned = [self._aligned(network, row[None]) for network, row in zip(readers, read, strict=True)]
        mean: NDArray[np.float32] = np.concatenate(aligned).mean(axis=0, dtype=np.float32)
        return mean

    def _aligned(self, network: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        alignment = self.alignments[network]
        if alignment is None:
            return vectors
        logits = self.heads[network].logits(vectors)
        return with_logits(alignment(vectors), logits, self.heads[self.folds.reference])


def save_folds(path: Path, made: FoldNetworks, record: Mapping[str, Any]) -> None:
    """Write the networks of all folds, aside and renamed into place.

    Args:
        record: has "layer", "over_time" and "options" of the tuning, and what else is worth knowing.

    Raises:
        DiskError: the disk is full or refuses.
    """
    tensors = {n: t.cpu().contiguous() for n, t in _tensors(made).items()}
    check_free_space(path, needed_bytes=sum(tensor.nbytes for tensor in tensors.values()))
    told = {**record, FOLDS: made.folds.record, CONTENT: _content_sha256(tensors)}
    write_aside(path, save(tensors, metadata={METADATA: json.dumps(told, ensure_ascii=False)}))


def _tensors(made: FoldNetworks) -> dict[str, Tensor]:
    tensors = dict(beginning_of(made.networks.first, made.networks.own_blocks))
    for k, name in enumerate(made.folds.networks):
        tensors |= {f"{name}.{key}": tensor for key, tensor in _end_state(made.networks.ends[k]).items()}
        head, alignment = made.heads[k], made.alignments[k]
        tensors |= {f"{name}.head.weight": torch.from_numpy(head.weight)}
        tensors |= {f"{name}.head.bias": torch.from_numpy(head.bias)}
        if alignment is not None:
            tensors |= {
                f"{name}.alignment.{key}": torch.from_numpy(v) for key, v in asdict(alignment).items()
            }
    return tensors


def _end_state(end: nn.Module) -> dict[str, Tensor]:
    return {
        f"block_{number}.{name}": tensor
        for number, block in enumerate(end.children(), start=1)
        for name, tensor in block.state_dict().items()
    }


def load_folds(weights: Weights, *, layer: Layer = "block8", over_time: OverTime = "mean") -> FoldNetworks:
    """Read what `save_folds` wrote; in evaluation mode.

    Raises:
        WeightsUnavailable: the file is damaged, holds no such networks, or was tuned for another vector.
    """
    folds, record = folds_in(weights), tuning_of(weights)
    if folds is None or record is None:
        raise WeightsUnavailable(f"{weights.path} holds no networks of folds; give a file of summer-tune's")
    _check_vector(weights, record, layer, over_time)
    state = _whole_state(weights, record)
    try:
        own_blocks = int(record["options"]["trained_blocks"])
        heads = [_head(state, name) for name in folds.networks]
        alignments = [_alignment(state, name) for name in folds.networks]
    except (KeyError, TypeError, ValueError, StoreError) as error:
        raise WeightsUnavailable(f"{weights.path} lacks a part ({error}); {REMEDY}") from error
    networks = _networks(state, folds, own_blocks, layer, over_time, weights.path)
    return FoldNetworks(folds=folds, networks=networks, heads=heads, alignments=alignments)


def _check_vector(weights: Weights, record: Mapping[str, Any], layer: Layer, over_time: OverTime) -> None:
    """Heads and alignments are of one vector: another one they would ruin."""
    check_layer(weights, record, layer)
    if record.get("over_time") != over_time:
        raise WeightsUnavailable(
            f"{weights.path} was tuned for the {record.get('over_time')!r} over time, and this run asks for "
            f"{over_time!r}; give -o video.over_time={record.get('over_time')}"
        )


def _whole_state(weights: Weights, record: Mapping[str, Any]) -> dict[str, Tensor]:
    try:
        state = load_file(weights.path)
    except (OSError, SafetensorError) as error:
        raise WeightsUnavailable(f"{weights.path} cannot be read ({error}); {REMEDY}") from error
    found = _content_sha256(state)
    if found != record.get(CONTENT):
        raise WeightsUnavailable(
            f"{weights.path} is damaged: its numbers have sha256 {found[:12]}, and its record says "
            f"{str(record.get(CONTENT))[:12]}; {REMEDY}"
        )
    return state


def _networks(
    state: Mapping[str, Tensor],
    folds: VideoFolds,
    own_blocks: int,
    layer: Layer,
    over_time: OverTime,
    path: Path,
) -> SharedBeginning:
    first = InflatedInceptionResnet(InceptionResnetV1(), layer=layer, over_time=over_time).eval()
    del first.embedding
    fill(beginning_of(first, own_blocks), _only(state, ("frames.", "sequence.")), path)
    end, ends = end_of(first, own_blocks), []
    for name in folds.networks:
        found = {
            f"{name}.{key}": state[f"{name}.{key}"] for key in _end_state(end) if f"{name}.{key}" in state
        }
        fill({f"{name}.{key}": tensor for key, tensor in _end_state(end).items()}, found, path)
        ends.append(copy.deepcopy(end))
    return SharedBeginning(first, ends)


def _only(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith(prefixes)}


def _head(state: Mapping[str, Tensor], name: str) -> EncoderHead:
    return EncoderHead(weight=state[f"{name}.head.weight"].numpy(), bias=state[f"{name}.head.bias"].numpy())


def _alignment(state: Mapping[str, Tensor], name: str) -> Alignment | None:
    prefix = f"{name}.alignment."
    arrays = {key.removeprefix(prefix): state[key].numpy() for key in state if key.startswith(prefix)}
    return Alignment(**arrays) if arrays else None


def _content_sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name].numpy()).data)
    return digest.hexdigest()
