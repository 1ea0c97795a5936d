"""Training: kernels over time are learned, a kill changes nothing, the held-out clips choose the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from extraction.video.clips.labelled import ClipsError, FaceClip, LabelledClips
from extraction.video.faces.alignment import standardised
from extraction.video.network.inflation import TimeConv
from extraction.video.network.lfnet3d import sequence_vector
from extraction.video.network.training import (
    ClipClassifier,
    TuningError,
    TuningOptions,
    TuningProgress,
    TuningStopped,
    freeze_all_but,
    train,
)
from extraction.video.network.tuned import load_network
from extraction.weights import Weights, WeightsUnavailable, vggface2
from summer.metrics import best_epoch
from summer.runs.experiment import accelerators
from tests.extraction.video.made_clips import MadeClips, colours, mouths
from tests.summer.two_processes import in_two_processes

QUICK = TuningOptions(epochs=3, learning_rate=1e-3, batch_clips=3, clip_frames=2, trained_blocks=1)


class Killed(BaseException):
    """Stands for a signal: nothing in the program catches it."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def trained(
    start: Weights, clips: LabelledClips, progress: Path, options: TuningOptions = QUICK, **more: Any
) -> tuple[ClipClassifier, list[float]]:
    classifier = ClipClassifier(load_network(start), classes=len(clips.classes), seed=options.seed)
    accelerator = accelerators("cpu", "no")()
    scores = train(classifier, clips, options=options, accelerator=accelerator, progress=progress, **more)
    return classifier, scores


def weights_of(classifier: ClipClassifier) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


def vector_of(classifier: ClipClassifier, clip: FaceClip) -> Tensor:
    with torch.inference_mode():
        return sequence_vector(classifier.network, standardised(clip.read()))


@pytest.mark.weights
@pytest.mark.slow
def test_tuning_tells_the_direction_of_a_motion_that_the_inflated_network_cannot_see(tmp_path: Path) -> None:
    try:
        start = vggface2()
    except WeightsUnavailable as reason:
        pytest.skip(f"no VGGFace2 weights: {reason}")
    clips = mouths(tmp_path / "clips", training=4, dev=3, frames=3)
    opening, closing = clips.dev[:2]
    inflated = ClipClassifier(load_network(start), classes=2, seed=0)
    one, other = (vector_of(inflated, clip) for clip in (opening, closing))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    options = TuningOptions(epochs=14, learning_rate=1e-3, batch_clips=8, trained_blocks=2)
    tuned, scores = trained(start, clips, tmp_path / "progress", options)
    assert scores[0] == 0.5
    assert max(scores) > 0.8  # five or six of six: processors round differently
    one, other = (vector_of(tuned, clip) for clip in (opening, closing))
    assert (one - other).abs().max() > 1e-2 * one.abs().max()
    learned = [module.weight for module in tuned.network.blocks[-1].modules() if isinstance(module, TimeConv)]
    assert learned
    for kernel in learned:
        assert (kernel[:, :, 0] - kernel[:, :, 2]).abs().max() > 1e-3


