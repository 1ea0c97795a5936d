"""Audio extraction against openSMILE as its Python package runs it: cores x one process on samples in memory.

Both sides do the same clips in rounds by turns, and the medians are compared. Wall time is right on a quiet
machine only, and cores that share caches do not do twice the work of one (`cores_scaling`); so the share of
processor time is given as well. Ours decodes as well, and still passes 1: see extraction/functionals.py.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import opensmile
from numpy.typing import NDArray

from extraction.audio import ComParE
from extraction.extractor import Clip, MediaSpan
from extraction.functionals import DIM, SAMPLING_RATE
from extraction.media import read_pcm
from summer.corpus import Dialogue, Split, Status, Utterance
from tests.places import DEMO, SHARED

ROUNDS = 3
CLIPS = 96
BLOCK = 8

Item = TypeVar("Item")


def run() -> dict[str, float]:
    """Clips a second of either side and their ratio, of which at least 0.9 is wanted."""
    cores = len(os.sched_getaffinity(0))
    clips = _clips()
    sounds = [read_pcm(clip.audio).samples for clip in clips if clip.audio is not None]
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one,
        ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as all_cores,
    ):
        _rate(one, _features, sounds[:BLOCK])  # the first round loads the libraries
        _rate(all_cores, _extract, clips)
        rounds = [
            (
                _rate(one, _features, sounds),
                _rate(all_cores, _features, sounds),
                _rate(all_cores, _extract, clips),
            )
            for _ in range(ROUNDS)
        ]
    alone, together, ours = (
        [statistics.median(values) for values in zip(*side, strict=True)]
        for side in zip(*rounds, strict=True)
    )
    return {
        "cores": float(cores),
        "seconds_a_clip": sum(map(len, sounds)) / SAMPLING_RATE / len(clips),
        "opensmile_one_process_clips_per_second": alone[0],
        "opensmile_all_cores_clips_per_second": together[0],
        "extraction_all_cores_clips_per_second": ours[0],
        "cores_scaling": together[0] / (cores * alone[0]),
        "ratio_to_cores_times_one": ours[0] / (cores * alone[0]),
        "ratio_to_all_cores": ours[0] / together[0],
        "ratio_in_processor_time": ours[1] / together[1],
    }


def _clips() -> list[Clip]:
    """Real clips where there are some, else the demo corpus; repeated to a fixed number."""
    media = SHARED / "media"
    real = [path for kind in ("mp4", "flv", "wav") for path in sorted(media.rglob(f"*.{kind}"))]
    paths = real or sorted((DEMO).rglob("*.mp4"))
    clips = [_clip(path) for path in paths]
    good = [
        clip for clip, outcome in zip(clips, ComParE()(clips), strict=True) if outcome.status is Status.OK
    ]
    return [good[place % len(good)] for place in range(CLIPS)]


def _clip(path: Path) -> Clip:
    utterance = Utterance(
        id=path.stem, split=Split.TRAIN, dialogue="0", turn=0, speaker="", text="", label=""
    )
    dialogue = Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,))
    return Clip(utterance=utterance, dialogue=dialogue, audio=MediaSpan(path=path))


@cache
def _opensmile() -> opensmile.Smile:
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )


def _features(sounds: Sequence[NDArray[np.float32]]) -> tuple[int, float]:
    started = time.process_time()
    done = sum(_opensmile()(samples, SAMPLING_RATE).size == DIM for samples in sounds)
    return done, time.process_time() - started


def _extract(clips: Sequence[Clip]) -> tuple[int, float]:
    started = time.process_time()
    done = sum(outcome.status is Status.OK for outcome in ComParE()(clips))
    return done, time.process_time() - started


def _rate(
    pool: ProcessPoolExecutor, work: Callable[[Sequence[Item]], tuple[int, float]], items: Sequence[Item]
) -> tuple[float, float]:
    """Clips per second of wall time, and per second of processor time."""
    blocks = [items[start : start + BLOCK] for start in range(0, len(items), BLOCK)]
    started = time.perf_counter()
    done, seconds = zip(*pool.map(work, blocks), strict=True)
    wall = time.perf_counter() - started
    assert sum(done) == len(items)
    return len(items) / wall, len(items) / sum(seconds)


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:40} {value:.3f}")
