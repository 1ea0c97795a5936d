"""LFNet3D's 3D-CNN: a face recogniser's 2D kernels, inflated along time.

Paper: appendix A.1. The aligned faces of an utterance go through a 3D-CNN tuned on VGGFace2; the
utterance's vector is taken from an intermediate layer.

    W3[o, i, t, y, x] = W2[o, i, y, x] / extent      for each of the kernel's t = 1 .. extent frames
    f_t               = mean over positions of a layer's values in frame t
    f                 = mean_t f_t        or        [mean_t f_t, sqrt(mean_t (f_t - mean_t f_t)^2)]

The layer is the last block, whose mean the 2D network pools, or `repeat_2`, seven blocks before, half as
wide. One would think that the nearer to the end, the less is left of an expression; measured, neither layer
is clearly better (docs/video.md). On a clip whose frames are all equal f is the 2D network's own vector,
however long the clip, and the deviation is 0: time is padded by repeating the first and the last frame. The
inflation is top-heavy: up to the middle of the network (mixed_6a) kernels stay 1 x k x k and see single
frames; from there on the first spatial kernel of every residual block spans three. On one CPU core this costs
1.0 to 1.1 times the 2D network; inflating every kernel costs 3. Batch norm is folded into the kernels (values
move by 1e-6) and memory is channels-last, which makes the network twice as fast as facenet-pytorch's fed face
by face.

An inflated kernel is the same for each of its frames. The vector depends on which faces follow which (frames
shuffled, it moves by some hundredths of what single frames differ by), but a clip played backwards has the
same vector: only training on clips could tell the direction of time.

Dimensions: batch clips, frame aligned keyframes, layer 1792 or 896, dim 1792, 896 or twice that (512 for
r3d_18).

Departures from the paper: it names no architecture. This one is of use without training; torchvision's
r3d_18 is the second choice. Sequences longer than `WINDOW_FRAMES` are cut into windows of nearly equal
length, so that memory does not grow with the clip; mean and deviation are over the frames of all windows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from extraction.devices import in_halves
from extraction.video.network.inception import InceptionResnetV1
from extraction.video.network.inflation import fold_batch_norm, inflate, to_channels_last
from extraction.video.options import R3D_DIM, Layer, OverTime, width_of

R3D_PIXELS = 112
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)  # torchvision's R3D_18_Weights.KINETICS400_V1, values in [0, 1]
KINETICS_SPREAD = (0.22803, 0.22145, 0.216989)
LAYERS_OF_FRAMES = (
    "conv2d_1a",
    "conv2d_2a",
    "conv2d_2b",
    "maxpool_3a",
    "conv2d_3b",
    "conv2d_4a",
    "conv2d_4b",
    "repeat_1",
    "mixed_6a",
)
LAYERS_OF_EMBEDDING = ("last_linear", "last_bn")
LAYERS_OF_SEQUENCES = ("repeat_2", "mixed_7a", "repeat_3", "block8")
WINDOW_FRAMES = 32


class InflatedInceptionResnet(nn.Module):
    """InceptionResnetV1 as a top-heavy 3D network."""

    def __init__(
        self, network: InceptionResnetV1, *, layer: Layer = "block8", over_time: OverTime = "mean"
    ) -> None:
        """Inflate a copy of `network`.

        Args:
            network: with the weights to inflate.
            layer: whose values become the vector.
            over_time: what of its frames is kept.
        """
        super().__init__()
        self.over_time = over_time
        self.dim = width_of(layer, over_time)
        self._depth = LAYERS_OF_SEQUENCES.index(layer) + 1
        flat = fold_batch_norm(copy.deepcopy(network).eval())
        self.frames = nn.Sequential(*(flat.get_submodule(name) for name in LAYERS_OF_FRAMES))
        self.sequence = nn.Sequential(*(flat.get_submodule(name) for name in LAYERS_OF_SEQUENCES))
        inflate(self.sequence)
        to_channels_last(self)
        self.embedding = nn.Sequential(*(flat.get_submodule(name) for name in LAYERS_OF_EMBEDDING))

    def forward(self, crops: Float[Tensor, "batch frame 3 160 160"]) -> Float[Tensor, "batch dim"]:
        """One vector per clip, of any number of frames.

        Args:
            crops: aligned faces in RGB, standardised to (value - 127.5) / 128.
        """
        if self.over_time == "mean":
            return torch.mean(self.cube(crops, self.blocks), dim=(2, 3, 4))
        return mean_and_deviation(self.of_frames(crops))

    def of_frames(self, crops: Float[Tensor, "batch frame 3 160 160"]) -> Float[Tensor, "batch frame layer"]:
        """The layer's mean over positions, of each frame among its neighbours."""
        return means_of_frames(self.cube(crops, self.blocks))

    def face_embedding(self, crops: Float[Tensor, "face 3 160 160"]) -> Float[Tensor, "face 512"]:
        """The face recogniser's unit vector of each single face: near for one person, far for two."""
        pooled = torch.mean(self.cube(crops[:, None], list(self.sequence)), dim=(2, 3, 4))
        vectors: Tensor = self.embedding(pooled)
        return F.normalize(vectors, dim=1)

    @property
    def recognises_faces(self) -> bool:
        """Tell whether `face_embedding` works: a tuned network has no embedding."""
        return hasattr(self, "embedding")

    @property
    def blocks(self) -> list[nn.Module]:
        """What looks at sequences, in order, up to the layer: the parts that can be trained one by one."""
        stages = list(self.sequence)[: self._depth]
        return [
            block for stage in stages for block in (stage if isinstance(stage, nn.Sequential) else [stage])
        ]

    def cube(
        self, crops: Float[Tensor, "batch frame 3 160 160"], blocks: Sequence[nn.Module]
    ) -> Float[Tensor, "batch channel frame v u"]:
        """What the layers of single frames, and then some blocks of sequences, make of the clips."""
        batch, frame = crops.shape[:2]
        flat = crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        flat = self.frames(flat)
        cube: Tensor = flat.unflatten(0, (batch, frame)).transpose(1, 2)  # channels-last memory: no copy
        for block in blocks:
            cube = block(cube)
        return cube.to(crops.dtype)  # under autocast the layers are in half: means and deviations are not


