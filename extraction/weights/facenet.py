"""InceptionResnetV1 from its frozen graph to the state of facenet-pytorch's module.

Paper: A.1 (the face network trained on VGGFace2). In the frozen graph each batch norm but the last is
folded: its scale and variance sit in the convolution's kernel, and what is left is an offset. A
BasicConv2d of facenet-pytorch computes

    (x - mean) / sqrt(variance + epsilon) * weight + bias

so mean 0, variance 1 - epsilon, weight 1 and bias = offset say the same, exactly. Kernels go from
(height, width, in, out) to (out, in, height, width). Input of both: RGB, (pixel - 127.5) / 128.

Departure: since the statistics are folded, the converted network is right in evaluation mode only;
whoever tunes it keeps its batch norms in evaluation mode.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from extraction.weights.graphdef import GraphError

Constants = Mapping[str, NDArray[np.float32]]
State = dict[str, NDArray[np.float32] | NDArray[np.int64]]

BATCH_NORM_EPSILON = 0.001
ROOT = "InceptionResnetV1/"
OFFSET = "Conv2D_bn_offset"
PLACES = {"Repeat": "repeat_1", "Repeat_1": "repeat_2", "Repeat_2": "repeat_3"}


def facenet_state(constants: Constants) -> State:
    """Name and lay out the constants as facenet_pytorch.InceptionResnetV1(classify=False) has them.

    Raises:
        GraphError: the graph is of another network.
    """
    branches: dict[str, list[str]] = defaultdict(list)
    for name in constants:
        if name.startswith(ROOT) and name.endswith(f"/{OFFSET}"):
            layer = name.removeprefix(ROOT).removesuffix(f"/{OFFSET}")
            branches[_place(layer)].append(layer)
    state = _bottleneck(constants)
    for place, layers in branches.items():
        for index, layer in enumerate(sorted(layers)):  # Conv2d_0a, 0b, 0c, 1a: the order of the branch
            target = place if len(layers) == 1 else f"{place}.{index}"
            state |= _basic_conv(constants, layer, target)
    for name, bias in constants.items():
        if name.startswith(ROOT) and name.endswith("/Conv2d_1x1/biases"):
            block = name.removeprefix(ROOT).removesuffix("/Conv2d_1x1/biases")
            state[f"{_place(block)}.conv2d.weight"] = _kernel(constants, f"{block}/Conv2d_1x1")
            state[f"{_place(block)}.conv2d.bias"] = bias
    return state


def _place(layer: str) -> str:
    """`Repeat_1/block17_3/Branch_1/Conv2d_0b_1x7` is somewhere in the module's `repeat_2.2.branch1`."""
    parts: list[str] = []
    for word in layer.split("/"):
        if word in PLACES:
            parts.append(PLACES[word])
        elif block := re.fullmatch(r"block\d+_(\d+)", word):
            parts.append(str(int(block[1]) - 1))
        elif branch := re.fullmatch(r"Branch_(\d)", word):
            parts.append(f"branch{branch[1]}")
        elif stem := re.fullmatch(r"(Conv2d_\d[ab])_\dx\d", word):
            parts += [] if parts else [stem[1].lower()]
        elif not re.fullmatch(r"Conv2d_\w+", word):
            parts.append(word.lower())
    return ".".join(parts)


def _kernel(constants: Constants, layer: str) -> NDArray[np.float32]:
    name = f"{ROOT}{layer}/weights"
    if name not in constants:
        raise GraphError(f"the graph has no {name}; it is not InceptionResnetV1")
    return np.ascontiguousarray(constants[name].transpose(3, 2, 0, 1))


def _basic_conv(constants: Constants, layer: str, target: str) -> State:
    offset = constants[f"{ROOT}{layer}/{OFFSET}"]
    statistics = _batch_norm(
        mean=np.zeros_like(offset),
        variance=np.full_like(offset, 1 - BATCH_NORM_EPSILON),
        bias=offset,
    )
    named: State = {f"{target}.bn.{key}": array for key, array in statistics.items()}
    return {f"{target}.conv.weight": _kernel(constants, layer), **named}


def _batch_norm(
    *, mean: NDArray[np.float32], variance: NDArray[np.float32], bias: NDArray[np.float32]
) -> State:
    return {
        "weight": np.ones_like(bias),
        "bias": bias,
        "running_mean": mean,
        "running_var": variance,
        "num_batches_tracked": np.zeros((), dtype=np.int64),
    }


def _bottleneck(constants: Constants) -> State:
    bottleneck = f"{ROOT}Bottleneck/"
    try:
        weights = constants[f"{bottleneck}weights"]
        statistics = _batch_norm(
            mean=constants[f"{bottleneck}BatchNorm/moving_mean"],
            variance=constants[f"{bottleneck}BatchNorm/moving_variance"],
            bias=constants[f"{bottleneck}BatchNorm/beta"],
        )
    except KeyError as missing:
        raise GraphError(f"the graph has no {missing}; it is not InceptionResnetV1") from missing
    named: State = {f"last_bn.{key}": array for key, array in statistics.items()}
    return {"last_linear.weight": np.ascontiguousarray(weights.T), **named}
