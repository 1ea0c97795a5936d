"""What can be asked of the video extractor, and how wide its vector then is. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

BackboneName = Literal["inception_resnet_v1", "r3d_18"]
Layer = Literal["block8", "repeat_2"]
OverTime = Literal["mean", "mean-and-deviation"]
FaceChoice = Literal["talking", "speaker", "largest", "central"]
LISTENING = ("talking", "speaker")  # rules that ask who talks
LAYER_DIMS: Mapping[Layer, int] = {"block8": 1792, "repeat_2": 896}
R3D_DIM = 512
SMALLEST_SHARES = (1 / 12, 1 / 24)  # of the picture's shorter side: faces looked for, one search each


def dim_of(backbone: BackboneName, layer: Layer, over_time: OverTime) -> int:
    """Width of the vector.

    Raises:
        ValueError: another layer or mean than the default of r3d_18, which has one vector.
    """
    if backbone != "r3d_18":
        return width_of(layer, over_time)
    for name, value in not_default(layer, over_time).items():
        raise ValueError(
            f"{name} {value!r} is of inception_resnet_v1, and r3d_18 has one vector; leave video.{name} at "
            "its default, or take inception_resnet_v1"
        )
    return R3D_DIM


def width_of(layer: Layer, over_time: OverTime) -> int:
    """How wide the vector of a layer is."""
    return LAYER_DIMS[layer] * (1 if over_time == "mean" else 2)


def not_default(layer: Layer, over_time: OverTime) -> dict[str, str]:
    """Layer and mean by name, where they are not those of stores that do not name them."""
    chosen = {"layer": layer, "over_time": over_time}
    return {name: value for name, value in chosen.items() if value not in ("block8", "mean")}
