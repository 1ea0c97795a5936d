"""The reader of int8 packs, on a pack of one layer written by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from transformers import AutoTokenizer, RobertaConfig, RobertaModel

from extraction.weights.granite import PackError, hugging_face_files, read_pack, read_tensor

WIDTH, INNER, WORDS = 4, 8, 9
SHAPES = {
    "word_emb": (WORDS, WIDTH),
    "pos_emb": (6, WIDTH),
    "type_emb": (2, WIDTH),
    "emb_ln.w": (WIDTH,),
    "emb_ln.b": (WIDTH,),
    "l0.qkv.w": (3 * WIDTH, WIDTH),
    "l0.qkv.b": (3 * WIDTH,),
    "l0.ao.w": (WIDTH, WIDTH),
    "l0.ao.b": (WIDTH,),
    "l0.aln.w": (WIDTH,),
    "l0.aln.b": (WIDTH,),
    "l0.f1.w": (INNER, WIDTH),
    "l0.f1.b": (INNER,),
    "l0.f2.w": (WIDTH, INNER),
    "l0.f2.b": (WIDTH,),
    "l0.fln.w": (WIDTH,),
    "l0.fln.b": (WIDTH,),
}
ARCH = {
    "hidden": WIDTH,
    "layers": 1,
    "heads": 2,
    "intermediate": INNER,
    "vocab": WORDS,
    "max_positions": 6,
    "type_vocab": 2,
    "layer_norm_eps": 1e-7,
}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [
        {
            "id": index,
            "content": token,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for index, token in [*enumerate(SPECIAL), (8, "<mask>")]
    ],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "model": {
        "type": "BPE",
        "vocab": {
            **{token: index for index, token in enumerate(SPECIAL)},
            "a": 4,
            "b": 5,
            "ab": 6,
            "Ġ": 7,
            "<mask>": 8,
        },
        "merges": [["a", "b"]],
    },
}


def values(name: str) -> np.ndarray:
    return np.random.default_rng(len(name)).normal(size=SHAPES[name]).astype(np.float32)


def pack(**changes: Any) -> bytes:
    """A whole pack; `changes` go into its header."""
    tokenizer = json.dumps(TOKENIZER).encode()
    tensors = {name: values(name).tobytes() for name in SHAPES}
    listed = [
        {"name": name, "dtype": "f32", "shape": SHAPES[name], "len": len(content), "group": 0}
        for name, content in tensors.items()
    ]
    header = {"meta": {"max_length": 4}, "arch": ARCH, "tokenizer_len": len(tokenizer), "tensors": listed}
    text = json.dumps(header | changes).encode()
    return b"HMSEMB01" + struct.pack("<Q", len(text)) + text + tokenizer + b"".join(tensors.values())


def test_int8_groups_are_multiplied_by_their_scales() -> None:
    description = {"name": "w", "dtype": "i8", "shape": [2, 4], "group": 2}
    content = struct.pack("<8b", 1, -2, 3, 4, 127, -127, 0, 8) + struct.pack("<4f", 0.5, 2, 0.25, 1)
    np.testing.assert_array_equal(read_tensor(description, content), [[0.5, -1, 6, 8], [31.75, -31.75, 0, 8]])


@pytest.mark.parametrize(
    ("dtype", "group", "content"),
    [
        ("i8", 2, bytes(23)),
        ("i8", 3, bytes(24)),
        ("i8", 0, bytes(24)),
        ("f32", 0, bytes(31)),
        ("f16", 0, bytes(16)),
    ],
)
def test_a_tensor_whose_bytes_do_not_fit_is_refused_by_name(dtype: str, group: int, content: bytes) -> None:
    description = {"name": "l0.ao.w", "dtype": dtype, "shape": [2, 4], "group": group}
    with pytest.raises(PackError, match=rf"l0\.ao\.w .* has {len(content)} bytes"):
        read_tensor(description, content)


def test_a_pack_is_taken_apart_in_the_order_of_its_header() -> None:
    header, tokenizer, tensors = read_pack(pack())
    assert header["arch"] == ARCH
    assert json.loads(tokenizer) == TOKENIZER
    assert list(tensors) == list(SHAPES)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, values(name))


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (b"PK" + pack()[2:], "begins with b'PK"),
        (pack()[:10], "begins with|header cannot be read"),
        (pack()[:60], "header cannot be read"),
        (pack()[:-1], "its header tells of"),
        (pack() + b"x", "its header tells of"),
        (pack(tensors=[{"name": "w"}]), "header cannot be read .*'len'"),
    ],
)
def test_a_damaged_pack_is_refused(damaged: bytes, problem: str) -> None:
    with pytest.raises(PackError, match=problem):
        hugging_face_files(damaged)


def test_a_tensor_that_roberta_does_not_have_is_refused() -> None:
    odd = {"name": "l0.moe.w", "dtype": "f32", "shape": [1], "len": 4, "group": 0}
    text = json.dumps({"meta": {}, "arch": ARCH, "tokenizer_len": 0, "tensors": [odd]}).encode()
    with pytest.raises(PackError, match=r"tensor l0\.moe\.w is not known"):
        hugging_face_files(b"HMSEMB01" + struct.pack("<Q", len(text)) + text + bytes(4))


def test_the_folder_fills_every_parameter_of_roberta_and_nothing_else(tmp_path: Path) -> None:
    files = hugging_face_files(pack())
    (tmp_path / "config.json").write_bytes(files["config.json"])
    model = RobertaModel(RobertaConfig.from_pretrained(tmp_path), add_pooling_layer=False)
    state = load(files["model.safetensors"])
    model.load_state_dict(state, strict=True)
    attention = model.encoder.layer[0].attention.self
    thirds = [attention.query.weight, attention.key.weight, attention.value.weight]
    assert torch.equal(torch.cat(thirds), torch.from_numpy(values("l0.qkv.w")))
    assert model.config.max_position_embeddings == 6
    assert model.config.layer_norm_eps == model.embeddings.LayerNorm.eps == 1e-7
    assert model.embeddings.position_embeddings.num_embeddings == 6


def test_the_same_pack_gives_the_same_bytes() -> None:
    assert hugging_face_files(pack()) == hugging_face_files(pack())


def test_the_folder_has_a_tokenizer_that_takes_speaker_tokens(tmp_path: Path) -> None:
    for name, content in hugging_face_files(pack()).items():
        (tmp_path / name).write_bytes(content)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(tokenizer) == WORDS
    assert tokenizer("abb")["input_ids"] == [0, 6, 5, 2]
    assert tokenizer.pad_token_id == 1
    assert tokenizer.mask_token_id == 8
    assert tokenizer.model_max_length == 4
    assert tokenizer.add_tokens(["[SPK_0]"], special_tokens=True) == 1
    assert tokenizer("[SPK_0]ab")["input_ids"] == [0, WORDS, 6, 2]
