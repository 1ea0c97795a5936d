"""Portraits with faces that MTCNN finds, the demo corpus' clips, and weights that need no download."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from numpy.typing import NDArray
from safetensors.torch import save_file

from extraction.extractor import Clip, MediaSpan
from extraction.weights import Weights
from summer.corpus import Dialogue, Split, Utterance
from tests.places import DEMO


def portrait(name: str) -> NDArray[np.uint8]:
    """An RGB portrait of the demo corpus: collins, hopper or mona_lisa."""
    picture = cv2.imread(str(DEMO / "authoring" / "portraits" / f"{name}.jpg"))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def turned(picture: NDArray[np.uint8], degrees: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture turned about its centre, and the (2, 3) matrix that turned it."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    result = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(result, dtype=np.uint8), np.asarray(matrix, dtype=np.float64)


def clip(path: Path, *, name: str = "", audio: Path | None = None, remark: str = "") -> Clip:
    """A clip as a corpus would hand it over; without sound unless `audio` is given."""
    utterance = Utterance(
        id=name or path.stem, split=Split.TRAIN, dialogue="0", turn=0, speaker="", text="", label=""
    )
    return Clip(
        utterance=utterance,
        dialogue=Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,)),
        audio=None if audio is None else MediaSpan(path=audio),
        video=MediaSpan(path=path),
        remark=remark,
    )


@pytest.fixture(scope="session")
def flat_network() -> InceptionResnetV1:
    """The 2D network with random weights and batch norms that do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = InceptionResnetV1(classify=False)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # torch's default lets signals die out in so deep a network
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            for tensor in (module.weight.data, module.running_var):
                assert tensor is not None
                tensor.copy_(0.7 + torch.rand(tensor.shape, generator=generator))
            for tensor in (module.bias.data, module.running_mean):
                assert tensor is not None
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="session")
def random_weights(flat_network: InceptionResnetV1, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A weights file of that network."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(flat_network.state_dict(), path)
    return Weights(path=path, sha256="0" * 64, source="given")
