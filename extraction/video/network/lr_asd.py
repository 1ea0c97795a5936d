"""LR-ASD: does the face that is seen speak the sound that is heard, 25 times a second.

Source: Liao, Duan, Feng, Zhao, Yang, Chen and Liu, "LR-ASD: Lightweight and Robust Network for Active Speaker
Detection", International Journal of Computer Vision, 2025. 0.84 million parameters; published weights load.

    v = visual(faces)                (slot, 128)   blocks of space then time, maximum over the picture
    a = audio(cepstra)               (slot, 128)   blocks of cepstra then time, mean over cepstra
    z = [a, v] * sigmoid(W [a, v])   (slot, 256)   each channel is let through as far as all say
    h = [GRU(z), GRU backwards(z)]   (slot, 128)
    y = h * sigmoid(U h)             (slot, 128)
    speaking = w_1 y - w_0 y         log odds

A block is four convolutions, of 5 then 3 along one axis and of 5 then 3 along the other, each with batch norm
and ReLU. Of the audio there are four frames to a slot; two poolings by 2 bring them together.

Dimensions: slot 25 a second, y and x positions.

Departures from the paper: none in what is computed. Its loss for the picture alone is not needed. Pictures'
convolutions run frame by frame in two dimensions, those along time in two dimensions (time, position): on a
CPU faster than those of three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

FACE_PIXELS = 112
SLOTS_PER_SECOND = 25
CEPSTRA_PER_SLOT = 4
GREY_MEAN, GREY_SPREAD = 0.4161, 0.1688  # of faces in training, of values in [0, 1]
WIDTHS = (32, 64, 128)  # of the three blocks
KERNELS = (5, 3)
PUBLISHED_UNUSED = "lossV."  # the training's loss for the picture alone
PUBLISHED_NAMES = (  # as published, and here; they count from 1
    (r"model\.visualEncoder\.block(\d)\.s_(\d)\.", "visual.blocks.{0}.space.{1}.0."),
    (r"model\.visualEncoder\.block(\d)\.s_norm_(\d)\.", "visual.blocks.{0}.space.{1}.1."),
    (r"model\.visualEncoder\.block(\d)\.t_(\d)\.", "visual.blocks.{0}.time.{1}.0."),
    (r"model\.visualEncoder\.block(\d)\.t_norm_(\d)\.", "visual.blocks.{0}.time.{1}.1."),
    (r"model\.audioEncoder\.block(\d)\.m_(\d)\.", "audio.blocks.{0}.cepstra.{1}.0."),
    (r"model\.audioEncoder\.block(\d)\.m_norm_(\d)\.", "audio.blocks.{0}.cepstra.{1}.1."),
    (r"model\.audioEncoder\.block(\d)\.t_(\d)\.", "audio.blocks.{0}.time.{1}.0."),
    (r"model\.audioEncoder\.block(\d)\.t_norm_(\d)\.", "audio.blocks.{0}.time.{1}.1."),
    (r"model\.fusion\.bn\.", "fusion.norm."),
    (r"model\.fusion\.", "fusion."),
    (r"model\.detector\.gru_(forward|backward)\.", "{0}_gru."),
    (r"model\.detector\.attention\.attention\.", "gate.attention."),
    (r"model\.detector\.attention\.bn\.", "gate.norm."),
    (r"lossAV\.FC\.", "classifier."),
)


class Convolution(nn.Sequential):
    """A convolution along one axis or in the plane, batch norm, ReLU; as many places come out as go in."""

    def __init__(self, inward: int, outward: int, kernel: tuple[int, int], *, stride: int = 1) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(
            nn.Conv2d(inward, outward, kernel, stride=stride, padding=padding, bias=False),
            nn.BatchNorm2d(outward, eps=1e-3),
            nn.ReLU(inplace=True),
        )

    def fold(self) -> None:
        """Fold the batch norm into the kernel."""
        convolution, norm = self[0], self[1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            self[0], self[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


class VisualBlock(nn.Module):
    """Two convolutions within each picture, then two along time."""

    def __init__(self, inward: int, outward: int, *, stride: int = 1) -> None:
        super().__init__()
        large, small = KERNELS
        self.space = nn.Sequential(
            Convolution(inward, outward // 2, (large, large), stride=stride),
            Convolution(outward // 2, outward, (small, small)),
        )
        self.time = nn.Sequential(
            Convolution(outward, outward, (large, 1)), Convolution(outward, outward, (small, 1))
        )

    def forward(self, faces: Float[Tensor, "slot i y x"]) -> Float[Tensor, "slot o v u"]:
        """One track's pictures, in order of time."""
        pictures = self.space(faces)
        places = pictures.flatten(2).transpose(0, 1)[None]  # (1, o, slot, v u): time and position as a plane
        along: Tensor = self.time(places)
        spread: Tensor = along[0].transpose(0, 1).unflatten(2, pictures.shape[2:])
        return spread


