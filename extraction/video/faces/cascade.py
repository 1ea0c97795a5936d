"""MTCNN's cascade of three networks, driven over all pictures of a batch at once.

Paper: appendix A.1 (MTCNN finds the faces; Zhang et al. 2016). The networks and their weights are
facenet-pytorch's; what differs is how they are fed:

    propose   P over an image pyramid: a 12 x 12 window is a face, with probability 0.7 or more
    refine    R over each proposal at 24 x 24, above 0.7
    decide    O over each survivor at 48 x 48, above 0.7; five landmarks

facenet-pytorch resizes each proposal with a torch call of its own and pools in a memory layout that is slow
on CPUs. Here OpenCV resizes uint8 pictures, all proposals of all pictures go through R and O together, and
everything is channels-last. Of proposals that overlap by half one is kept, after their sides were corrected
(facenet-pytorch: by 0.7, before), and P must be sure to 0.7 (0.6): half as many windows for R and O, and
over 134 keyframes of ten real clips each face is found that was found before (tests/bench/video.py).

Boxes are (x0, y0, x1, y1), landmarks (left eye, right eye, nose, left and right corner of the mouth, as
seen), in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from extraction.devices import in_halves
from extraction.video.faces.mtcnn import trained_networks
from extraction.video.faces.overlaps import without_overlaps

WINDOW_PIXELS = 12  # what one position of P sees
STRIDE_PIXELS = 2
PYRAMID_FACTOR = 0.709  # about the square root of a half, as in the MTCNN paper
PYRAMID_STEP = (
    3  # levels are shrunken from the third above: from the picture takes longer, from the next blurs
)
LEAST_PROBABILITY = (0.7, 0.7, 0.7)
REFINE_PIXELS, DECIDE_PIXELS = 24, 48
OVERLAP_IN_LEVEL, OVERLAP, OVERLAP_OF_SMALLER = 0.5, 0.5, 0.7
MOST_PICTURES = 8  # in one pass of P: more leave the processor's cache
MOST_WINDOWS = 512  # proposals in one pass of R or O


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Faces, or what may be some, over a batch of pictures.

    Args:
        pictures: which picture each is in.
        offsets: by how much of its size each box is off, as the last network saw it.
        landmarks: zeros before the last network.
    """

    boxes: Float[Tensor, "face 4"]
    probabilities: Float[Tensor, " face"]
    pictures: Int[Tensor, " face"]
    offsets: Float[Tensor, "face 4"]
    landmarks: Float[Tensor, "face 5 2"]

    def __getitem__(self, chosen: Tensor) -> Candidates:
        return Candidates(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})

    def without_overlaps(self, most: float) -> Candidates:
        """Of candidates in one picture whose intersection over union passes `most` keep the likelier one."""
        return self[without_overlaps(self.boxes, self.probabilities, self.pictures, most)]


