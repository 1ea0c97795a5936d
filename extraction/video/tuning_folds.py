"""Tuning a network without each fold of a corpus' training dialogues: K or K + 1 tunings, then one file.

Each network is a tuning as any other (tuning.py), on the clips of all other folds; dev chooses the epoch of
each, and where new rows are read by the "whole", one more is tuned on all. Each is a file that is found
again, so that a killed run goes on with the network, and the epoch, that it was at.

Then the axes are brought together, as for text (extraction/text/folds.py): Q and the means of fold k are
fitted to what its network and the reference make of training rows that both were tuned on (`summer.folds`),
of about 2048 at most. Their faces lie on the disk as crops, so no media are opened; each fold's fit is a
file, too, until all are in the one that is the result (network/folded.py).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from extraction.folds import dialogues_to_align_by
from extraction.video.clips.labelled import ClipsError, FaceClip
from extraction.video.clips.utterances import Utterances
from extraction.video.faces.alignment import standardised
from extraction.video.folds import WHOLE, VideoFolds
from extraction.video.network.beginning import DifferentBeginningsError, SharedBeginning, taken_apart
from extraction.video.network.folded import FoldNetworks, save_folds
from extraction.video.network.lfnet3d import InflatedInceptionResnet
from extraction.video.network.record import tuning_of
from extraction.video.network.training import TuningError, TuningProgress, TuningStopped
from extraction.video.network.tuned import load_head, load_network
from extraction.video.tuning import DIGEST_LETTERS, Tuning, keep_others_out, tune_video
from extraction.weights import Weights, WeightsUnavailable
from summer.durable import file_sha256, write_aside
from summer.folds import Alignment, procrustes
from summer.processes import Processes, alike, processes_of

METHOD = "1"  # counts up with every change of how the networks are brought together
OF_EACH = ("digest", "counts", "dev_scores", "best_epoch")  # what the record says of each network


@dataclass(frozen=True, slots=True, kw_only=True)
class AligningProgress:
    """How far the reading of rows is by which one network is aligned."""

    finished: int
    total: int

    def __str__(self) -> str:
        return f"aligning, row {self.finished} of {self.total}"


@dataclass(frozen=True, kw_only=True)  # without slots: the tunings are made once
class FoldsTuning:
    """All that the networks depend on.

    Args:
        tuning_on: called with `clips`, the tuning on these; of all networks the same but for them.
        utterances: of all folds.

    Raises:
        ClipsError: a fold without a face, or outside of which some class has none.
    """

    tuning_on: Callable[..., Tuning]
    utterances: Utterances
    folds: VideoFolds

    def __post_init__(self) -> None:
        labels = [self._labels(fold) for fold in range(self.folds.count)]
        for fold, inside in enumerate(labels, start=1):
            if not inside:
                raise ClipsError(
                    f"fold {fold} of {self.folds.count} has 0 training utterances with a label and a face, "
                    "and needs 1: the network without it would be the one tuned on all; give fewer folds "
                    "(video.folds)"
                )
        for fold, inside in enumerate(labels, start=1):
            outside = set().union(*(labels[: fold - 1] + labels[fold:]))
            for label in sorted(inside.keys() - outside):
                raise ClipsError(
                    f"all {inside[label]} training utterances with a face that are labelled {label!r} are in "
                    f"fold {fold} of {self.folds.count}: the network without it would never see one; give "
                    "another number of folds (video.folds), or 0 for none"
                )

    def _labels(self, fold: int) -> Counter[str]:
        """How many faces a fold has of each label."""
        names = self.folds.dialogues_of({fold})
        return Counter(u.label for u, _ in self.utterances.training if u.dialogue in names)

    @cached_property
    def tunings(self) -> Mapping[str, Tuning]:
        """The tuning of each network, by its name."""
        without = [self.utterances.without(self.folds.dialogues_of({k})) for k in range(self.folds.count)]
        clips = [*without, self.utterances][: len(self.folds.networks)]
        return {name: self.tuning_on(clips=own) for name, own in zip(self.folds.networks, clips, strict=True)}

    @cached_property
    def digest(self) -> str:
        """The sha256 over all of it."""
        digests = [tuning.digest for tuning in self.tunings.values()]
        content = {"method": METHOD, "folds": self.folds.record, "networks": digests}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def told(self, network: str) -> str:
        """Which network that is, in words."""
        if network == WHOLE:
            return "all folds"
        return f"without fold {self.folds.networks.index(network) + 1} of {self.folds.count}"

    def both_saw(self, network: int) -> Sequence[FaceClip]:
        """Clips that a network and the reference were tuned on, to align them by."""
        left_out = {network, self.folds.reference} & set(range(self.folds.count))
        seen = self.utterances.without(self.folds.dialogues_of(left_out)).training
        kept = dialogues_to_align_by([utterance.dialogue for utterance, _ in seen])
        return [clip for utterance, clip in seen if utterance.dialogue in kept]

    def record(self, networks: Sequence[Weights]) -> dict[str, Any]:
        """What the file says of itself, beside who reads what."""
        records = [tuning_of(weights) or {} for weights in networks]
        each = {
            name: {key: record[key] for key in OF_EACH}
            for name, record in zip(self.folds.networks, records, strict=True)
        }
        alike = {key: value for key, value in records[0].items() if key not in OF_EACH}
        return {**alike, "digest": self.digest, "networks": each}


def tune_folds(
    work: FoldsTuning,
    *,
    folder: Path,
    name: str,
    accelerator: Accelerator,
    on_progress: Callable[[str, TuningProgress], None] = lambda _, __: None,
    on_aligning: Callable[[str, AligningProgress], None] = lambda _, __: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Weights:
    """Tune all networks, from where an earlier run stopped, or find that this has been done.

    Args:
        folder: where the files go.
        name: of the files, which what each is and a digest lengthen.
        accelerator: has the device; of several processes each has one.
        on_progress, on_aligning: told which network is at work, and how far it is.

    Raises:
        TuningError: as `tune_video`; or networks of an earlier run are damaged.
        ClipsError: a face cannot be read.
        WeightsUnavailable: the start is no such weights.
        TuningStopped: `should_stop` said so.
        DiskError: the disk is full or refuses.
    """
    tuned = folder / f"{name}.{work.folds.count}-folds-{work.digest[:DIGEST_LETTERS]}.safetensors"
    processes = processes_of(accelerator)
    with ExitStack() as held:
        processes.by_main(lambda: keep_others_out(tuned, held))
        if not processes.by_main(tuned.is_file):
            networks = [
                tune_video(
                    tuning,
                    folder=folder,
                    name=name if network == WHOLE else f"{name}.{work.told(network).replace(' ', '-')}",
                    accelerator=accelerator,
                    on_progress=partial(on_progress, work.told(network)),
                    should_stop=should_stop,
                )
                for network, tuning in work.tunings.items()
            ]
            together = _Together(work, networks, tuned, accelerator)
            together.align(on_aligning, should_stop)
            processes.by_main(together.save)
        processes.by_main(lambda: _remove(_alignment_files(work, tuned)))
    return Weights(path=tuned, sha256=file_sha256(tuned), source="given", name=str(tuned))


def _alignment_files(work: FoldsTuning, tuned: Path) -> list[Path | None]:
    """Where the alignment of each network is until the result is there; None of the reference."""
    return [
        None if number == work.folds.reference else tuned.with_name(f".{tuned.stem}.{network}.alignment")
        for number, network in enumerate(work.folds.networks)
    ]


def _remove(paths: Sequence[Path | None]) -> None:
    for path in paths:
        if path is not None:
            path.unlink(missing_ok=True)


class _Together:
    """The finished networks, on this process's device."""

    def __init__(
        self, work: FoldsTuning, networks: Sequence[Weights], tuned: Path, accelerator: Accelerator
    ) -> None:
        self.work, self.networks, self.tuned = work, networks, tuned
        self.processes: Processes = processes_of(accelerator)
        self.device = accelerator.device
        self.files = _alignment_files(work, tuned)
        with alike():
            self.beginning = self._taken_apart().requires_grad_(False).to(self.device)

    def _taken_apart(self) -> SharedBeginning:
        any_of = next(iter(self.work.tunings.values()))
        loaded = (_loaded(weights, any_of) for weights in self.networks)
        try:
            return taken_apart(loaded, own_blocks=any_of.options.trained_blocks)
        except DifferentBeginningsError as error:
            names = ", ".join(weights.path.name for weights in self.networks)
            raise TuningError(
                f"the networks of {self.tuned.name} do not belong together ({error}); delete {names} in "
                f"{self.tuned.parent} and run the same command again"
            ) from error

    def align(
        self, on_aligning: Callable[[str, AligningProgress], None], should_stop: Callable[[], bool]
    ) -> None:
        """Fit each network's way to the axes of the reference, where an earlier run has not."""
        for number, (network, path) in enumerate(zip(self.work.folds.networks, self.files, strict=True)):
            if path is None or self.processes.by_main(path.is_file):
                continue
            tell = partial(on_aligning, self.work.told(network))
            own, of_reference = self._read(number, tell, should_stop)
            self.processes.by_main(partial(_fit, path, own, of_reference))

    @torch.inference_mode()
    def _read(
        self, network: int, tell: Callable[[AligningProgress], None], should_stop: Callable[[], bool]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the network and the reference make of clips that both were tuned on, (rows, dim) each."""
        clips, both = self.work.both_saw(network), (network, self.work.folds.reference)
        vectors = torch.zeros(len(clips), 2, self.beginning.first.dim, device=self.device)

        def read(place: int) -> None:
            if place < len(clips):
                crops = standardised(clips[place].read()).to(self.device)
                vectors[place] = self.beginning.vectors(crops, both)

        for start in range(0, len(clips), self.processes.count):
            if self.processes.any(should_stop()):
                raise TuningStopped
            self.processes.together(partial(read, start + self.processes.index))
            tell(AligningProgress(finished=min(start + self.processes.count, len(clips)), total=len(clips)))
        shared = self.processes.mean(vectors) * self.processes.count  # each has zeros where others read
        own, of_reference = shared.cpu().numpy().transpose(1, 0, 2)
        return own, of_reference

    def save(self) -> None:
        """Put all of it into one file."""
        made = FoldNetworks(
            folds=self.work.folds,
            networks=self.beginning,
            heads=[load_head(weights) for weights in self.networks],
            alignments=[None if path is None else Alignment.load(path) for path in self.files],
        )
        save_folds(self.tuned, made, self.work.record(self.networks))


def _loaded(weights: Weights, tuning: Tuning) -> InflatedInceptionResnet:
    try:
        return load_network(weights, layer=tuning.layer, over_time=tuning.over_time)
    except WeightsUnavailable as error:
        raise TuningError(
            f"{weights.path} of an earlier run is damaged ({error}); delete it and run the same command again"
        ) from error


def _fit(path: Path, own: NDArray[np.float32], of_reference: NDArray[np.float32]) -> None:
    write_aside(path, procrustes(own, of_reference).to_bytes())
