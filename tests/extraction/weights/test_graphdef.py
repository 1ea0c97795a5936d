"""The reader of frozen graphs, on messages written by hand, and the layout of a folded layer."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from facenet_pytorch.models.inception_resnet_v1 import BasicConv2d

from extraction.weights.facenet import facenet_state
from extraction.weights.graphdef import GraphError, read_constants, read_fields, read_varint

ROOT = "InceptionResnetV1/"


def field(number: int, content: bytes | int) -> bytes:
    """One field, for numbers and lengths below 128: key, (length,) value."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def constant(name: str, shape: tuple[int, ...], values: bytes, dtype: int = 1) -> bytes:
    dims = b"".join(field(2, field(1, size)) for size in shape)
    tensor = field(8, field(1, dtype) + field(2, dims) + field(4, values))
    kind = field(5, field(1, b"dtype") + field(2, field(6, dtype)))
    value = field(5, field(1, b"value") + field(2, tensor))
    return field(1, field(1, name.encode()) + field(2, b"Const") + kind + value)


def test_the_examples_of_the_protocol_buffers_manual_are_read() -> None:
    # https://protobuf.dev/programming-guides/encoding/: Test1 {a: 150}, Test2 {b: "testing"}
    assert read_varint(memoryview(b"\x96\x01"), 0) == (150, 2)
    assert list(read_fields(memoryview(b"\x08\x96\x01"))) == [(1, 150)]
    ((number, text),) = read_fields(memoryview(b"\x12\x07testing"))
    assert (number, bytes(text)) == (2, b"testing")


def test_fixed_width_fields_are_passed_over() -> None:
    data = b"\x0d\x00\x00\x80\x3f" + b"\x11" + bytes(8) + b"\x18\x05"
    assert [number for number, _ in read_fields(memoryview(data))] == [1, 2, 3]
    assert list(read_fields(memoryview(data)))[-1] == (3, 5)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x96", "ends at byte 1 within a number"),
        (b"\xff" * 11, "longer than 10 bytes"),
        (b"\x12\x07test", "needs 7 bytes of 4"),
        (b"\x0d\x00", "needs 4 bytes of 1"),
        (b"\x0b", "wire type 3"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(GraphError, match=problem):
        list(read_fields(memoryview(data)))


def test_a_graph_gives_its_float_constants_with_their_shapes() -> None:
    graph = (
        constant("kernel", (2, 3), struct.pack("<6f", *range(6)))
        + constant("axis", (1,), struct.pack("<i", 3), dtype=3)
        + field(1, field(1, b"input") + field(2, b"Placeholder"))
        + field(2, b"")
    )
    constants = read_constants(graph)
    assert list(constants) == ["kernel"]
    np.testing.assert_array_equal(constants["kernel"], [[0, 1, 2], [3, 4, 5]])
    assert constants["kernel"].dtype == np.float32


def test_a_tensor_that_does_not_fill_its_shape_is_refused() -> None:
    with pytest.raises(GraphError, match=r"shape \[2, 3\] has 5 values"):
        read_constants(constant("kernel", (2, 3), struct.pack("<5f", *range(5))))


def test_a_number_in_the_place_of_a_message_is_refused() -> None:
    with pytest.raises(GraphError, match="number 7 stands where a message should"):
        read_constants(field(1, 7))


def layer(name: str, shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        f"{ROOT}{name}/weights": random.normal(size=shape).astype(np.float32),
        f"{ROOT}{name}/Conv2D_bn_offset": random.normal(size=shape[-1]).astype(np.float32),
    }


def bottleneck() -> dict[str, np.ndarray]:
    names = ("moving_mean", "moving_variance", "beta")
    statistics = {
        f"{ROOT}Bottleneck/BatchNorm/{name}": np.full(2, index + 1, np.float32)
        for index, name in enumerate(names)
    }
    return {f"{ROOT}Bottleneck/weights": np.arange(6, dtype=np.float32).reshape(3, 2), **statistics}


def test_a_folded_layer_computes_the_convolution_and_its_offset() -> None:
    constants = bottleneck() | layer("Conv2d_1a_3x3", (2, 3, 4, 5), seed=1)
    kernel, offset = (constants[f"{ROOT}Conv2d_1a_3x3/{part}"] for part in ("weights", "Conv2D_bn_offset"))
    image = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)  # height, width, in
    expected = [
        sum((image[..., i] * kernel[..., i, o]).sum() for i in range(4)) + offset[o] for o in range(5)
    ]

    module = BasicConv2d(4, 5, kernel_size=(2, 3), stride=1).eval()
    state = facenet_state(constants)
    prefix = "conv2d_1a."
    module.load_state_dict(
        {key.removeprefix(prefix): torch.from_numpy(value) for key, value in state.items() if prefix in key}
    )
    with torch.no_grad():
        found = module(torch.from_numpy(image).permute(2, 0, 1)[None])[0, :, 0, 0].numpy()
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)
    assert (np.array(expected) > 0).any()


