"""MTCNN against facenet-pytorch's own networks, the choice among boxes against torchvision's: equal bits."""

from __future__ import annotations

import pytest
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torchvision.ops import batched_nms

from extraction.video.faces.mtcnn import trained_networks
from extraction.video.faces.overlaps import MOST_NUMBERS_TOGETHER, without_overlaps


@pytest.mark.parametrize(("stage", "theirs", "side"), [(0, PNet, 61), (1, RNet, 24), (2, ONet, 48)])
def test_a_network_says_what_facenet_pytorchs_says(
    stage: int, theirs: type[torch.nn.Module], side: int
) -> None:
    pixels = torch.randn(5, 3, side, side, generator=torch.Generator().manual_seed(stage))
    with torch.inference_mode():
        expected, found = theirs()(pixels), trained_networks()[stage](pixels)
    assert len(expected) == len(found)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


@pytest.mark.parametrize("count", [0, 1, 300, MOST_NUMBERS_TOGETHER // 4 + 1])
def test_the_boxes_that_stay_are_torchvisions(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    boxes = torch.rand(count, 4, generator=generator) * 200
    boxes[:, 2:] += boxes[:, :2]
    sure = torch.rand(count, generator=generator)
    pictures = torch.randint(0, 8, (count,), generator=generator)
    kept = without_overlaps(boxes, sure, pictures, 0.5)
    assert torch.equal(kept, batched_nms(boxes, sure, pictures, 0.5))
    assert len(kept) < count or count < 2
