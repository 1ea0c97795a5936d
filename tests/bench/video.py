"""Video: `summer-extract` against the loop people write (video_loop.py), both as typed, from start to end.

Clips: films of ../shared/media cut into pieces of 73 frames, about three seconds as MELD's are, enlarged to
1280 x 720 with their sound, each seen `PASSES` times; and the films as they are. The loop's cost grows with
the picture and ours hardly. Without ../shared the demo corpus. Ours also follows every face, links tracks,
and listens who talks; each side's start, imports and weights are charged, and our store.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from extraction.extractor import MediaSpan
from extraction.media import MediaError, read_keyframes, read_pcm
from extraction.video.faces.detection import FaceDetector
from extraction.video.faces.tracks import overlap
from tests import media_factory
from tests.bench.typed import EXTRACT, typed, wait_for
from tests.bench.video_loop import EVERY
from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.places import DEMO, SHARED

PASSES = 6
FRAMES = 73
RATE = 16_000
WIDTH, HEIGHT = 1280, 720
LOOP = ("-m", "tests.bench.video_loop")


def run() -> dict[str, float]:
    """Clips a second of both, their ratio, and the share of the loop's faces that we find."""
    with tempfile.TemporaryDirectory() as folder:
        media = SHARED / "media"
        if not media.is_dir():
            return _compared("", sorted((DEMO / "train_splits").glob("*.mp4")), Path(folder))
        films = [*sorted(media.glob("*.mp4")), *sorted(media.glob("crema_d/*.flv"))]
        pieces = [piece for film in films for piece in _enlarged_pieces(film, Path(folder))]
        return _compared("_720p", pieces, Path(folder)) | _compared("_as_they_are", films, Path(folder))


def _enlarged_pieces(film: Path, folder: Path) -> Iterator[Path]:
    with av.open(str(film)) as container:
        rate = round(container.streams.video[0].average_rate or 25)
        frames = container.decode(video=0)
        for number in range(sys.maxsize):
            rgb = [_enlarged(frame) for frame in islice(frames, FRAMES)]
            if len(rgb) < FRAMES / 2:
                return
            start = number * FRAMES / rate
            picture = media_factory.Picture(frames=len(rgb), rate=rate, width=WIDTH, height=HEIGHT, rgb=rgb)
            sound = _sound(film, start, start + len(rgb) / rate)
            yield media_factory.write(folder / f"{film.stem}-{number}.mp4", picture=picture, sound=sound)


def _enlarged(frame: VideoFrame) -> NDArray[np.uint8]:
    """The middle of the picture, as wide as MELD's."""
    rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    rows = min(len(rgb), rgb.shape[1] * HEIGHT // WIDTH)
    top = (len(rgb) - rows) // 2
    middle = VideoFrame.from_ndarray(np.ascontiguousarray(rgb[top : top + rows]), format="rgb24")
    large = middle.reformat(width=WIDTH, height=HEIGHT, interpolation="BICUBIC").to_ndarray()
    return large.astype(np.uint8, copy=False)


def _sound(film: Path, start: float, end: float) -> media_factory.Sound | None:
    try:
        pcm = read_pcm(MediaSpan(path=film, start_seconds=start, end_seconds=end), sampling_rate=RATE)
    except MediaError:
        return None
    return media_factory.Sound(rate=RATE, samples=pcm.samples[np.newaxis])


def _compared(suffix: str, clips: Sequence[Path], folder: Path) -> dict[str, float]:
    found = folder / f"found{suffix}.json"
    repeated = [str(clip) for clip in clips] * PASSES
    loop_seconds = _seconds([*LOOP, str(found), *repeated])
    manifest = write_csv(
        folder / f"corpus{suffix}" / "manifest.csv",
        [manifest_row(f"row{k}", dialogue=str(k), media=clip) for k, clip in enumerate(repeated)],
    )
    words = [
        "--dataset",
        str(manifest),
        "--root",
        "/",
        "--modality",
        "video",
        "--out",
        str(folder / "stores"),
    ]
    our_seconds = _seconds([*EXTRACT, *words])
    half_width = _seconds([*EXTRACT, *words, "-o", "video.bfloat16=true", "--overwrite"])
    return {
        f"loop_clips_per_second{suffix}": len(repeated) / loop_seconds,
        f"clips_per_second{suffix}": len(repeated) / our_seconds,
        f"ratio{suffix}": loop_seconds / our_seconds,
        f"ratio_with_bfloat16{suffix}": loop_seconds / half_width,
        **_same_faces(suffix, clips, json.loads(found.read_text(encoding="utf-8"))),
    }


def _seconds(words: Sequence[str]) -> float:
    started = time.perf_counter()
    wait_for(typed(words))
    return time.perf_counter() - started


def _same_faces(
    suffix: str, clips: Sequence[Path], found: Sequence[tuple[str, int, list[float] | None]]
) -> dict[str, float]:
    theirs = {(clip, index): np.array(box, dtype=np.float32) for clip, index, box in found if box is not None}
    ours = _our_boxes(clips)
    same = [any(overlap(box, own) > 0.5 for own in ours.get(key, [])) for key, box in theirs.items()]
    return {
        f"keyframes_where_the_loop_finds_a_face{suffix}": float(len(theirs)),
        f"share_where_we_find_the_same_face{suffix}": sum(same) / len(same),
    }


def _our_boxes(clips: Sequence[Path]) -> dict[tuple[str, int], list[NDArray[np.float32]]]:
    detector = FaceDetector(torch.device("cpu"))
    return {
        (str(path), frame.index): [face.box for face in faces]
        for path in clips
        for frames in read_keyframes(MediaSpan(path=path), every=EVERY, most=256)
        for frame, faces in zip(frames, detector([frame.rgb for frame in frames]), strict=True)
    }


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:55} {value:.4g}")