def test_a_normalised_value_passes_the_emptied_batch_norm_unchanged_to_the_bit() -> None:
    state = facenet_state(bottleneck() | layer("Conv2d_1a_3x3", (1, 1, 4, 5), seed=1))
    norm = torch.nn.BatchNorm2d(5, eps=0.001).eval()
    statistics = {
        key.rpartition(".")[2]: torch.from_numpy(value)
        for key, value in state.items()
        if key.startswith("conv2d_1a.bn")
    }
    norm.load_state_dict(statistics | {"bias": torch.zeros(5)})
    values = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(3)) * 100
    with torch.no_grad():
        assert torch.equal(norm(values), values)


def test_layers_find_their_place_in_the_module() -> None:
    branch = "Repeat_1/block17_3/Branch_1/"
    names = [branch + name for name in ("Conv2d_0c_7x1", "Conv2d_0a_1x1", "Conv2d_0b_1x7")]
    names += ["Repeat_2/block8_1/Branch_0/Conv2d_1x1", "Mixed_6a/Branch_0/Conv2d_1a_3x3"]
    names += ["Mixed_7a/Branch_0/Conv2d_1a_3x3", "Mixed_7a/Branch_0/Conv2d_0a_1x1"]
    constants = bottleneck()
    for index, name in enumerate(names):
        constants |= layer(name, (1, 1, 2, index + 1), seed=index)
    constants[f"{ROOT}Block8/Conv2d_1x1/weights"] = np.zeros((1, 1, 6, 7), np.float32)
    constants[f"{ROOT}Block8/Conv2d_1x1/biases"] = np.zeros(7, np.float32)
    state = facenet_state(constants)
    outputs = {key: value.shape[0] for key, value in state.items() if key.endswith("conv.weight")}
    assert outputs == {
        "repeat_2.2.branch1.0.conv.weight": 2,
        "repeat_2.2.branch1.1.conv.weight": 3,
        "repeat_2.2.branch1.2.conv.weight": 1,
        "repeat_3.0.branch0.conv.weight": 4,
        "mixed_6a.branch0.conv.weight": 5,
        "mixed_7a.branch0.0.conv.weight": 7,
        "mixed_7a.branch0.1.conv.weight": 6,
    }
    assert state["block8.conv2d.weight"].shape == (7, 6, 1, 1)
    assert state["last_linear.weight"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert state["last_bn.running_mean"].tolist() == [1, 1]
    assert state["last_bn.running_var"].tolist() == [2, 2]
    assert state["last_bn.bias"].tolist() == [3, 3]


def test_the_graph_of_another_network_is_refused() -> None:
    with pytest.raises(GraphError, match="is not InceptionResnetV1"):
        facenet_state({"resnet/weights": np.zeros(3, np.float32)})
    broken = bottleneck() | layer("Conv2d_1a_3x3", (1, 1, 4, 5), seed=1)
    del broken[f"{ROOT}Conv2d_1a_3x3/weights"]
    with pytest.raises(GraphError, match="no InceptionResnetV1/Conv2d_1a_3x3/weights"):
        facenet_state(broken)
