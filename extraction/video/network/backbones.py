"""The networks of the video extractor, loaded once per process.

Paper: appendix A.1. `inception_resnet_v1` is the inflated face recogniser, `r3d_18` torchvision's action
recogniser. Only the former can tell people apart; with the latter tracks are linked by overlap alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from extraction.devices import in_halves
from extraction.video.faces.alignment import standardised
from extraction.video.faces.detection import FaceDetector
from extraction.video.network.folded import FoldNetworks, load_folds
from extraction.video.network.lfnet3d import InflatedInceptionResnet, KineticsResnet, sequence_vector
from extraction.video.network.record import folds_in
from extraction.video.network.tuned import load_network
from extraction.video.options import BackboneName, Layer, OverTime
from extraction.weights import Weights, WeightsUnavailable
from extraction.weights.states import load_kinetics_r3d18

NetworkT = TypeVar("NetworkT", bound=torch.nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A network on a device, fed with aligned crops.

    Args:
        network: one, or those that were tuned without folds of a corpus.
        recogniser: tells people apart: the network itself, or, where that is tuned, another.
        fold: of what is read, from 0, where there are networks of folds; None: it is in no fold.
    """

    network: InflatedInceptionResnet | KineticsResnet | FoldNetworks
    recogniser: InflatedInceptionResnet | None
    device: torch.device
    fold: int | None = None

    @torch.inference_mode()
    def vector(self, crops: UInt8[np.ndarray, "frame 160 160 3"]) -> Float32[np.ndarray, " dim"]:
        """The vector of one face's sequence, in order of time.

        Raises:
            DeviceMemoryError: not even one window of it fits the device.
        """
        frames = standardised(crops).to(self.device)
        if isinstance(self.network, FoldNetworks):
            return self.network.vector(frames, self.fold)
        return sequence_vector(self.network, frames).cpu().numpy()

    @torch.inference_mode()
    def embed(self, crops: UInt8[np.ndarray, "face 160 160 3"]) -> Float32[np.ndarray, "face dim"]:
        """The unit vector of each face by itself.

        Raises:
            TypeError: this network was not trained to recognise faces.
            DeviceMemoryError: not even one face fits the device.
        """
        if self.recogniser is None:
            raise TypeError("r3d_18 was trained on actions; to recognise faces take inception_resnet_v1")
        batch = standardised(crops).to(self.device)
        return torch.cat(in_halves(self.recogniser.face_embedding, batch, one="a face")).cpu().numpy()

    @property
    def recognises_faces(self) -> bool:
        """Tell whether `embed` works."""
        return self.recogniser is not None


@lru_cache(maxsize=1)
def load_backbone(
    name: BackboneName,
    weights: Weights,
    device: str,
    *,
    layer: Layer = "block8",
    over_time: OverTime = "mean",
    recogniser: Weights | None = None,
) -> Backbone:
    """Build the network and load its weights.

    Args:
        weights: of a tuned network too (tuned.py), or of those of folds (folded.py).
        layer, over_time: of inception_resnet_v1; see lfnet3d.py.
        recogniser: untuned weights to tell people apart by, where `weights` are tuned; None: the same.

    Raises:
        WeightsUnavailable: the file is not such weights.
    """
    _same_numbers_on_any_device()
    place = torch.device(device)
    if name == "r3d_18":
        kinetics = KineticsResnet(load_kinetics_r3d18(weights))
        return Backbone(network=_frozen(kinetics, place), recogniser=None, device=place)
    network = _networks(weights, place, layer, over_time)
    if recogniser is not None:
        return Backbone(network=network, recogniser=_frozen(load_network(recogniser), place), device=place)
    if isinstance(network, FoldNetworks) or not network.recognises_faces:
        raise WeightsUnavailable(
            f"{weights.path} was tuned and no longer tells people apart; give the face recogniser's own "
            "weights beside it"
        )
    return Backbone(network=network, recogniser=network, device=place)


def _networks(
    weights: Weights, place: torch.device, layer: Layer, over_time: OverTime
) -> InflatedInceptionResnet | FoldNetworks:
    if folds_in(weights) is None:
        return _frozen(load_network(weights, layer=layer, over_time=over_time), place)
    of_folds = load_folds(weights, layer=layer, over_time=over_time)
    _frozen(of_folds.networks, place)
    return of_folds


def _frozen(network: NetworkT, place: torch.device) -> NetworkT:
    network.eval().requires_grad_(False).to(place)
    return network


@lru_cache(maxsize=1)
def load_detector(device: str) -> FaceDetector:
    """Load MTCNN."""
    _same_numbers_on_any_device()
    return FaceDetector(torch.device(device))


def _same_numbers_on_any_device() -> None:
    """Let CUDA compute in full float32, so that vectors agree with the CPU's."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
