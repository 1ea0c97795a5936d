"""Weights of the voice encoder: GE2E (Wan et al. 2018) as trained for Resemblyzer by Resemble AI.

Not of the paper: MELD and IEMOCAP name their speakers. The file has the network and its optimizer; the
network's tensors alone are kept.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from extraction.weights.cache import (
    README,
    Weights,
    WeightsUnavailable,
    keep,
    kept,
    ready_cache,
)
from extraction.weights.memory import cache_folder, known_sha256
from extraction.weights.upstream import SourceError
from extraction.weights.wheel import WheelFile, read_wheel_file

STEM = "ge2e-voice-1"  # the last number: the version of our conversion
FILE = "model.safetensors"
NEEDED_BYTES = 50_000_000  # download and conversion together
PARTS = ("lstm.", "linear.")  # of the network; two more tensors belong to the loss that it was trained by
WHEEL = WheelFile(
    requirement="Resemblyzer==0.1.4",
    wheel_bytes=15_747_704,
    member="resemblyzer/pretrained.pt",
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
)
ABOUT = f"""The voice encoder of Resemblyzer: an LSTM trained by the GE2E loss (Wan et al. 2018).
Taken from: {WHEEL.member} of the wheel {WHEEL.requirement} (sha256 {WHEEL.sha256})
Licence: Apache 2.0, Resemble AI.
"""


def voice_model() -> Weights:
    """Weights of the voice encoder; read them with `load_voice`.

    Raises:
        WeightsUnavailable: neither the cache nor the package index has them.
    """
    entry = kept(STEM)
    if entry is not None:
        return _weights(entry, "cache")
    ready_cache(NEEDED_BYTES)
    try:
        state = _network_of(read_wheel_file(WHEEL))
    except SourceError as problem:
        raise WeightsUnavailable(
            f"no source has the voice encoder. Tried: {cache_folder()} (not there); package index: "
            f"{problem}. "
            f"On a machine that can, run once what needs it, and copy its {cache_folder()}"
        ) from problem
    return _weights(keep(STEM, {FILE: save(state), README: ABOUT.encode()}), "package index")


def load_voice(weights: Weights, module: nn.Module) -> dict[str, Tensor]:
    """Read the state of the voice encoder, complete: `strict=True` loads it.

    Raises:
        WeightsUnavailable: the file cannot be read, or its tensors are not those of the module.
    """
    try:
        state = load_file(weights.path)
    except (OSError, SafetensorError) as problem:
        raise WeightsUnavailable(
            f"{weights.path} cannot be read as weights ({problem}); fetch the file again"
        ) from problem
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != found:
        name = sorted(wanted.items() ^ found.items())[0][0]
        raise WeightsUnavailable(
            f"{weights.path}: {name} is {found.get(name, 'absent')}, not {wanted.get(name, 'wanted')}; give "
            "the weights of the voice encoder"
        )
    return state


def _network_of(content: bytes) -> dict[str, Tensor]:
    try:
        whole: Mapping[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as problem:
        raise SourceError(f"{WHEEL.member} cannot be read as tensors ({problem})") from problem
    state = whole["model_state"]
    return {name: state[name].contiguous() for name in state if name.startswith(PARTS)}


def _weights(entry: Path, source: str) -> Weights:
    return Weights(path=entry / FILE, sha256=known_sha256(entry / FILE), source=source)
