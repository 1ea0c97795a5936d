"""Networks of folds that need no tuning: the last blocks of one, shaken; heads and turns are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from extraction.video.faces.alignment import standardised
from extraction.video.folds import VideoFolds
from extraction.video.network.beginning import taken_apart
from extraction.video.network.folded import FoldNetworks, save_folds
from extraction.video.network.lfnet3d import InflatedInceptionResnet, sequence_vector
from extraction.video.network.tuned import load_head, load_network, save_tuned
from extraction.weights import Weights
from summer.durable import file_sha256
from summer.folds import Alignment, procrustes

OWN_BLOCKS, CLASSES = 2, 3


def described(path: Path) -> Weights:
    return Weights(path=path, sha256=file_sha256(path), source="given", name=str(path))


@dataclass(frozen=True, kw_only=True)
class MadeFolds:
    """A file of networks, and each of them as the file of one network."""

    weights: Weights
    folds: VideoFolds
    singles: tuple[Weights, ...]
    alignments: tuple[Alignment | None, ...]
    layer: Any
    over_time: Any

    def expected(self, crops: NDArray[np.uint8], fold: int | None, **options: Any) -> NDArray[np.float32]:
        """The vector of a sequence, by the equations and the files of single networks."""
        if fold is not None:
            return self._moved(fold, crops, **options)
        if self.folds.new_rows == "whole":
            return self._moved(len(self.singles) - 1, crops, **options)
        every = [self._moved(k, crops, **options) for k in range(len(self.singles))]
        return np.asarray(sum(every) / len(every), dtype=np.float32)

    def own(self, network: int, crops: NDArray[np.uint8], **options: Any) -> NDArray[np.float32]:
        """What a network reads in its own axes."""
        loaded = _loaded(self.singles[network], self.layer, self.over_time)
        with torch.inference_mode():
            return sequence_vector(loaded, standardised(crops), **options).numpy()

    def _moved(self, network: int, crops: NDArray[np.uint8], **options: Any) -> NDArray[np.float32]:
        x, align = self.own(network, crops, **options), self.alignments[network]
        if align is None:
            return x
        own, reference = (load_head(self.singles[k]) for k in (network, self.folds.reference))
        turned = (x - align.mean_of_fold) @ align.rotation + align.mean_of_whole
        wanted, said = own.weight @ x + own.bias, reference.weight @ turned + reference.bias
        moved: NDArray[np.float32] = turned + np.linalg.pinv(reference.weight) @ (wanted - said)
        return moved


def made_folds(
    folder: Path, start: Weights, folds: VideoFolds, *, layer: Any = "block8", over_time: Any = "mean"
) -> MadeFolds:
    """A file of networks that read what `folds` says."""
    options = {"layer": layer, "over_time": over_time}
    record = {**options, "options": {"trained_blocks": OWN_BLOCKS}}
    networks: list[InflatedInceptionResnet] = []
    singles: list[Weights] = []
    for number, name in enumerate(folds.networks):
        network = load_network(start, **options)
        drawn = torch.Generator().manual_seed(number)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(number)
            head = nn.Linear(network.dim, CLASSES)
            for block in network.blocks[-OWN_BLOCKS:]:
                for tensor in block.parameters():
                    tensor.mul_(1 + 0.3 * torch.randn(tensor.shape, generator=drawn))
        save_tuned(folder / f"{name}.safetensors", network, head, record)
        singles.append(described(folder / f"{name}.safetensors"))
        networks.append(network)
    alignments = [
        None if number == folds.reference else _turned(number, network.dim) for number in range(len(singles))
    ]
    made = FoldNetworks(
        folds=folds,
        networks=taken_apart(networks, own_blocks=OWN_BLOCKS),
        heads=[load_head(single) for single in singles],
        alignments=alignments,
    )
    save_folds(folder / "folds.safetensors", made, record)
    return MadeFolds(
        weights=described(folder / "folds.safetensors"),
        folds=folds,
        singles=tuple(singles),
        alignments=tuple(alignments),
        **options,
    )


@lru_cache(maxsize=4)
def _loaded(weights: Weights, layer: Any, over_time: Any) -> InflatedInceptionResnet:
    return load_network(weights, layer=layer, over_time=over_time)


def _turned(seed: int, dim: int) -> Alignment:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(6, dim)).astype(np.float32)
    return procrustes(rows, np.roll(rows, seed + 1, axis=1) + 1)
