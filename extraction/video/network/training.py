"""Training the inflated network, or its last blocks, to tell the classes of short face sequences.

Paper: appendix A.1, the 3D-CNN tuned on VGGFace2. A linear layer over the vector that the extractor gives
tells the classes. It is drawn small rather than 0: from 0, two clips that differ in their order alone would
give gradients that cancel.

Inflation leaves each kernel the same for all frames in its reach; the gradient of a clip is not, so training
is what makes kernels over time out of them. Only the last blocks are trained, up to the layer whose values
are the vector. What comes before repeat_2 sees single frames and stays as VGGFace2 has left it. Batch norms
are folded into the kernels, hence frozen: batches of a few clips have no statistics worth following, and the
weights of the package index come with theirs folded (extraction/weights/facenet.py).

AdamW with linear warm-up and decay, gradients clipped at norm 1. The epoch is chosen on clips that are not
trained on, whose vectors are made as the extractor makes them. Random numbers follow from seed and epoch, and
progress is one file, renamed into place at an epoch's end: a killed run goes on from there and ends in the
same bytes. Several processes share each batch (`accelerate`), so that steps and rates mean what they mean
with one.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from extraction.allocator import keep_freed_memory
from extraction.schedule import check_schedule
from extraction.video.clips.labelled import FaceClip, LabelledClips
from extraction.video.faces.alignment import standardised
from extraction.video.network.lfnet3d import InflatedInceptionResnet, sequence_vector
from summer.durable import check_free_space, explained_disk_errors, first_line, replace_durably
from summer.metrics import best_epoch, confusion_of, weighted_f1
from summer.processes import Processes, alike, processes_of
from summer.threads import computing_for

LOGGER = logging.getLogger(__name__)
LARGEST_GRADIENT_NORM = 1.0
DAMAGE = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError)
STATES_OF_A_PARAMETER = 4  # itself, the best so far, and two averages of AdamW; float32 each


class TuningError(ValueError):
    """Tuning cannot be done so; the message names the value and the remedy."""


class TuningStopped(Exception):  # noqa: N818 (not an error: somebody asked)
    """Asked to stop; the last whole epoch is on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions:
    """Numbers of the tuning.

    Args:
        learning_rate: the highest, reached after the warm-up; it falls to 0 at the end.
        batch_clips: clips of a step, of all processes together.
        clip_frames: faces of a clip, at most.
        trained_blocks: so many last blocks are trained, of those that the layer's vector depends on.
        warmup_share: of all steps, over which the learning rate rises from 0.
    """

    epochs: int = 8
    learning_rate: float = 1e-4
    batch_clips: int = 16
    clip_frames: int = 8
    trained_blocks: int = 6
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_clips", "clip_frames", "trained_blocks"):
            if getattr(self, name) < 1:
                raise TuningError(f"{name} is {getattr(self, name)}; give 1 or more")
        check_schedule(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_share=self.warmup_share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningProgress:
    """How far tuning is.

    Args:
        epoch: being trained, from 1.
        step, steps: of that epoch.
        score: its name.
        dev_scores: of the epochs that ended.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    score: str
    dev_scores: Sequence[float]

    def __str__(self) -> str:
        dev = f", dev {self.score} {self.dev_scores[-1]:.3f}" if self.dev_scores else ""
        return f"epoch {self.epoch} of {self.epochs}, step {self.step} of {self.steps}{dev}"


class ClipClassifier(nn.Module):
    """The inflated network and a linear layer over its vector."""

    def __init__(self, network: InflatedInceptionResnet, *, classes: int, seed: int) -> None:
        super().__init__()
        self.network = network
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.head = nn.Linear(network.dim, classes)

    def forward(self, clips: Sequence[Float[Tensor, "_ 3 160 160"]]) -> Float[Tensor, "clip cls"]:
        """The logits of clips, whose lengths may differ; those of one length go through together."""
        vectors: dict[int, Tensor] = {}
        for length in sorted({len(clip) for clip in clips}):
            places = [place for place, clip in enumerate(clips) if len(clip) == length]
            vectors |= zip(places, self.network(torch.stack([clips[k] for k in places])), strict=True)
        logits: Tensor = self.head(torch.stack([vectors[place] for place in range(len(clips))]))
        return logits


def freeze_all_but(network: InflatedInceptionResnet, *, last_blocks: int) -> None:
    """Leave a gradient to the last blocks before the vector, and to nothing else.

    Raises:
        TuningError: there are not so many.
    """
    blocks = network.blocks
    if last_blocks > len(blocks):
        raise TuningError(
            f"trained_blocks is {last_blocks}, and the layer's vector depends on {len(blocks)} blocks of "
            f"sequences; give {len(blocks)} or fewer"
        )
    network.requires_grad_(False)
    for block in blocks[-last_blocks:]:
        block.requires_grad_(True)


def train(
    classifier: ClipClassifier,
    clips: LabelledClips,
    *,
    options: TuningOptions,
    accelerator: Accelerator,
    progress: Path,
    on_progress: Callable[[TuningProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[float]:
    """Train from where `progress` says it stands, and leave the classifier with its best epoch's weights.

    Args:
        classifier: at its start; on the host.
        progress: file of this very training, of these clips and options; deleted by whoever keeps the result.

    Returns:
        The score of each epoch on the clips that are held out.

    Raises:
        TuningError: the progress is damaged, the device's memory too small, a loss that is not finite.
        ClipsError: a face cannot be read.
        TuningStopped: `should_stop` said so; of several processes any may say it.
        DiskError: the disk is full or refuses.
    """
    keep_freed_memory()
    torch.set_flush_denormal(True)  # AdamW's averages of faint gradients: a CPU is 30 times slower with them
    with alike():
        freeze_all_but(classifier.network, last_blocks=options.trained_blocks)
    course = _Course(classifier.eval(), options, accelerator, progress)
    course.resume()
    with computing_for(classifier):
        _take_epochs(course, clips, on_progress, should_stop)
    course.load_best()
    return course.scores


def _take_epochs(
    course: _Course,
    clips: LabelledClips,
    on_progress: Callable[[TuningProgress], None],
    should_stop: Callable[[], bool],
) -> None:
    options = course.options
    for epoch in range(len(course.scores) + 1, options.epochs + 1):
        batches = _batches_of(clips, options, epoch)
        try:
            for step, batch in enumerate(course.read_ahead(batches), start=1):
                if course.processes.any(should_stop()):
                    raise TuningStopped
                course.take_step((epoch - 1) * len(batches) + step, len(batches) * options.epochs, *batch)
                on_progress(
                    TuningProgress(
                        epoch=epoch,
                        epochs=options.epochs,
                        step=step,
                        steps=len(batches),
                        score=clips.score,
                        dev_scores=tuple(course.scores),
                    )
                )
            course.end_epoch(clips)
        except torch.OutOfMemoryError as error:
            raise TuningError(
                f"{options.batch_clips} clips of {options.clip_frames} faces do not fit the device's memory "
                "with their gradients; give smaller batches (video.tuning.batch_clips), or fewer trained "
                "blocks (video.tuning.trained_blocks)"
            ) from error


def _batches_of(clips: LabelledClips, options: TuningOptions, epoch: int) -> list[list[FaceClip]]:
    """The epoch's batches, the same whoever asks."""
    drawn = clips.of_epoch(np.random.default_rng([options.seed, epoch]), frames=options.clip_frames)
    return [drawn[start : start + options.batch_clips] for start in range(0, len(drawn), options.batch_clips)]


class _Course:
    """A training under way: classifier, optimiser, and what it has reached."""

    def __init__(
        self, classifier: ClipClassifier, options: TuningOptions, accelerator: Accelerator, progress: Path
    ) -> None:
        self.classifier, self.options, self.accelerator = classifier, options, accelerator
        self.progress = progress
        self.processes: Processes = processes_of(accelerator)
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}
        self.trained = {n: p for n, p in classifier.named_parameters() if p.requires_grad}
        adam = torch.optim.AdamW(self.trained.values(), weight_decay=options.weight_decay)
        self.wrapped, self.optimizer = accelerator.prepare(classifier, adam)

    def read_ahead(self, batches: Sequence[list[FaceClip]]) -> Iterator[tuple[list[Tensor], list[int], int]]:
        """This process's clips of each batch, their labels and the batch's size; one batch is read ahead."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            coming = pool.submit(self._read, batches[0])
            for following in [*batches[1:], None]:
                ready = self.processes.together(coming.result)
                if following is not None:
                    coming = pool.submit(self._read, following)
                yield ready

    def _read(self, batch: list[FaceClip]) -> tuple[list[Tensor], list[int], int]:
        own = self.processes.share_of(batch)
        return [standardised(clip.read()) for clip in own or batch[:1]], [c.label for c in own], len(batch)

    def take_step(self, step: int, steps: int, clips: list[Tensor], labels: list[int], size: int) -> None:
        """One step: the mean over the whole batch, of which this process has a share, maybe nothing."""
        self._set_rate(step, steps)
        device = self.accelerator.device
        logits = self.wrapped([clip.to(device) for clip in clips])
        truths = torch.tensor(labels, dtype=torch.int64, device=device)
        total = F.cross_entropy(logits[: len(labels)], truths, reduction="sum") + 0.0 * logits.sum()
        self.accelerator.backward(total * self.processes.count / size)
        norm = self.accelerator.clip_grad_norm_(list(self.trained.values()), LARGEST_GRADIENT_NORM)
        if not torch.isfinite(norm):
            with alike():
                raise TuningError(
                    f"step {step}: the gradient is {float(norm)}; the learning rate "
                    f"{self.options.learning_rate} is likely too high: lower video.tuning.learning_rate"
                )
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _set_rate(self, step: int, steps: int) -> None:
        warm_up = max(1, round(steps * self.options.warmup_share))
        share = min(step / warm_up, (steps - step + 1) / max(1, steps - warm_up + 1), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * share

    def end_epoch(self, clips: LabelledClips) -> None:
        """Look at the clips that are held out, and save where the training stands."""
        self.scores.append(self._score(clips))
        if best_epoch(self.scores) == len(self.scores):
            self.best = {name: p.detach().cpu().clone() for name, p in self.trained.items()}
        self.processes.by_main(self._save)

    def _score(self, clips: LabelledClips) -> float:
        guesses = torch.zeros(len(clips.dev), device=self.accelerator.device)
        places = self.processes.share_of(range(len(clips.dev)))
        self.processes.together(lambda: self._guess(clips.dev, places, guesses))
        together = self.processes.mean(guesses) * self.processes.count  # each has zeros where others guess
        guessed = together.round().long().cpu().numpy()
        truths = np.array([clip.label for clip in clips.dev])
        if clips.score == "accuracy":  # of thousands of persons a table of pairs would fill the memory
            return float((truths == guessed).mean())
        return float(weighted_f1(confusion_of(truths, guessed, classes=len(clips.classes))))

    @torch.inference_mode()
    def _guess(self, dev: Sequence[FaceClip], places: Sequence[int], guesses: Tensor) -> None:
        for place in places:
            crops = standardised(dev[place].read()).to(self.accelerator.device)
            vector = sequence_vector(self.classifier.network, crops)
            guesses[place] = self.classifier.head(vector).argmax()

    def _save(self) -> None:
        parameters = sum(parameter.numel() for parameter in self.trained.values())
        check_free_space(self.progress, needed_bytes=4 * parameters * STATES_OF_A_PARAMETER)
        state = {
            "scores": self.scores,
            "best": self.best,
            "trained": {name: parameter.detach() for name, parameter in self.trained.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        aside = self.progress.with_name(f".{self.progress.name}.tmp")
        with explained_disk_errors(self.progress):
            torch.save(state, aside)
            replace_durably(aside, self.progress)

    def resume(self) -> None:
        """Go on after the last whole epoch, if there is one."""
        self.processes.together(self._resume)

    def _resume(self) -> None:
        if not self.progress.is_file():
            return
        try:
            state: dict[str, Any] = torch.load(self.progress, map_location="cpu", weights_only=True)
            self.optimizer.load_state_dict(state["optimizer"])
            self._take(state["trained"])
            self.best, self.scores = state["best"], list(state["scores"])
        except DAMAGE as error:
            raise TuningError(
                f"{self.progress} is damaged or of another version, so that tuning cannot go on from it "
                f"({first_line(error)}); delete it and run the same command again"
            ) from error
        LOGGER.info("going on after epoch %d", len(self.scores))

    def load_best(self) -> None:
        """Give the classifier the weights of its best epoch."""
        self._take(self.best)

    @torch.no_grad()
    def _take(self, state: Mapping[str, Tensor]) -> None:
        if state.keys() != self.trained.keys():
            raise ValueError("it trains other blocks")
        for name, parameter in self.trained.items():
            parameter.copy_(state[name])
