"""Tuning the 3D-CNN: on who people are (a folder per person), or on the emotions of a corpus' training split.

Paper: appendix A.1 takes a 3D-CNN tuned on VGGFace2. What comes out is one file: kernels, classifier, record
(network/tuned.py). Its name ends in a digest of all that it depends on (start, layer, options, classes,
pictures), so it is made once, found again, and never replaced by another. Progress lies beside it under the
same digest until it is done; the record holds no times and no places, so that a killed run ends in the bytes
of an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from extraction.video.clips.labelled import LabelledClips
from extraction.video.network.training import (
    ClipClassifier,
    TuningError,
    TuningOptions,
    TuningProgress,
    train,
)
from extraction.video.network.tuned import load_network, save_tuned
from extraction.video.options import Layer, OverTime
from extraction.weights import Weights
from summer.durable import (
    clear_asides,
    explained_disk_errors,
    file_sha256,
    holder_of,
    opened_lock,
    taken,
)
from summer.metrics import best_epoch
from summer.processes import alike, processes_of

LOGGER = logging.getLogger(__name__)
METHOD = "1"  # counts up with every change that changes tuned weights
DIGEST_LETTERS = 12  # of the digest in the file's name


@dataclass(frozen=True, kw_only=True)  # without slots: the digest is computed once and kept
class Tuning:
    """All that a tuned network depends on: what it starts from, what it is trained on, and how.

    Args:
        start: a face recogniser's weights, or an earlier tuning's.
        clips: to train on and to choose the epoch by.
        source: what the clips are of, in words: kept in the record.
        layer, over_time: the vector that is trained; see lfnet3d.py.
    """

    start: Weights
    clips: LabelledClips
    source: str
    options: TuningOptions
    layer: Layer = "block8"
    over_time: OverTime = "mean"

    @cached_property
    def digest(self) -> str:
        """The sha256 over all of it."""
        content = {**self._settings, "content": self.clips.content}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "method": METHOD,
            "start": self.start.sha256,
            "layer": self.layer,
            "over_time": self.over_time,
            "options": asdict(self.options),
            "classes": list(self.clips.classes),
            "score": self.clips.score,
        }

    def record(self, dev_scores: list[float]) -> Mapping[str, Any]:
        """What the file says of itself."""
        return {
            "digest": self.digest,
            "tuned_on": self.source,
            "counts": dict(self.clips.counts),
            "dev_scores": dev_scores,
            "best_epoch": best_epoch(dev_scores),
            **self._settings,
        }


def tune_video(
    tuning: Tuning,
    *,
    folder: Path,
    name: str,
    accelerator: Accelerator,
    on_progress: Callable[[TuningProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Weights:
    """Tune, from where an earlier run stopped, or find that this has been done.

    Args:
        folder: where the file goes.
        name: of the file, which `-` and the digest lengthen.
        accelerator: has the device; of several processes each has one.

    Raises:
        TuningError: options that cannot be, another run at the same, progress or memory that does not do.
        ClipsError: a face cannot be read.
        WeightsUnavailable: the start is no such weights, or is tuned for another layer.
        TuningStopped: `should_stop` said so.
        DiskError: the disk is full or refuses.
    """
    tuned = folder / f"{name}-{tuning.digest[:DIGEST_LETTERS]}.safetensors"
    progress = folder / f".{tuned.stem}.progress"
    processes = processes_of(accelerator)
    with ExitStack() as held:
        processes.by_main(lambda: keep_others_out(tuned, held))
        if not processes.by_main(tuned.is_file):
            with alike():
                network = load_network(tuning.start, layer=tuning.layer, over_time=tuning.over_time)
            classifier = ClipClassifier(network, classes=len(tuning.clips.classes), seed=tuning.options.seed)
            scores = train(
                classifier,
                tuning.clips,
                options=tuning.options,
                accelerator=accelerator,
                progress=progress,
                on_progress=on_progress,
                should_stop=should_stop,
            )
            processes.by_main(lambda: save_tuned(tuned, network, classifier.head, tuning.record(scores)))
        processes.by_main(lambda: progress.unlink(missing_ok=True))
    return Weights(path=tuned, sha256=file_sha256(tuned), source="given", name=str(tuned))


def keep_others_out(tuned: Path, held: ExitStack) -> None:
    """Let one run make a file; a second one would write the same ones.

    Raises:
        TuningError: another run is at it.
        DiskError: the disk is full or refuses.
    """
    with explained_disk_errors(tuned):
        tuned.parent.mkdir(parents=True, exist_ok=True)
        lock = held.enter_context(opened_lock(tuned.parent / f".{tuned.stem}.lock"))
    if not taken(lock):
        raise TuningError(
            f"another run is tuning {tuned} ({holder_of(lock)}); wait for it, stop it, or give other "
            "settings or another --out"
        )
    with explained_disk_errors(tuned):
        clear_asides(tuned)