def means_of_frames(
    cube: Float[Tensor, "batch channel frame v u"],
) -> Float[Tensor, "batch frame channel"]:
    """The mean over positions in each frame."""
    return torch.mean(cube, dim=(3, 4)).transpose(1, 2)


def mean_and_deviation(vectors: Float[Tensor, "*batch frame layer"]) -> Float[Tensor, "*batch dim"]:
    """Mean and standard deviation over frames, side by side; where nothing moves the gradient is 0."""
    mean = vectors.mean(dim=-2)
    variance = (vectors - mean.unsqueeze(-2)).square().mean(dim=-2)
    moves = variance > 0  # the root's slope is infinite at 0
    deviation = torch.where(moves, variance, 1.0).sqrt() * moves
    return torch.cat([mean, deviation], dim=-1)


class KineticsResnet(nn.Module):
    """torchvision's r3d_18 without its classifier, fed with aligned faces."""

    dim = R3D_DIM

    def __init__(self, state: Mapping[str, Tensor] | None = None) -> None:
        """Build the network.

        Args:
            state: torchvision's state dict; None: random weights.
        """
        from torchvision.models.video import r3d_18  # takes seconds, and the other network needs none of it

        super().__init__()
        network = r3d_18(weights=None)
        if state is not None:
            network.load_state_dict(dict(state))
        network.fc = nn.Identity()  # what it would classify is the vector
        self.network = network.eval()

    def forward(self, crops: Float[Tensor, "batch frame 3 160 160"]) -> Float[Tensor, "batch 512"]:
        """One vector per clip, of any number of frames.

        Args:
            crops: aligned faces in RGB, standardised to (value - 127.5) / 128.
        """
        size = (R3D_PIXELS, R3D_PIXELS)
        flat = F.interpolate(crops.flatten(0, 1), size=size, mode="bilinear", antialias=True)
        unit = (flat * 128 + 127.5) / 255
        mean = unit.new_tensor(KINETICS_MEAN).view(1, 3, 1, 1)
        spread = unit.new_tensor(KINETICS_SPREAD).view(1, 3, 1, 1)
        cube = ((unit - mean) / spread).unflatten(0, crops.shape[:2]).transpose(1, 2)
        vectors: Tensor = self.network(cube)
        return vectors.to(crops.dtype)


def sequence_vector(
    network: nn.Module, crops: Float[Tensor, "frame 3 160 160"], *, window: int = WINDOW_FRAMES
) -> Float[Tensor, " dim"]:
    """The vector of a face sequence of any length, in memory that hardly grows with it.

    Args:
        network: one of this module's.
        crops: aligned faces in RGB, standardised, in order of time; at least one.
        window: most frames looked at together; longer sequences are cut into windows of nearly equal length.

    Raises:
        ValueError: there is no crop.
        DeviceMemoryError: a window does not fit the device.
    """
    windows = in_windows(crops, window)
    if isinstance(network, InflatedInceptionResnet) and network.over_time == "mean-and-deviation":
        return mean_and_deviation(torch.cat([seen(network.of_frames, part) for part in windows]))
    weighted = [seen(network, part) * len(part) for part in windows]
    return torch.stack(weighted).sum(dim=0) / len(crops)


def in_windows(
    crops: Float[Tensor, "frame 3 160 160"], window: int = WINDOW_FRAMES
) -> Sequence[Float[Tensor, "_ 3 160 160"]]:
    """The sequence in parts of nearly equal length.

    Raises:
        ValueError: there is no crop.
    """
    if not len(crops):
        raise ValueError("0 crops: a sequence needs at least one face; give the clip a status instead")
    return crops.tensor_split(-(-len(crops) // window))


def seen(look: Callable[[Tensor], Tensor], part: Float[Tensor, "frame 3 160 160"]) -> Tensor:
    """What a network makes of one window.

    Raises:
        DeviceMemoryError: it does not fit the device.
    """
    return in_halves(look, part[None], one=f"a window of {len(part)} faces")[0][0]
