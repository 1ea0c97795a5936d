"""The loop that people write for faces, as a script: a process of its own, torch's own number of threads.

OpenCV decodes every frame, facenet-pytorch's MTCNN with its defaults takes each tenth by itself, the 2D
InceptionResnetV1 each face; batches, tracks and who talks it knows nothing of.

    python -m tests.bench.video_loop FOUND CLIP...      writes the boxes to FOUND
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from numpy.typing import NDArray

from extraction.weights import vggface2
from extraction.weights.states import load_vggface2

EVERY = 10


def main() -> None:
    """Look at the clips that were typed."""
    found_path, *clips = sys.argv[1:]
    detector, network = MTCNN(), InceptionResnetV1(classify=False).eval()
    network.load_state_dict(load_vggface2(vggface2()))
    found = [[clip, index, box] for clip in clips for index, box in _faces(detector, network, clip)]
    Path(found_path).write_text(json.dumps(found), encoding="utf-8")


def _faces(
    detector: MTCNN, network: InceptionResnetV1, clip: str
) -> Iterator[tuple[int, list[float] | None]]:
    """The box in each keyframe; `MTCNN.forward` is `detect` and `extract`, named here."""
    for index, picture in _every_tenth(clip):
        boxes, _ = detector.detect(picture)
        if boxes is not None:
            with torch.no_grad():
                network(detector.extract(picture, boxes[:1], None)[None])
        yield index, None if boxes is None else boxes[0].tolist()


def _every_tenth(clip: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    capture, index = cv2.VideoCapture(clip), 0
    while True:
        is_there, picture = capture.read()
        if not is_there:
            return
        if index % EVERY == 0:
            yield index, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
        index += 1


if __name__ == "__main__":
    main()
