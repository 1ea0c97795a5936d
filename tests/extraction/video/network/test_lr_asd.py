"""LR-ASD against a second reading, in three dimensions and under the published names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from extraction.video.network.lr_asd import ActiveSpeakerNetwork, folded, renamed
from extraction.weights import Weights, WeightsUnavailable
from extraction.weights.states import load_active_speaker

WIDTHS = ((1, 32), (32, 64), (64, 128))


class PublishedBlock(nn.Module):
    """Four convolutions with batch norm and ReLU; `first` is s (space) or m (cepstra)."""

    def __init__(
        self, first: str, kind: type[nn.Conv3d] | type[nn.Conv2d], inward: int, outward: int
    ) -> None:
        super().__init__()
        is_visual = kind is nn.Conv3d
        down = (1, 2, 2) if is_visual and inward == 1 else 1
        self.order = (f"{first}_1", f"{first}_2", "t_1", "t_2")
        for name in self.order:
            size = 5 if name.endswith("1") else 3
            across = (1, size, size) if is_visual else (size, 1)
            along = (size, 1, 1) if is_visual else (1, size)
            kernel = along if name.startswith("t") else across
            narrow = name == f"{first}_1"
            before = inward if narrow else outward // 2 if name == f"{first}_2" else outward
            after = outward // 2 if narrow else outward
            convolution = kind(
                before,
                after,
                kernel,  # type: ignore[arg-type]  # as many numbers as the kind has dimensions
                stride=down if narrow else 1,  # type: ignore[arg-type]
                padding=tuple(length // 2 for length in kernel),  # type: ignore[arg-type]
                bias=False,
            )
            norm = nn.BatchNorm3d if is_visual else nn.BatchNorm2d
            self.add_module(name, convolution)
            self.add_module(name.replace("_", "_norm_"), norm(after, eps=1e-3))

    def forward(self, values: Tensor) -> Tensor:
        for name in self.order:
            norm = self.get_submodule(name.replace("_", "_norm_"))
            values = torch.relu(norm(self.get_submodule(name)(values)))
        return values


class PublishedGate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels, eps=1e-3)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        both = torch.cat([one, other], dim=2).transpose(1, 2)
        return (both * torch.sigmoid(self.bn(self.attention(both)))).transpose(1, 2)


class Published(nn.Module):
    """The network as its state dict names it, batch first."""

    def __init__(self) -> None:
        super().__init__()
        visual, audio, detector = nn.Module(), nn.Module(), nn.Module()
        for number, (inward, outward) in enumerate(WIDTHS, start=1):
            visual.add_module(f"block{number}", PublishedBlock("s", nn.Conv3d, inward, outward))
            audio.add_module(f"block{number}", PublishedBlock("m", nn.Conv2d, inward, outward))
        detector.gru_forward = nn.GRU(256, 64, batch_first=True)
        detector.gru_backward = nn.GRU(256, 64, batch_first=True)
        detector.attention = PublishedGate(128)
        self.model = nn.Module()
        self.model.visualEncoder, self.model.audioEncoder = visual, audio
        self.model.fusion, self.model.detector = PublishedGate(256), detector
        self.lossAV, self.lossV = nn.Module(), nn.Module()
        self.lossAV.FC, self.lossV.FC = nn.Linear(128, 2), nn.Linear(128, 2)

    def forward(self, faces: Tensor, cepstra: Tensor) -> Tensor:
        seen = ((faces / 255 - 0.4161) / 0.1688)[None, None]
        heard = cepstra[None, None].transpose(2, 3)
        for number in (1, 2, 3):
            if number > 1:
                seen = F.max_pool3d(seen, (1, 3, 3), (1, 2, 2), (0, 1, 1))
                heard = F.max_pool2d(heard, (1, 3), (1, 2), (0, 1))
            seen = self.model.visualEncoder.get_submodule(f"block{number}")(seen)
            heard = self.model.audioEncoder.get_submodule(f"block{number}")(heard)
        fused = self.model.fusion(heard.mean(dim=2).transpose(1, 2), seen.amax(dim=(3, 4)).transpose(1, 2))
        onward, _ = self.model.detector.gru_forward(fused)
        back, _ = self.model.detector.gru_backward(fused.flip(1))
        scores = self.lossAV.FC(self.model.detector.attention(onward, back.flip(1))[0])
        return scores[:, 1] - scores[:, 0]


def drawn() -> Published:
    torch.manual_seed(0)
    network = Published()
    for name, tensor in network.state_dict().items():
        if "norm" in name or ".bn." in name:
            tensor.copy_(0.5 + torch.rand(tensor.shape) if tensor.is_floating_point() else tensor)
    return network.eval()


def seen_and_heard(slots: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return 255 * torch.rand(slots, 112, 112), 5 * torch.randn(4 * slots, 13)


@pytest.mark.parametrize("slots", [1, 5, 30])
@torch.inference_mode()
def test_it_gives_what_the_published_network_gives(slots: int) -> None:
    published = drawn()
    network = ActiveSpeakerNetwork().eval()
    network.load_state_dict(renamed(published.state_dict()))
    theirs, ours = published(*seen_and_heard(slots)), network(*seen_and_heard(slots))
    assert ours.shape == (slots,)
    assert slots == 1 or theirs.std() > 1e-4
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.allclose(folded(network)(*seen_and_heard(slots)), theirs, atol=1e-5)


def test_four_cepstra_belong_to_a_face() -> None:
    with pytest.raises(ValueError, match="19 cepstra for 5 faces: give 4 to a face"):
        ActiveSpeakerNetwork()(torch.zeros(5, 112, 112), torch.zeros(19, 13))


def test_another_file_is_refused_by_name_and_shape(tmp_path: Path) -> None:
    state = drawn().state_dict()
    state["lossAV.FC.weight"] = state["lossAV.FC.weight"][:1]
    torch.save(state, tmp_path / "odd.model")
    odd = Weights(path=tmp_path / "odd.model", sha256="", source="given")
    with pytest.raises(WeightsUnavailable, match=r"classifier.weight is \(1, 128\), .* wants \(2, 128\)"):
        load_active_speaker(odd, ActiveSpeakerNetwork(), renamed)


@pytest.mark.real
@torch.inference_mode()
def test_published_weights_load_and_give_the_same_in_both_readings(shared: Path) -> None:
    path = shared / "weights" / "lr_asd" / "finetuning_TalkSet.model"
    network, published = ActiveSpeakerNetwork().eval(), Published().eval()
    weights = Weights(path=path, sha256="", source="given")
    network.load_state_dict(load_active_speaker(weights, network, renamed))
    published.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    faces, cepstra = seen_and_heard(25)
    assert torch.allclose(network(faces, cepstra), published(faces, cepstra), atol=1e-4)