class VisualEncoder(nn.Module):
    """Faces to a vector for each slot."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.blocks = nn.ModuleList(
            [VisualBlock(1, first, stride=2), VisualBlock(first, second), VisualBlock(second, third)]
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, faces: Float[Tensor, "slot 112 112"]) -> Float[Tensor, "slot 128"]:
        """Read grey faces, 0 to 255."""
        pictures: Tensor = ((faces / 255 - GREY_MEAN) / GREY_SPREAD)[:, None]
        first, second, third = self.blocks
        pictures = third(self.pool(second(self.pool(first(pictures)))))
        return pictures.amax(dim=(2, 3))


class AudioBlock(nn.Sequential):
    """Two convolutions over the cepstra of each frame, then two along time."""

    def __init__(self, inward: int, outward: int) -> None:
        large, small = KERNELS
        super().__init__()
        self.cepstra = nn.Sequential(
            Convolution(inward, outward // 2, (large, 1)), Convolution(outward // 2, outward, (small, 1))
        )
        self.time = nn.Sequential(
            Convolution(outward, outward, (1, large)), Convolution(outward, outward, (1, small))
        )


class AudioEncoder(nn.Module):
    """Cepstra to a vector for each slot."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.blocks = nn.ModuleList(
            [AudioBlock(1, first), AudioBlock(first, second), AudioBlock(second, third)]
        )
        self.pool = nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1))

    def forward(self, cepstra: Float[Tensor, "frame 13"]) -> Float[Tensor, "slot 128"]:
        """Read 100 frames a second, four to a slot."""
        first, second, third = self.blocks
        plane: Tensor = cepstra.T[None, None]
        plane = third(self.pool(second(self.pool(first(plane)))))
        return plane.mean(dim=2)[0].T


class Gate(nn.Module):
    """x * sigmoid(W x), batch norm within: what matters of each slot is let through."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(channels, eps=1e-3)

    def forward(self, values: Float[Tensor, "slot channel"]) -> Float[Tensor, "slot channel"]:
        """Gate each slot by itself."""
        weight: Tensor = torch.sigmoid(self.norm(self.attention(values.T[None])))[0].T
        return values * weight


class ActiveSpeakerNetwork(nn.Module):
    """The whole network, of one track at a time."""

    def __init__(self) -> None:
        super().__init__()
        width = WIDTHS[-1]
        self.visual = VisualEncoder()
        self.audio = AudioEncoder()
        self.fusion = Gate(2 * width)
        self.forward_gru = nn.GRU(2 * width, width // 2)
        self.backward_gru = nn.GRU(2 * width, width // 2)
        self.gate = Gate(width)
        self.classifier = nn.Linear(width, 2)

    def forward(
        self, faces: Float[Tensor, "slot 112 112"], cepstra: Float[Tensor, "frame 13"]
    ) -> Float[Tensor, " slot"]:
        """Log odds that the face speaks, in each slot.

        Args:
            faces: grey, 0 to 255, 25 a second.
            cepstra: of the sound at the same time, four to a face.

        Raises:
            ValueError: not four times as many cepstra as faces.
        """
        if len(cepstra) != CEPSTRA_PER_SLOT * len(faces):
            raise ValueError(
                f"{len(cepstra)} cepstra for {len(faces)} faces: give {CEPSTRA_PER_SLOT} to a face"
            )
        fused = self.fusion(torch.cat([self.audio(cepstra), self.visual(faces)], dim=1))
        onward, _ = self.forward_gru(fused)
        back, _ = self.backward_gru(fused.flip(0))
        scores: Tensor = self.classifier(self.gate(torch.cat([onward, back.flip(0)], dim=1)))
        return scores[:, 1] - scores[:, 0]


def folded(network: ActiveSpeakerNetwork) -> ActiveSpeakerNetwork:
    """Fold batch norms into the convolutions before them, in place, for evaluation: a third faster."""
    for module in network.eval().modules():
        if isinstance(module, Convolution):
            module.fold()
    return network


def renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state under this module's names and shapes; names that are unknown stay as they are."""
    kept = {name: tensor for name, tensor in published.items() if not name.startswith(PUBLISHED_UNUSED)}
    return {_renamed(name): _in_two_dimensions(tensor) for name, tensor in kept.items()}


def _renamed(name: str) -> str:
    for pattern, ours in PUBLISHED_NAMES:
        found = re.match(pattern, name)
        if found:
            numbers = [int(part) - 1 if part.isdigit() else part for part in found.groups()]
            return ours.format(*numbers) + name[found.end() :]
    return name


def _in_two_dimensions(tensor: Tensor) -> Tensor:
    """Kernels of three dimensions, (o, i, time, y, x), without the axis along which they are one long."""
    if tensor.dim() != 5:
        return tensor
    return tensor.squeeze(2) if tensor.shape[2] == 1 else tensor.squeeze(4)