def test_what_is_not_trained_keeps_its_weights(random_weights: Weights, tmp_path: Path) -> None:
    before = ClipClassifier(load_network(random_weights), classes=2, seed=0).state_dict()
    classifier, _ = trained(random_weights, colours(tmp_path), tmp_path / "progress")
    moved = {
        name for name, tensor in classifier.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert moved
    assert all(name.startswith(("network.sequence.3.", "head.")) for name in moved)


def test_a_killed_training_goes_on_from_the_last_epoch_and_ends_in_the_same_bytes(
    random_weights: Weights, tmp_path: Path
) -> None:
    clips = colours(tmp_path, frames=2)
    whole, scores = trained(random_weights, clips, tmp_path / "whole")
    seen: list[int] = []

    def run(*, dies_at: tuple[int, int] | None) -> ClipClassifier:
        def note(progress: TuningProgress) -> None:
            seen.append(progress.epoch)
            if (progress.epoch, progress.step) == dies_at:
                raise Killed

        resumed, again = trained(random_weights, clips, tmp_path / "killed", on_progress=note)
        assert again == scores
        return resumed

    for dies_at in ((1, 2), (3, 1)):
        with pytest.raises(Killed):
            run(dies_at=dies_at)
    resumed = run(dies_at=None)
    assert seen == [1, 1, 1, 1, 2, 2, 3, 3, 3]
    # what is kept may be the first epoch's; the last one's has been through all of it
    last, again = (torch.load(tmp_path / name, weights_only=True)["trained"] for name in ("whole", "killed"))
    assert all(torch.equal(tensor, again[name]) for name, tensor in last.items())
    for name, tensor in weights_of(whole).items():
        assert torch.equal(tensor, weights_of(resumed)[name]), name


def test_the_epoch_that_scores_best_on_held_out_clips_is_kept(
    random_weights: Weights, tmp_path: Path
) -> None:
    after: list[dict[str, Tensor]] = []

    def note(progress: TuningProgress) -> None:
        if progress.step == 1 and progress.epoch > 1:
            after.append(torch.load(tmp_path / "progress", weights_only=True)["trained"])

    contrary = colours(tmp_path, swapped_dev=True)  # the better it learns, the worse it scores
    made, scores = trained(random_weights, contrary, tmp_path / "progress", on_progress=note)
    best = best_epoch(scores)
    assert best < len(scores)
    for name, tensor in after[best - 1].items():
        assert torch.equal(weights_of(made)[name], tensor)
    last = torch.load(tmp_path / "progress", weights_only=True)["trained"]
    assert any(not torch.equal(weights_of(made)[name], tensor) for name, tensor in last.items())


def test_asked_to_stop_it_stops_and_goes_on_later(random_weights: Weights, tmp_path: Path) -> None:
    clips = colours(tmp_path)
    asked = iter([False, False, True])
    with pytest.raises(TuningStopped):
        trained(random_weights, clips, tmp_path / "progress", should_stop=lambda: next(asked))
    _, scores = trained(random_weights, clips, tmp_path / "progress")
    assert len(scores) == QUICK.epochs


def test_damaged_progress_is_named_with_its_remedy(random_weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "progress").write_bytes(b"half a file")
    with pytest.raises(TuningError, match="progress is damaged .*delete it and run the same command again"):
        trained(random_weights, colours(tmp_path), tmp_path / "progress")


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_a_face_that_cannot_be_read_is_named(
    random_weights: Weights, tmp_path: Path, damage: bytes | None
) -> None:
    clips = colours(tmp_path)
    path = clips.training[0].crops[0]
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(ClipsError, match=f"{path.name} cannot be read"):
        trained(random_weights, clips, tmp_path / "progress")


def test_a_gradient_that_is_not_finite_ends_it_with_a_remedy(random_weights: Weights, tmp_path: Path) -> None:
    wild = replace(QUICK, learning_rate=1e30)
    with pytest.raises(TuningError, match="learning rate 1e.30 is likely too high"):
        trained(random_weights, colours(tmp_path), tmp_path / "progress", wild)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_clips": 0}, "batch_clips is 0"),
        ({"clip_frames": 0}, "clip_frames is 0"),
        ({"trained_blocks": 0}, "trained_blocks is 0"),
        ({"learning_rate": 0.0}, "learning rate 0.0"),
        ({"weight_decay": -0.1}, "weight decay -0.1"),
        ({"warmup_share": 1.0}, "warm-up share 1.0"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(QUICK, **change)


@pytest.mark.parametrize(("layer", "blocks"), [("block8", 17), ("repeat_2", 10)])
def test_so_many_blocks_can_be_trained_and_no_more(random_weights: Weights, layer: Any, blocks: int) -> None:
    network = load_network(random_weights, layer=layer)
    freeze_all_but(network, last_blocks=blocks)
    assert not any(parameter.requires_grad for parameter in network.frames.parameters())
    with pytest.raises(TuningError, match=f"trained_blocks is {blocks + 1}.*give {blocks} or fewer"):
        freeze_all_but(network, last_blocks=blocks + 1)


def test_clips_of_several_lengths_have_the_logits_that_each_has_alone(random_weights: Weights) -> None:
    classifier = ClipClassifier(load_network(random_weights), classes=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(length, 3, 160, 160, generator=generator) for length in (2, 1, 2)]
    with torch.inference_mode():
        together = classifier(clips)
        alone = torch.cat([classifier([clip]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def shares(
    index: int, *, start: Weights, clips: MadeClips, progress: Path
) -> dict[str, np.ndarray[Any, Any]]:
    """Train in one of several processes; what was trained, as numbers."""
    del index
    classifier, scores = trained(start, clips, progress)
    numbers = {n: p.detach().numpy() for n, p in classifier.named_parameters() if p.requires_grad}
    return numbers | {"scores": np.array(scores)}


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(random_weights: Weights, tmp_path: Path) -> None:
    """Batches of three and one: a process has a share of two, one, or nothing."""
    work = partial(shares, start=random_weights, clips=colours(tmp_path))
    alone = work(0, progress=tmp_path / "one")
    both = in_two_processes(partial(work, progress=tmp_path / "two"))
    for numbers in both:
        assert isinstance(numbers, dict), numbers
        for name, expected in alone.items():
            np.testing.assert_allclose(numbers[name], expected, atol=2e-4, err_msg=name)


@pytest.mark.slow
def test_a_step_at_the_true_size_moves_every_block(random_weights: Weights, tmp_path: Path) -> None:
    clips = colours(tmp_path, clips=8, frames=8)
    options = TuningOptions(epochs=1, batch_clips=16, clip_frames=8, trained_blocks=17)
    before = load_network(random_weights).blocks
    classifier, _ = trained(random_weights, clips, tmp_path / "progress", options)
    for old, new in zip(before, classifier.network.blocks, strict=True):
        assert any(
            not torch.equal(one, other) for one, other in zip(_kernels(old), _kernels(new), strict=True)
        )


def _kernels(block: nn.Module) -> list[Tensor]:
    return [module.weight for module in block.modules() if isinstance(module, nn.Conv3d)]
