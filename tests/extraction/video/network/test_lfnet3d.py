"""The inflated network against the 2D one it came from."""

from __future__ import annotations

import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from torch import Tensor, nn
from torch.nn import functional as F

from extraction.video.network import inception
from extraction.video.network.inflation import TimeConv
from extraction.video.network.lfnet3d import (
    KINETICS_MEAN,
    InflatedInceptionResnet,
    KineticsResnet,
    mean_and_deviation,
    sequence_vector,
)
from extraction.video.options import Layer, OverTime


def ours(network: InceptionResnetV1) -> inception.InceptionResnetV1:
    """Our reading of the network, with facenet-pytorch's numbers."""
    reading = inception.InceptionResnetV1()
    reading.load_state_dict(network.state_dict())
    return reading.eval()


@pytest.fixture(scope="module")
def inflated(flat_network: InceptionResnetV1) -> InflatedInceptionResnet:
    return InflatedInceptionResnet(ours(flat_network))


@pytest.fixture(scope="module")
def crops() -> Tensor:
    coarse = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=(160, 160), mode="bilinear")  # unlike noise, pictures that differ


def pooled(network: InceptionResnetV1, crops: Tensor) -> Tensor:
    """What the 2D network's own forward pass pools, frame by frame."""
    seen: list[Tensor] = []
    hook = network.avgpool_1a.register_forward_hook(lambda _module, _input, output: seen.append(output))
    with torch.inference_mode():
        network(crops)
    hook.remove()
    return seen[0].flatten(1)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_on_equal_frames_the_inflated_vector_is_the_2d_networks(
    flat_network: InceptionResnetV1, inflated: InflatedInceptionResnet, crops: Tensor, frames: int
) -> None:
    expected = pooled(flat_network, crops[:1])[0]
    with torch.inference_mode():
        vector = sequence_vector(inflated, crops[:1].repeat(frames, 1, 1, 1))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(vector, expected, atol=1e-4, rtol=0)


def read_by(network: InceptionResnetV1, layer: Layer, over_time: OverTime, crops: Tensor) -> Tensor:
    with torch.inference_mode():
        return sequence_vector(
            InflatedInceptionResnet(ours(network), layer=layer, over_time=over_time), crops
        )


@pytest.mark.parametrize("frames", [1, 2, 5, 33])
def test_equal_frames_have_the_layers_2d_mean_and_no_deviation(
    flat_network: InceptionResnetV1, crops: Tensor, frames: int
) -> None:
    seen: list[Tensor] = []
    hook = flat_network.repeat_2.register_forward_hook(lambda _module, _input, output: seen.append(output))
    pooled(flat_network, crops[:1])
    hook.remove()
    equal = crops[:1].expand(frames, -1, -1, -1)
    vector = read_by(flat_network, "repeat_2", "mean-and-deviation", equal)
    expected = seen[0].mean(dim=(0, 2, 3))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(vector[:896], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(vector[896:], torch.zeros(896), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("layer", "width"), [("block8", 1792), ("repeat_2", 896)])
def test_deviation_comes_beside_the_mean_that_there_is_without_it(
    flat_network: InceptionResnetV1, crops: Tensor, layer: Layer, width: int
) -> None:
    mean = read_by(flat_network, layer, "mean", crops)
    both = read_by(flat_network, layer, "mean-and-deviation", crops)
    assert (mean.shape, both.shape) == ((width,), (2 * width,))
    torch.testing.assert_close(both[:width], mean, atol=1e-5, rtol=1e-5)
    assert both[width:].min() >= 0
    assert both[width:].max() > 0.01 * mean.abs().max()


def test_mean_and_deviation_are_over_the_frames_of_all_windows(
    flat_network: InceptionResnetV1, crops: Tensor
) -> None:
    network = InflatedInceptionResnet(ours(flat_network), over_time="mean-and-deviation")
    with torch.inference_mode():
        vector = sequence_vector(network, crops, window=3)
        frames = torch.cat([network.of_frames(part[None])[0] for part in (crops[:3], crops[3:])]).double()
    expected = torch.cat([frames.mean(dim=0), frames.std(dim=0, correction=0)]).float()
    torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-5)


