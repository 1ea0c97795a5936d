"""Weights of the video networks, read: the state that a module loads with `strict=True`. Imports torch."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from extraction.video.network.inception import InceptionResnetV1
from extraction.weights.cache import Weights, WeightsUnavailable
from summer.durable import first_line

NO_STATE = (  # what torch.load ends with on a file that is no state
    *(pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError),
    *(AttributeError, OverflowError, MemoryError, zipfile.BadZipFile),
)


def load_vggface2(weights: Weights) -> dict[str, Tensor]:
    """Read the state of InceptionResnetV1, complete: `strict=True` loads it.

    Args:
        weights: a .safetensors file, or facenet-pytorch's own .pt, whose classifier (`logits`) is dropped.

    Raises:
        WeightsUnavailable: the file cannot be read, or its tensors are not those of the module.
    """
    state = _read_state(weights.path)
    state = {name: tensor for name, tensor in state.items() if not name.startswith("logits.")}
    with torch.device("meta"):
        module = InceptionResnetV1()
    return _fitted(state, module, weights.path)


def load_kinetics_r3d18(weights: Weights) -> dict[str, Tensor]:
    """Read the state of torchvision.models.video.r3d_18(), complete: `strict=True` loads it.

    Raises:
        WeightsUnavailable: the file cannot be read, or its tensors are not those of the module.
    """
    from torchvision.models.video import r3d_18  # takes seconds, and the other backbone has no use for it

    with torch.device("meta"):
        module = r3d_18(weights=None)
    return _fitted(_read_state(weights.path), module, weights.path)


def load_active_speaker(
    weights: Weights, module: nn.Module, renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Read the state of a reading of LR-ASD, complete: `strict=True` loads it.

    Args:
        module: the reading.
        renamed: brings the published state to the module's names.

    Raises:
        WeightsUnavailable: the file cannot be read, or its tensors are not those of the module.
    """
    return _fitted(renamed(_read_state(weights.path)), module, weights.path)


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        check_stored_whole(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, *NO_STATE) as problem:
        raise WeightsUnavailable(
            f"{path} cannot be read as weights ({first_line(problem)}); fetch the file again"
        ) from problem
    if not isinstance(state, dict):
        raise WeightsUnavailable(f"{path} holds {type(state).__name__}, not a state; give a state_dict")
    strange = [
        name for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if strange:
        raise WeightsUnavailable(f"{path}: {strange[0]!r} is no tensor; give a state_dict of tensors")
    return state


def check_stored_whole(path: Path) -> None:
    """Refuse an archive whose members are compressed: torch writes none, and a small one may hold any size.

    Raises:
        ValueError: names a member, and both sizes.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(
                    f"{member.filename} is compressed, to {member.compress_size:,} bytes, "
                    "as torch.save writes none"
                )


def _fitted(state: dict[str, Tensor], module: nn.Module, path: Path) -> dict[str, Tensor]:
    """The state, if it is complete for the module and holds nothing else."""
    wanted, name = module.state_dict(), type(module).__name__
    for key, tensor in wanted.items():
        if key.endswith("num_batches_tracked"):  # older files have none, and evaluation needs none
            state.setdefault(key, torch.zeros((), dtype=torch.int64))
        found = tuple(state[key].shape) if key in state else "absent"
        if found != tuple(tensor.shape):
            raise WeightsUnavailable(
                f"{path}: {key} is {found}, {name} wants {tuple(tensor.shape)}; give other weights"
            )
    surplus = sorted(state.keys() - wanted.keys())
    if surplus:
        raise WeightsUnavailable(f"{path}: {name} has no {surplus[0]}; give other weights")
    return state
