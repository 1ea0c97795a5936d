"""InceptionResnetV1, the face recogniser, as facenet-pytorch has it: the same modules by the same names.

Szegedy et al. 2016, Inception-ResNet; the widths are those of davidsandberg/facenet, whose weights these are.
Written out here because facenet-pytorch brings torchvision along, and that torch's compiler: seconds before
the first face of a run.

Input: (face, 3, 160, 160), RGB, (pixel - 127.5) / 128. Output: unit vectors of 512.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH_NORM_EPSILON = 0.001
EMBEDDING_DIM = 512
Size = int | tuple[int, int]


class BasicConv2d(nn.Module):
    """A convolution, its batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Size, *, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        values: Tensor = self.relu(self.bn(self.conv(x)))
        return values


class Branches(nn.Module):
    """Several ways through the same values, their results side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """Go all of them."""
        return torch.cat([getattr(self, f"branch{number}")(x) for number in range(self.count)], dim=1)


class Residual(Branches):
    """Branches that add a share of what they find to what they were given."""

    def __init__(
        self, *branches: nn.Module, inside: int, width: int, scale: float, rectified: bool = True
    ) -> None:
        super().__init__(*branches)
        self.scale = scale
        self.conv2d = nn.Conv2d(inside, width, 1)
        self.relu = nn.ReLU() if rectified else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add."""
        found: Tensor = self.relu(self.conv2d(super().forward(x)) * self.scale + x)
        return found


class Block35(Residual):
    """Over 256 channels."""

    def __init__(self) -> None:
        super().__init__(
            BasicConv2d(256, 32, 1),
            nn.Sequential(BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1)),
            nn.Sequential(
                BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1), BasicConv2d(32, 32, 3, padding=1)
            ),
            inside=96,
            width=256,
            scale=0.17,
        )


class Block17(Residual):
    """Over 896 channels, by a row and a column."""

    def __init__(self) -> None:
        super().__init__(
            BasicConv2d(896, 128, 1),
            nn.Sequential(
                BasicConv2d(896, 128, 1),
                BasicConv2d(128, 128, (1, 7), padding=(0, 3)),
                BasicConv2d(128, 128, (7, 1), padding=(3, 0)),
            ),
            inside=256,
            width=896,
            scale=0.1,
        )


class Block8(Residual):
    """Over 1792 channels, by a row and a column; the last one is not rectified."""

    def __init__(self, *, is_last: bool = False) -> None:
        super().__init__(
            BasicConv2d(1792, 192, 1),
            nn.Sequential(
                BasicConv2d(1792, 192, 1),
                BasicConv2d(192, 192, (1, 3), padding=(0, 1)),
                BasicConv2d(192, 192, (3, 1), padding=(1, 0)),
            ),
            inside=384,
            width=1792,
            scale=1.0 if is_last else 0.2,
            rectified=not is_last,
        )


class InceptionResnetV1(nn.Module):
    """The whole network, without a classifier, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = BasicConv2d(3, 32, 3, stride=2)
        self.conv2d_2a = BasicConv2d(32, 32, 3)
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)
        self.conv2d_4b = BasicConv2d(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(Block35() for _ in range(5)))
        self.mixed_6a = Branches(
            BasicConv2d(256, 384, 3, stride=2),
            nn.Sequential(
                BasicConv2d(256, 192, 1),
                BasicConv2d(192, 192, 3, padding=1),
                BasicConv2d(192, 256, 3, stride=2),
            ),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_2 = nn.Sequential(*(Block17() for _ in range(10)))
        self.mixed_7a = Branches(
            nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 384, 3, stride=2)),
            nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, stride=2)),
            nn.Sequential(
                BasicConv2d(896, 256, 1),
                BasicConv2d(256, 256, 3, padding=1),
                BasicConv2d(256, 256, 3, stride=2),
            ),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_3 = nn.Sequential(*(Block8() for _ in range(5)))
        self.block8 = Block8(is_last=True)
        self.last_linear = nn.Linear(1792, EMBEDDING_DIM, bias=False)
        self.last_bn = nn.BatchNorm1d(EMBEDDING_DIM, eps=BATCH_NORM_EPSILON)