def test_windows_of_frames_that_do_not_touch_in_time_change_nothing(crops: Tensor) -> None:
    network = InflatedInceptionResnet.__new__(InflatedInceptionResnet)
    nn.Module.__init__(network)
    network.over_time = "mean-and-deviation"
    network.of_frames = lambda clip: clip.mean(dim=(3, 4))  # type: ignore[method-assign]
    whole = sequence_vector(network, crops)
    for window in (1, 2, 3, 4):
        torch.testing.assert_close(sequence_vector(network, crops, window=window), whole)


def test_the_gradient_of_a_deviation_is_finite_where_nothing_moves() -> None:
    still = torch.ones(1, 3, 2, requires_grad=True)
    mean_and_deviation(still).sum().backward()  # type: ignore[no-untyped-call]
    assert still.grad is not None
    torch.testing.assert_close(still.grad, torch.full((1, 3, 2), 1 / 3))


def test_time_matters(
    flat_network: InceptionResnetV1, inflated: InflatedInceptionResnet, crops: Tensor
) -> None:
    with torch.inference_mode():
        vector = sequence_vector(inflated, crops)
        permuted = sequence_vector(inflated, crops[[2, 0, 4, 1, 3]])
    assert (vector - permuted).abs().max() > 1e-4
    assert (vector - pooled(flat_network, crops).mean(dim=0)).abs().max() > 1e-4


def test_clips_of_one_batch_do_not_see_each_other(inflated: InflatedInceptionResnet, crops: Tensor) -> None:
    batch = torch.stack([crops[:2], crops[2:4]])
    with torch.inference_mode():
        together, alone = inflated(batch), inflated(batch[1:])
    torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=1e-5)


def test_the_embedding_of_single_faces_is_the_2d_networks(
    flat_network: InceptionResnetV1, inflated: InflatedInceptionResnet, crops: Tensor
) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(
            inflated.face_embedding(crops[:2]), flat_network(crops[:2]), atol=1e-5, rtol=0
        )


def test_faces_are_recognised_by_the_last_layer_whatever_layer_is_the_vector(
    flat_network: InceptionResnetV1, inflated: InflatedInceptionResnet, crops: Tensor
) -> None:
    early = InflatedInceptionResnet(ours(flat_network), layer="repeat_2", over_time="mean-and-deviation")
    with torch.inference_mode():
        assert torch.equal(early.face_embedding(crops), inflated.face_embedding(crops))


def test_a_time_convolution_is_a_3d_convolution_over_repeated_ends() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        convolution = TimeConv(4, 6, (3, 1, 5), padding=(0, 0, 2))
        cube = torch.randn(2, 4, 7, 3, 8)
    padded = F.pad(cube, (0, 0, 0, 0, 1, 1), mode="replicate")
    expected = F.conv3d(padded, convolution.weight, convolution.bias, padding=(0, 0, 2))
    torch.testing.assert_close(convolution(cube), expected)


def test_a_long_sequence_is_averaged_over_windows_by_length(
    inflated: InflatedInceptionResnet, crops: Tensor
) -> None:
    with torch.inference_mode():
        vector = sequence_vector(inflated, crops, window=3)
        expected = (3 * inflated(crops[None, :3])[0] + 2 * inflated(crops[None, 3:])[0]) / 5
    torch.testing.assert_close(vector, expected, atol=1e-6, rtol=0)


def test_no_window_is_longer_than_asked() -> None:
    lengths: list[int] = []

    class Counting(nn.Module):
        def forward(self, clip: Tensor) -> Tensor:
            lengths.append(clip.shape[1])
            return clip.mean(dim=(1, 3, 4))

    sequence_vector(Counting(), torch.zeros(65, 3, 160, 160))
    assert lengths == [22, 22, 21]


def test_a_sequence_without_frames_is_refused(inflated: InflatedInceptionResnet) -> None:
    with pytest.raises(ValueError, match="0 crops"):
        sequence_vector(inflated, torch.zeros(0, 3, 160, 160))


@pytest.mark.parametrize("frames", [1, 5])
def test_r3d_18_reads_kinetics_values_and_gives_what_it_would_classify(frames: int) -> None:
    network = KineticsResnet()
    average = (torch.tensor(KINETICS_MEAN) * 255 - 127.5) / 128
    with torch.inference_mode():
        vector = network(average.view(1, 1, 3, 1, 1).expand(1, frames, 3, 160, 160))
        expected = network.network(torch.zeros(1, 3, frames, 112, 112))
    assert vector.shape == (1, 512)
    torch.testing.assert_close(vector, expected, atol=1e-4, rtol=0)
