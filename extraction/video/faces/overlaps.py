"""Of boxes that overlap the likeliest is kept, by torchvision's kernel, without torchvision's Python.

That imports all of its models, and by them torch's compiler: as much time again as torch itself takes. The
kernel is one library in its package, and is loaded by itself.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

PACKAGE, LIBRARY = "torchvision", "_C.*"
MOST_NUMBERS_TOGETHER = 4000  # of boxes, in one pass over all pictures; as torchvision.ops.batched_nms


def without_overlaps(
    boxes: Float[Tensor, "box 4"],
    probabilities: Float[Tensor, " box"],
    pictures: Int[Tensor, " box"],
    most: float,
) -> Int[Tensor, " kept"]:
    """Which boxes stay, the likeliest first, as `torchvision.ops.batched_nms` has it, to the bit.

    Args:
        boxes: (x0, y0, x1, y1).
        pictures: that each is in; boxes of two pictures do not overlap.
        most: largest intersection over union of two that both stay.
    """
    _load_kernel()
    if boxes.numel() > MOST_NUMBERS_TOGETHER:
        return _picture_by_picture(boxes, probabilities, pictures, most)
    if not boxes.numel():
        return torch.empty(0, dtype=torch.int64)
    apart = pictures.to(boxes) * (boxes.max() + 1)
    kept: Tensor = torch.ops.torchvision.nms(boxes + apart[:, None], probabilities, most)
    return kept


def _picture_by_picture(boxes: Tensor, probabilities: Tensor, pictures: Tensor, most: float) -> Tensor:
    stays = torch.zeros(len(boxes), dtype=torch.bool)
    for picture in pictures.unique():
        own = torch.where(pictures == picture)[0]
        stays[own[torch.ops.torchvision.nms(boxes[own], probabilities[own], most)]] = True
    kept = torch.where(stays)[0]
    return kept[probabilities[kept].sort(descending=True).indices]


@lru_cache(maxsize=1)
def _load_kernel() -> None:
    spec = find_spec(PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    libraries = [path for path in folder.glob(LIBRARY) if path.suffix != ".py"]
    if not libraries:
        raise ModuleNotFoundError(
            f"{PACKAGE} has no {LIBRARY} in {folder}; install it anew, of torch's version"
        )
    torch.ops.load_library(libraries[0])
