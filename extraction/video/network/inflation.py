"""Inflation: a 2D network's modules turned into 3D ones that give the same values on equal frames.

Paper: appendix A.1 asks for a 3D-CNN tuned on VGGFace2; its kernels start from a 2D network tuned on it.

    W3[o, i, t, y, x] = W2[o, i, y, x] / extent      for each of the kernel's t = 1 .. extent frames

Sums over equal frames then give what W2 gives, at the clip's ends too, since time is padded by repetition.

Dimensions: i channels in, o channels out, frame, y and x positions in, v and u positions out.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from extraction.video.network.inception import BasicConv2d, Block8, Block17

TIME_EXTENT = 3


class TimeConv(nn.Conv3d):
    """A 3D convolution over neighbouring frames; at the clip's ends the outermost frame is repeated."""

    def forward(self, cube: Float[Tensor, "batch i frame y x"]) -> Float[Tensor, "batch o frame v u"]:
        """Convolve; as many frames come out as went in.

        Runs as a 2D convolution over the channels of all frames in reach, side by side: the same sums as
        `nn.Conv3d`, which takes 1.1 times as long for the whole network on a CPU.
        """
        extent, frame = self.kernel_size[0], cube.shape[2]
        first, last = cube[:, :, :1], cube[:, :, -1:]
        padded = torch.cat([first] * (extent // 2) + [cube] + [last] * (extent // 2), dim=2)
        neighbours = torch.cat([padded[:, :, tap : tap + frame] for tap in range(extent)], dim=1)
        flat = F.conv2d(
            neighbours.transpose(1, 2).flatten(0, 1),
            self.weight.transpose(1, 2).flatten(1, 2),
            self.bias,
            stride=self.stride[1:],
            padding=self.padding[1:],
        )
        spanned: Tensor = flat.unflatten(0, (len(cube), frame)).transpose(1, 2)
        return spanned


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place. Evaluation mode only."""
    for child in module.modules():
        if isinstance(child, BasicConv2d):
            child.conv = fuse_conv_bn_eval(child.conv, child.bn)  # type: ignore[arg-type, type-var]  # not folded yet
            child.bn = nn.Identity()
            child.relu = nn.ReLU(inplace=True)
    return module


def inflate(module: nn.Module) -> nn.Module:
    """Inflate in place: the residual blocks' first spatial kernels to 3 x k x k, all else to 1 x k x k."""
    spanning = {
        block.get_submodule("branch1.1.conv")
        for block in module.modules()
        if isinstance(block, Block17 | Block8)
    }
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, inflated_conv(child, TIME_EXTENT if child in spanning else 1))
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, inflated_pool(child))
    return module


def inflated_conv(flat: nn.Conv2d, extent: int) -> nn.Conv3d:
    """Repeat a 2D kernel `extent` times along time, divided by `extent`."""
    height, width = flat.kernel_size
    with torch.device("meta"):  # no numbers are drawn that others replace
        convolution = (nn.Conv3d if extent == 1 else TimeConv)(
            flat.in_channels,
            flat.out_channels,
            (extent, height, width),
            stride=(1, flat.stride[0], flat.stride[1]),
            padding=(0, int(flat.padding[0]), int(flat.padding[1])),
            bias=flat.bias is not None,
        )
    kernel = (flat.weight.detach()[:, :, None] / extent).expand(-1, -1, extent, -1, -1)
    convolution.weight = nn.Parameter(kernel.clone(memory_format=torch.contiguous_format))
    if flat.bias is not None:
        convolution.bias = nn.Parameter(flat.bias.detach().clone())
    return convolution


def inflated_pool(flat: nn.MaxPool2d) -> nn.MaxPool3d:
    """Pool each frame as the 2D network does."""
    kernel, stride = int(flat.kernel_size), int(flat.stride)  # type: ignore[arg-type]  # square, in this network
    return nn.MaxPool3d((1, kernel, kernel), stride=(1, stride, stride))


def to_channels_last(module: nn.Module) -> nn.Module:
    """Lay all kernels out channels last, in place: convolutions of small pictures run faster on a CPU."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return module