class Cascade:
    """The three networks, loaded onto a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.networks = [
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for network in trained_networks()
        ]

    @torch.inference_mode()
    def __call__(self, pictures: UInt8[np.ndarray, "picture y x 3"], smallest_face: float) -> Candidates:
        """Find the faces of pictures of one size.

        Args:
            smallest_face: side of the smallest face looked for, in pixels, at least 12.
        """
        found = self._refine(pictures, self._propose(pictures, smallest_face))
        return self._decide(pictures, found)

    def _propose(self, pictures: UInt8[np.ndarray, "picture y x 3"], smallest_face: float) -> Candidates:
        height, width = pictures.shape[1:3]
        scale, pyramid, found = WINDOW_PIXELS / smallest_face, [pictures], [_nothing()]
        while min(height, width) * scale >= WINDOW_PIXELS:
            size = (int(width * scale + 1), int(height * scale + 1))
            source = pyramid[-PYRAMID_STEP:][0]
            level = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in source])
            found.append(self._propose_at(level, scale))
            pyramid.append(level)
            scale *= PYRAMID_FACTOR
        return _squared(_shifted(_joined(found).without_overlaps(OVERLAP), margin=0))

    def _propose_at(self, level: UInt8[np.ndarray, "picture y x 3"], scale: float) -> Candidates:
        offsets, probabilities = self._run(0, level, MOST_PICTURES)
        picture, y, x = (probabilities[:, 1] >= LEAST_PROBABILITY[0]).nonzero(as_tuple=True)
        corner = torch.stack([x, y], dim=1) * STRIDE_PIXELS + 1
        proposals = Candidates(
            boxes=torch.cat([corner, corner + WINDOW_PIXELS - 1], dim=1).div(scale).floor(),
            probabilities=probabilities[picture, 1, y, x],
            pictures=picture,
            offsets=offsets[picture, :, y, x],
            landmarks=torch.zeros(len(picture), 5, 2),
        )
        return proposals.without_overlaps(OVERLAP_IN_LEVEL)

    def _refine(self, pictures: UInt8[np.ndarray, "picture y x 3"], proposals: Candidates) -> Candidates:
        found, windows = _windows(pictures, proposals, REFINE_PIXELS)
        if not len(windows):
            return found
        offsets, probabilities = self._run(1, windows, MOST_WINDOWS)
        likely = replace(found, probabilities=probabilities[:, 1], offsets=offsets)
        likely = likely[likely.probabilities > LEAST_PROBABILITY[1]].without_overlaps(OVERLAP)
        return _squared(_shifted(likely, margin=1))

    def _decide(self, pictures: UInt8[np.ndarray, "picture y x 3"], refined: Candidates) -> Candidates:
        found, windows = _windows(pictures, refined, DECIDE_PIXELS)
        if not len(windows):
            return found
        offsets, places, probabilities = self._run(2, windows, MOST_WINDOWS)
        corner, size = found.boxes[:, None, :2], (found.boxes[:, 2:] - found.boxes[:, :2] + 1)[:, None]
        landmarks = places.unflatten(1, (2, 5)).transpose(1, 2) * size + corner - 1
        likely = replace(found, probabilities=probabilities[:, 1], offsets=offsets, landmarks=landmarks)
        likely = _shifted(likely[likely.probabilities > LEAST_PROBABILITY[2]], margin=1)
        return _without_nested(likely)

    def _run(self, stage: int, pixels: UInt8[np.ndarray, "n y x 3"], most: int) -> tuple[Tensor, ...]:
        """Run one of the networks; results come back to the CPU."""
        network = _on_device(self.networks[stage], self.device)
        one = f"a picture of {pixels.shape[2]} x {pixels.shape[1]} pixels"
        batches = (
            result
            for batch in torch.from_numpy(pixels).split(most)
            for result in in_halves(network, batch, one=one)
        )
        return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))


def _on_device(network: nn.Module, device: torch.device) -> Callable[[Tensor], tuple[Tensor, ...]]:
    def run(pixels: UInt8[Tensor, "n y x 3"]) -> tuple[Tensor, ...]:
        values = pixels.to(device).permute(0, 3, 1, 2).float()  # a view: channels-last
        results: tuple[Tensor, ...] = network((values - 127.5) / 128)
        return tuple(result.cpu() for result in results)

    return run


def _nothing() -> Candidates:
    return Candidates(
        boxes=torch.zeros(0, 4),
        probabilities=torch.zeros(0),
        pictures=torch.zeros(0, dtype=torch.int64),
        offsets=torch.zeros(0, 4),
        landmarks=torch.zeros(0, 5, 2),
    )


def _joined(parts: Sequence[Candidates]) -> Candidates:
    return Candidates(
        **{each.name: torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Candidates)}
    )


def _shifted(candidates: Candidates, *, margin: int) -> Candidates:
    """Move each box's sides by its offsets; `margin` is what a network counts a side longer than it is."""
    size = (candidates.boxes[:, 2:] - candidates.boxes[:, :2] + margin).repeat(1, 2)
    return replace(candidates, boxes=candidates.boxes + candidates.offsets * size)


def _squared(candidates: Candidates) -> Candidates:
    """Widen each box to a square about its centre."""
    corner, far = candidates.boxes[:, :2], candidates.boxes[:, 2:]
    centre, half = (corner + far) / 2, (far - corner).amax(dim=1, keepdim=True) / 2
    return replace(candidates, boxes=torch.cat([centre - half, centre + half], dim=1))


def _windows(
    pictures: UInt8[np.ndarray, "picture y x 3"], candidates: Candidates, side: int
) -> tuple[Candidates, UInt8[np.ndarray, "face side side 3"]]:
    """Cut the candidates out at one size; those wholly outside their picture are dropped."""
    height, width = pictures.shape[1:3]
    boxes = candidates.boxes.trunc().to(torch.int64)
    corner = (boxes[:, :2] - 1).clamp(min=0)
    far = torch.minimum(boxes[:, 2:], torch.tensor([width, height]))
    inside = (far > corner).all(dim=1)
    kept, windows = candidates[inside], np.empty((int(inside.sum()), side, side, 3), dtype=np.uint8)
    places = torch.cat([corner, far], dim=1)[inside].tolist()
    for k, (picture, (x0, y0, x1, y1)) in enumerate(zip(kept.pictures.tolist(), places, strict=True)):
        cv2.resize(
            pictures[picture, y0:y1, x0:x1], (side, side), dst=windows[k], interpolation=cv2.INTER_AREA
        )
    return kept, windows


def _without_nested(candidates: Candidates) -> Candidates:
    """Of faces that share most of the smaller one's area keep the likelier."""
    order = candidates.probabilities.argsort(descending=True, stable=True)
    ranked = candidates[order]
    area = (ranked.boxes[:, 2:] - ranked.boxes[:, :2] + 1).prod(dim=1)
    corner = torch.maximum(ranked.boxes[:, None, :2], ranked.boxes[None, :, :2])
    far = torch.minimum(ranked.boxes[:, None, 2:], ranked.boxes[None, :, 2:])
    shared = (far - corner + 1).clamp(min=0).prod(dim=2) / torch.minimum(area[:, None], area[None])
    rivals = (shared > OVERLAP_OF_SMALLER) & (ranked.pictures[:, None] == ranked.pictures[None])
    kept: list[int] = []
    for k in range(len(area)):
        if not rivals[k, kept].any():
            kept.append(k)
    return ranked[torch.tensor(kept, dtype=torch.int64)]
