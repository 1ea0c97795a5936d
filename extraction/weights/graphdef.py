"""A frozen TensorFlow GraphDef, read without TensorFlow: the float32 constants by name.

Protocol buffers' wire format is a list of (field, type, value):

    GraphDef.node = 1        NodeDef.name = 1, op = 2, attr = 5 (map: key = 1, value = 2)
    AttrValue.tensor = 8     TensorProto.dtype = 1 (1 = float32), tensor_shape = 2, tensor_content = 4
    TensorShape.dim = 2      Dim.size = 1

Source: protobuf.dev/programming-guides/encoding, and tensorflow/core/framework/{graph,node_def,tensor}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Constants = dict[str, NDArray[np.float32]]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FLOAT32 = 1


class GraphError(ValueError):
    """Bytes that are no GraphDef, or one of another network."""


def read_varint(data: memoryview, start: int) -> tuple[int, int]:
    """Read a base-128 number, least significant group first.

    Returns:
        The number, and the position after it.

    Raises:
        GraphError: the data ends within the number, or it has more than the ten groups that 64 bits need.
    """
    value = 0
    for index in range(10):
        if start + index >= len(data):
            raise GraphError(f"the data ends at byte {len(data)} within a number; fetch the file again")
        byte = data[start + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, start + index + 1
    raise GraphError(f"the number at byte {start} is longer than 10 bytes; this is no protocol buffer")


def read_fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Read one message: its field numbers and values, nested messages as bytes not yet read.

    Raises:
        GraphError: a value runs past the end, or is of a type that the format does not know.
    """
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        field, kind = key >> 3, key & 7
        if kind == VARINT:
            number, position = read_varint(data, position)
            yield field, number
            continue
        if kind == BYTES:
            length, position = read_varint(data, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise GraphError(f"field {field} has wire type {kind}; this is no protocol buffer")
        if position + length > len(data):
            raise GraphError(
                f"field {field} needs {length} bytes of {len(data) - position}; fetch the file again"
            )
        yield field, data[position : position + length]
        position += length


def read_constants(graph: bytes) -> Constants:
    """The graph's float32 constants that carry their content, by name; shapes as TensorFlow has them.

    Raises:
        GraphError: the bytes are no GraphDef.
    """
    constants: Constants = {}
    for field, node in read_fields(memoryview(graph)):
        if field != 1:
            continue
        name, op, tensor = _read_node(_message(node))
        if op == "Const" and tensor is not None:
            array = _read_tensor(tensor)
            if array is not None:
                constants[name] = array
    return constants


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise GraphError(f"the number {value} stands where a message should; this is no GraphDef")
    return value


def _read_node(node: memoryview) -> tuple[str, str, memoryview | None]:
    name = op = ""
    tensor: memoryview | None = None
    for field, value in read_fields(node):
        if field == 1:
            name = bytes(_message(value)).decode()
        elif field == 2:
            op = bytes(_message(value)).decode()
        elif field == 5:
            entry = dict(read_fields(_message(value)))
            if bytes(_message(entry[1])) == b"value":
                held = dict(read_fields(_message(entry.get(2, memoryview(b"")))))
                tensor = _message(held[8]) if 8 in held else None
    return name, op, tensor


def _read_tensor(tensor: memoryview) -> NDArray[np.float32] | None:
    parts = dict(read_fields(tensor))
    if parts.get(1) != FLOAT32 or 4 not in parts:
        return None
    dims = read_fields(_message(parts.get(2, memoryview(b""))))
    shape = [int(dict(read_fields(_message(dim))).get(1, 0)) for field, dim in dims if field == 2]
    values = np.frombuffer(_message(parts[4]), dtype="<f4")
    if values.size != int(np.prod(shape)):
        raise GraphError(f"a tensor of shape {shape} has {values.size} values; fetch the file again")
    return values.reshape(shape)
