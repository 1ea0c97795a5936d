"""A packed int8 model (.hmsemb) as a Hugging Face folder: ibm-granite/granite-embedding-30m-english.

Paper: 4.3 uses RoBERTa; this is a small one (6 layers, 384 wide, 12 heads) with roberta-base's own
vocabulary of 50,265, for machines without a model hub. The pack is, little-endian:

    "HMSEMB01" | uint64 n | header, n bytes of JSON | tokenizer.json | tensors, in the header's order

    f32 tensor: its values, row by row
    i8 tensor:  rows x columns int8, then a float32 scale a group of columns; value = int8 * scale

Query, key and value are one matrix in the pack and three in RobertaModel. There is no pooler: load with
`add_pooling_layer=False`, and take the first token's state, as the model was trained.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

Tensors = dict[str, NDArray[np.float32]]

MAGIC = b"HMSEMB01"
SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
EMBEDDINGS = {
    "word_emb": "embeddings.word_embeddings.weight",
    "pos_emb": "embeddings.position_embeddings.weight",
    "type_emb": "embeddings.token_type_embeddings.weight",
    "emb_ln.w": "embeddings.LayerNorm.weight",
    "emb_ln.b": "embeddings.LayerNorm.bias",
}
PARTS = {
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "f1": "intermediate.dense",
    "f2": "output.dense",
    "fln": "output.LayerNorm",
}
KINDS = {"w": "weight", "b": "bias"}


class PackError(ValueError):
    """Bytes that are no model pack, or one that this reader does not know."""


def hugging_face_files(pack: bytes) -> dict[str, bytes]:
    """The files of a folder that AutoModel and AutoTokenizer load.

    Args:
        pack: content of the .hmsemb file.

    Returns:
        Content by file name; the same pack gives the same bytes.

    Raises:
        PackError: the pack is damaged or of another kind.
    """
    header, tokenizer, tensors = read_pack(pack)
    config = roberta_config(header["arch"])
    state = {name: array for key, tensor in tensors.items() for name, array in roberta_entries(key, tensor)}
    tokenizer_config = {
        "tokenizer_class": "RobertaTokenizer",
        "model_max_length": header["meta"]["max_length"],
        "add_prefix_space": False,
        **SPECIAL_TOKENS,
    }
    return {
        "config.json": json.dumps(config, indent=2).encode(),
        "model.safetensors": save(state, metadata={"format": "pt"}),
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": json.dumps(tokenizer_config, indent=2).encode(),
    }


def read_pack(pack: bytes) -> tuple[dict[str, Any], bytes, Tensors]:
    """Take a pack apart.

    Returns:
        The header, the bytes of tokenizer.json, and the tensors by the pack's own names, as float32.

    Raises:
        PackError: the pack is damaged or of another kind.
    """
    if not pack.startswith(MAGIC) or len(pack) < 16:
        raise PackError(f"the pack begins with {pack[:8]!r}, not {MAGIC!r}; fetch the file again")
    (header_bytes,) = struct.unpack_from("<Q", pack, 8)
    try:
        header: dict[str, Any] = json.loads(pack[16 : 16 + header_bytes])
        position = 16 + header_bytes + header["tokenizer_len"]
        sizes = [tensor["len"] for tensor in header["tensors"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise PackError(f"the pack's header cannot be read ({problem}); fetch the file again") from problem
    if position + sum(sizes) != len(pack):
        raise PackError(
            f"the pack has {len(pack)} bytes and its header tells of {position + sum(sizes)}; fetch it again"
        )
    tensors: Tensors = {}
    for description in header["tensors"]:
        tensors[description["name"]] = read_tensor(
            description, pack[position : position + description["len"]]
        )
        position += description["len"]
    return header, pack[16 + header_bytes : 16 + header_bytes + header["tokenizer_len"]], tensors


def read_tensor(description: dict[str, Any], content: bytes) -> NDArray[np.float32]:
    """One tensor of a pack, int8 groups times their scales.

    Args:
        description: `name`, `dtype` (f32 or i8), `shape`, `group` (columns that share a scale).

    Raises:
        PackError: another dtype, or a content that does not fit the shape.
    """
    shape, dtype, group = tuple(description["shape"]), description["dtype"], description["group"]
    count = int(np.prod(shape))
    if dtype == "f32" and len(content) == 4 * count:
        return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)
    if (
        dtype == "i8"
        and group > 0
        and shape[-1] % group == 0
        and len(content) == count + 4 * (count // group)
    ):
        steps = np.frombuffer(content, dtype=np.int8, count=count).reshape(-1, group)
        scales = np.frombuffer(content, dtype="<f4", offset=count).reshape(-1, 1)
        values: NDArray[np.float32] = np.multiply(steps, scales, dtype=np.float32)
        return values.reshape(shape)
    raise PackError(
        f"tensor {description['name']} ({dtype}, shape {shape}, group {group}) has {len(content)} bytes, "
        "which does not fit; fetch the file again"
    )


def roberta_entries(key: str, tensor: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """A pack's tensor under the name, or the three names, that RobertaModel has for it.

    Raises:
        PackError: RobertaModel has no such tensor.
    """
    layer, _, rest = key.partition(".")
    part, _, kind = rest.partition(".")
    place = f"encoder.layer.{layer[1:]}"
    if key in EMBEDDINGS:
        yield EMBEDDINGS[key], tensor
    elif part == "qkv" and kind in KINDS:
        for name, third in zip(("query", "key", "value"), np.split(tensor, 3), strict=True):
            yield f"{place}.attention.self.{name}.{KINDS[kind]}", np.ascontiguousarray(third)
    elif part in PARTS and kind in KINDS:
        yield f"{place}.{PARTS[part]}.{KINDS[kind]}", tensor
    else:
        raise PackError(f"the pack's tensor {key} is not known; this reader knows RoBERTa packs")


def roberta_config(arch: dict[str, Any]) -> dict[str, Any]:
    """The config.json of a pack's architecture."""
    return {
        "architectures": ["RobertaModel"],
        "model_type": "roberta",
        "hidden_size": arch["hidden"],
        "num_hidden_layers": arch["layers"],
        "num_attention_heads": arch["heads"],
        "intermediate_size": arch["intermediate"],
        "vocab_size": arch["vocab"],
        "max_position_embeddings": arch["max_positions"],
        "type_vocab_size": arch["type_vocab"],
        "layer_norm_eps": arch["layer_norm_eps"],
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "dtype": "float32",
    }
