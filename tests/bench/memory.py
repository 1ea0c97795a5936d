"""Memory of one video worker: its peak on a very long clip, and whether it grows over many clips."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from extraction import weights
from extraction.extractor import Clip, MediaSpan
from extraction.video.extractor import LFNet3D
from summer.corpus import Dialogue, Split, Utterance
from tests import media_factory

CLIPS = 500
MIB = 2**20


def run() -> dict[str, float]:
    """Peak MiB on a 7,000-frame clip; resident MiB after 50 and after 500 clips."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return _alone(_long_clip, folder) | _alone(_many_clips, folder)


def _alone(measure: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (folder,))


def _long_clip(folder: Path) -> dict[str, float]:
    path = media_factory.long(folder / "long.mp4")
    outcome = _extractor()([_clip(path)])[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"long_clip_keyframes": float(outcome.columns.get("keyframes", 0)), "long_clip_peak_mib": peak}


def _many_clips(_: Path) -> dict[str, float]:
    clips = sorted(Path("data/demo/train_splits").glob("*.mp4"))
    extractor, process, resident = _extractor(), psutil.Process(), {}
    for count in range(1, CLIPS + 1):
        extractor([_clip(clips[count % len(clips)])])
        if count in (50, CLIPS):
            resident[f"resident_mib_after_{count}_clips"] = process.memory_info().rss / MIB
    return resident


def _extractor() -> LFNet3D:
    return LFNet3D(
        backbone="inception_resnet_v1", weights=weights.vggface2(), face_choice="talking", device="cpu"
    )


def _clip(path: Path) -> Clip:
    utterance = Utterance(
        id=path.stem, split=Split.TRAIN, dialogue="0", turn=0, speaker="", text="", label=""
    )
    dialogue = Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,))
    span = MediaSpan(path=path)
    return Clip(utterance=utterance, dialogue=dialogue, audio=span, video=span)


if __name__ == "__main__":
    print(run())
