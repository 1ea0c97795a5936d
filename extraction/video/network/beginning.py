"""Networks that were tuned from one start: they differ in their last blocks, and all before is computed once.

Tuning moves the last blocks alone (training.py). Six of the seventeen blocks before `block8` are a ninth of
the network's work, so that five networks cost 1.4 times what one costs, and little more memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from extraction.video.network.lfnet3d import (
    InflatedInceptionResnet,
    in_windows,
    mean_and_deviation,
    means_of_frames,
    seen,
)


class DifferentBeginningsError(ValueError):
    """Networks that were not tuned from one start, or not in their last blocks alone."""


class SharedBeginning(nn.Module):
    """Several inflated networks of one layer.

    Args:
        first: the first of them, whole.
        ends: the last blocks of each, the first one's included; of all equally many.
    """

    def __init__(self, first: InflatedInceptionResnet, ends: Sequence[nn.ModuleList]) -> None:
        super().__init__()
        self.first = first
        self.ends = nn.ModuleList(ends)
        self.own_blocks = len(ends[0])

    def vectors(
        self, crops: Float[Tensor, "frame 3 160 160"], networks: Sequence[int]
    ) -> Float[Tensor, "network dim"]:
        """The vectors that some of the networks give a face sequence of any length.

        Args:
            crops: aligned faces in RGB, standardised, in order of time; at least one.
            networks: which, from 0.

        Raises:
            ValueError: there is no crop.
            DeviceMemoryError: a window does not fit the device.
        """

        def look(part: Float[Tensor, "1 frame 3 160 160"]) -> Float[Tensor, "1 network frame layer"]:
            return torch.stack(self._of_frames(part, networks), dim=1)

        frames = torch.cat([seen(look, part) for part in in_windows(crops)], dim=1)
        return frames.mean(dim=1) if self.first.over_time == "mean" else mean_and_deviation(frames)

    def _of_frames(
        self, crops: Float[Tensor, "1 frame 3 160 160"], networks: Sequence[int]
    ) -> list[Float[Tensor, "1 frame layer"]]:
        beginning = self.first.cube(crops, self.first.blocks[: -self.own_blocks])
        found = []
        for network in networks:
            cube = beginning
            for block in self.ends[network]:  # type: ignore[attr-defined]  # a ModuleList of a ModuleList
                cube = block(cube)
            found.append(means_of_frames(cube))
        return found


def end_of(network: InflatedInceptionResnet, own_blocks: int) -> nn.ModuleList:
    """The blocks of a network that are its own; they stay parts of it."""
    return nn.ModuleList(network.blocks[-own_blocks:])


def beginning_of(network: InflatedInceptionResnet, own_blocks: int) -> Mapping[str, Tensor]:
    """All other kernels, by name, but not the embedding of faces."""
    own = {id(parameter) for parameter in end_of(network, own_blocks).parameters()}
    return {
        name: parameter.detach()
        for name, parameter in network.named_parameters()
        if id(parameter) not in own and not name.startswith("embedding.")
    }


def taken_apart(networks: Iterable[InflatedInceptionResnet], *, own_blocks: int) -> SharedBeginning:
    """What several networks have in common, and the end of each.

    Args:
        networks: one after the other, so that no more than two need be whole at once.
        own_blocks: so many last blocks differ.

    Raises:
        DifferentBeginningsError: what comes before these differs as well; names the first kernel that does.
    """
    waiting = iter(networks)
    first = next(waiting)
    shared, ends = beginning_of(first, own_blocks), [end_of(first, own_blocks)]
    for number, network in enumerate(waiting, start=2):
        for name, tensor in beginning_of(network, own_blocks).items():
            if not torch.equal(tensor, shared[name]):
                raise DifferentBeginningsError(
                    f"network {number} differs from the first in {name}, before the last {own_blocks} blocks"
                )
        ends.append(end_of(network, own_blocks))
    return SharedBeginning(first, ends)
