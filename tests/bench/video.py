"""Video: clips a second of two LFNet3D workers against the loop people write, on the same keyframes.

The loop, in one process with torch's own number of threads: OpenCV decodes every frame, facenet-pytorch's
MTCNN with its defaults takes each keyframe by itself, the 2D InceptionResnetV1 each face. Ours, as the engine
runs it on a CPU: one process a core, one thread each. Both are warm before the clock starts.

Clips: those of ../shared/media as they are, and some of them enlarged to 1280x720, MELD's size: the loop's
cost grows with the picture and ours hardly. Without ../shared the demo corpus.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from numpy.typing import NDArray

from extraction.extractor import Clip, MediaSpan
from extraction.media import read_keyframes
from extraction.video.extractor import LFNet3D
from extraction.video.faces.detection import FaceDetector
from extraction.video.faces.tracks import overlap
from extraction.weights import vggface2
from extraction.weights.states import load_vggface2
from summer.corpus import Dialogue, Split, Utterance
from tests import media_factory
from tests.places import SHARED

EVERY = 10
WORKERS = len(os.sched_getaffinity(0))
ENLARGED_FRAMES = 50
SPAWN = multiprocessing.get_context("spawn")  # neither side inherits the other's threads
Found = dict[tuple[str, int], NDArray[np.float32] | None]


def run() -> dict[str, float]:
    """Clips a second of both, their ratio, and the share of the loop's faces that we find."""
    with tempfile.TemporaryDirectory() as folder:
        clips, enlarged = _clips(Path(folder))
        figures = _compared("", clips)
        return figures | _compared("_720p", enlarged) if enlarged else figures


def _clips(folder: Path) -> tuple[list[Path], list[Path]]:
    media = SHARED / "media"
    if not media.is_dir():
        return sorted(Path("data/demo/train_splits").glob("dia[0-3]*.mp4")), []
    small = sorted(media.glob("[!f]*.mp4"))
    return [*sorted(media.glob("*.mp4")), *sorted(media.glob("crema_d/*.flv"))], [
        _enlarged(path, folder / path.name) for path in small
    ]


def _enlarged(path: Path, target: Path) -> Path:
    with av.open(str(path)) as container:
        frames = [
            frame.to_ndarray(width=1280, height=720, format="rgb24")
            for frame, _ in zip(container.decode(video=0), range(ENLARGED_FRAMES), strict=False)
        ]
    picture = media_factory.Picture(frames=len(frames), width=1280, height=720, rgb=frames)
    return media_factory.write(target, picture=picture)


def _compared(suffix: str, clips: Sequence[Path]) -> dict[str, float]:
    with SPAWN.Pool(1) as pool:
        loop_seconds, theirs = pool.apply(_loop, (clips,))
        ours = pool.apply(_our_boxes, (clips,))
    our_seconds = _our_seconds(clips)
    faces = {key: box for key, box in theirs.items() if box is not None}
    same = [any(overlap(box, own) > 0.5 for own in ours.get(key, [])) for key, box in faces.items()]
    return {
        f"loop_clips_per_second{suffix}": len(clips) / loop_seconds,
        f"clips_per_second{suffix}": len(clips) / our_seconds,
        f"ratio{suffix}": loop_seconds / our_seconds,
        f"keyframes_where_the_loop_finds_a_face{suffix}": float(len(faces)),
        f"share_where_we_find_the_same_face{suffix}": sum(same) / len(same),
    }


def _every_tenth(path: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    capture, index = cv2.VideoCapture(str(path)), 0
    while True:
        is_there, picture = capture.read()
        if not is_there:
            return
        if index % EVERY == 0:
            yield index, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
        index += 1


def _loop(clips: Sequence[Path]) -> tuple[float, Found]:
    """Seconds, and the box in each keyframe; `MTCNN.forward` is `detect` and `extract`, named here."""
    detector, network, found = MTCNN(), InceptionResnetV1(classify=False).eval(), Found()
    network.load_state_dict(load_vggface2(vggface2()))
    started = 0.0
    for path in [clips[0], *clips]:  # the first time is to warm up
        for index, picture in _every_tenth(path):
            boxes, _ = detector.detect(picture)
            found[path.name, index] = None if boxes is None else np.float32(boxes[0].tolist())
            if boxes is not None:
                face = detector.extract(picture, boxes[:1], None)
                with torch.no_grad():
                    network(face[None])
        started = started or time.perf_counter()
    return time.perf_counter() - started, found


def _our_boxes(clips: Sequence[Path]) -> dict[tuple[str, int], list[NDArray[np.float32]]]:
    detector = FaceDetector(torch.device("cpu"))
    return {
        (path.name, frame.index): [face.box for face in faces]
        for path in clips
        for frames in read_keyframes(MediaSpan(path=path), every=EVERY, most=256)
        for frame, faces in zip(frames, detector([frame.rgb for frame in frames]), strict=True)
    }


def _our_seconds(clips: Sequence[Path]) -> float:
    ready = SPAWN.Barrier(WORKERS + 1)
    with SPAWN.Pool(WORKERS, initializer=_start_worker, initargs=(ready, clips[0])) as pool:
        ready.wait()
        started = time.perf_counter()
        outcomes = pool.map(_extract, clips, chunksize=1)
        seconds = time.perf_counter() - started
    if not all(outcomes):
        raise ValueError(f"of {len(clips)} clips {outcomes.count(False)} have no vector: nothing to compare")
    return seconds


_extractor: LFNet3D | None = None


def _start_worker(ready: Barrier, first: Path) -> None:
    global _extractor
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _extractor = LFNet3D(weights=vggface2(), face_choice="talking", keyframe_every=EVERY)
    _extract(first)
    ready.wait()


def _extract(path: Path) -> bool:
    utterance = Utterance(
        id=path.stem, split=Split.TRAIN, dialogue="0", turn=0, speaker="", text="", label=""
    )
    dialogue = Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,))
    span = MediaSpan(path=path)
    assert _extractor is not None
    outcome = _extractor([Clip(utterance=utterance, dialogue=dialogue, audio=span, video=span)])[0]
    return outcome.vector is not None


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:45} {value:.4g}")
