"""Tuning without each fold: no row is read by a network that saw its dialogue; a killed run ends the same."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from extraction.video import tuning as single_tuning
from extraction.video import tuning_folds
from extraction.video.clips.labelled import ClipsError, FaceClip
from extraction.video.clips.utterances import Face, Utterances
from extraction.video.faces.alignment import standardised
from extraction.video.folds import VideoFolds
from extraction.video.network.beginning import DifferentBeginningsError
from extraction.video.network.folded import load_folds
from extraction.video.network.lfnet3d import sequence_vector
from extraction.video.network.training import ClipClassifier, TuningError, TuningOptions, TuningStopped
from extraction.video.network.tuned import load_head, load_network, tuning_of
from extraction.video.tuning import Tuning
from extraction.video.tuning_folds import FoldsTuning, tune_folds
from extraction.weights import Weights
from summer.corpus import Split, Utterance
from summer.folds import procrustes
from summer.runs.experiment import accelerators
from tests.summer.two_processes import in_two_processes

COLOURS = ((200, 60, 60), (60, 60, 200), (60, 200, 60), (200, 200, 60))
QUICK = TuningOptions(epochs=1, learning_rate=1e-4, batch_clips=4, trained_blocks=1)


@dataclass(frozen=True, kw_only=True)
class Made:
    """Pictures of a few colours, one for each dialogue."""

    utterances: Utterances
    folds: VideoFolds

    def work(self, start: Weights, **change: Any) -> FoldsTuning:
        tuning_on = partial(Tuning, start=start, source="colours", options=QUICK)
        return FoldsTuning(**{"tuning_on": tuning_on, **vars(self), **change})


def made(folder: Path, colours: Sequence[int], *, folds: int, new_rows: Any, labels: Sequence[str]) -> Made:
    """A training dialogue for each of the colours, in stretches of which each is a fold; two rows of dev.

    The left half of a picture is the brighter in every second fold.
    """
    random = np.random.default_rng(0)

    def face(split: Split, dialogue: str, colour: int, side: int, label: str) -> Face:
        picture = np.full((160, 160, 3), COLOURS[colour]) + random.normal(0, 10, (160, 160, 3))
        picture[:, :80] += 45 - 90 * side
        path = folder / f"{split}-{dialogue}.png"
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8)[..., ::-1])
        utterance = Utterance(
            id=path.stem, split=split, dialogue=dialogue, turn=0, speaker="", text="", label=label
        )
        return Face(utterance=utterance, clip=FaceClip(crops=(path,), label=("joy", "anger").index(label)))

    size = len(colours) // folds
    training = [
        face(Split.TRAIN, f"d{k}", colour, (k // size) % 2, label)
        for k, (colour, label) in enumerate(zip(colours, labels, strict=True))
    ]
    dev = [face(Split.DEV, f"v{k}", k, 0, label) for k, label in enumerate(("joy", "anger"))]
    return Made(
        utterances=Utterances(classes=("joy", "anger"), faces=[*training, *dev], extractor="made up"),
        folds=VideoFolds(
            corpus="colours",
            count=folds,
            new_rows=new_rows,
            fold_of={one.utterance.dialogue: k // size for k, one in enumerate(training)},
            utterances={one.utterance.dialogue: (one.utterance.id,) for one in training},
        ),
    )


@pytest.fixture(name="memorised")
def _memorised(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """A training that knows by heart whatever it is given: the head of least norm that says every label."""
    given: list[set[str]] = []

    def memorise(classifier: ClipClassifier, clips: Utterances, **_: Any) -> list[float]:
        drawn = torch.Generator().manual_seed(len(given))
        given.append({utterance.id for utterance, _ in clips.training})
        with torch.no_grad():
            for tensor in classifier.network.blocks[-1].parameters():
                tensor.mul_(1 + 0.1 * torch.randn(tensor.shape, generator=drawn))
            x = torch.stack(
                [sequence_vector(classifier.network, standardised(clip.read())) for _, clip in clips.training]
            )
            wanted = torch.nn.functional.one_hot(torch.tensor([clip.label for _, clip in clips.training]))
            classifier.head.weight.copy_((torch.linalg.pinv(x) @ wanted.float()).T)
            classifier.head.bias.zero_()
        return [0.5]

    monkeypatch.setattr(single_tuning, "train", memorise)
    return given


def tuned(work: FoldsTuning, folder: Path, **more: Any) -> Weights:
    return tune_folds(
        work, folder=folder, name="video.colours", accelerator=accelerators("cpu", "no")(), **more
    )


def test_a_network_that_knows_its_rows_by_heart_reads_none_of_them(
    random_weights: Weights, tmp_path: Path, memorised: list[set[str]]
) -> None:
    """Labels are drawn; each dialogue has a twin of its colour in the other fold, with the other label."""
    labels = ["joy", "anger", "anger", "joy"]
    other = ["anger" if label == "joy" else "joy" for label in labels]
    twins = made(tmp_path / "faces", [0, 1, 2, 3] * 2, folds=2, new_rows="whole", labels=labels + other)
    weights = tuned(twins.work(random_weights), tmp_path)
    rows = {utterance.dialogue: clip for utterance, clip in twins.utterances.training}
    assert memorised == [
        {f"train-d{k}" for k in range(4, 8)},
        {f"train-d{k}" for k in range(4)},
        {f"train-d{k}" for k in range(8)},
    ]
    seen_all = single_of(tmp_path, "video.colours-")
    head, stored, reference = load_head(seen_all), load_file(weights.path), load_network(seen_all)
    own = load_network(single_of(tmp_path, "video.colours.without-fold-1-of-2-"))
    both = [rows[name].read() for name in ("d4", "d5", "d6", "d7")]  # that both were tuned on
    alignment = procrustes(read_by(own, both), read_by(reference, both))
    assert close(stored["fold_1.alignment.rotation"], alignment.rotation)
    assert close(stored["fold_1.alignment.mean_of_fold"], alignment.mean_of_fold)
    assert close(stored["fold_1.alignment.mean_of_whole"], alignment.mean_of_whole)
    networks = load_folds(weights)

    def told(fold_of: Mapping[str, int | None]) -> int:
        with torch.inference_mode():
            found = {
                name: networks.vector(standardised(clip.read()), fold_of[name]) for name, clip in rows.items()
            }
        return sum(int((head.weight @ found[name]).argmax()) == rows[name].label for name in rows)

    assert told(dict.fromkeys(rows, None)) == 8  # by the network that has seen them all
    assert told({name: 1 - fold for name, fold in twins.folds.fold_of.items()}) == 8  # by who has seen each
    assert told(twins.folds.fold_of) <= 2  # by who has seen its twin


def read_by(network: nn.Module, faces: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.stack([sequence_vector(network, standardised(crops)).numpy() for crops in faces])


def single_of(folder: Path, name: str) -> Weights:
    [path] = folder.glob(f"{name}*.safetensors")
    return Weights(path=path, sha256="", source="given")


def close(found: Tensor, expected: NDArray[np.float32]) -> bool:
    return np.allclose(found.numpy(), expected, atol=1e-3 * float(np.abs(expected).max()))


@pytest.mark.parametrize(
    ("new_rows", "both_saw"),
    [
        ("whole", [{"d2", "d3", "d4", "d5"}, {"d0", "d1", "d4", "d5"}, {"d0", "d1", "d2", "d3"}]),
        ("mean", [set(), {"d4", "d5"}, {"d2", "d3"}]),
    ],
)
def test_networks_are_aligned_by_rows_that_they_and_the_reference_were_tuned_on(
    random_weights: Weights, tmp_path: Path, new_rows: str, both_saw: list[set[str]]
) -> None:
    three = made(tmp_path, [0, 1, 2, 3, 0, 1], folds=3, new_rows=new_rows, labels=["joy", "anger"] * 3).work(
        random_weights
    )
    for network, dialogues in enumerate(both_saw):
        if network != three.folds.reference:
            found = {clip.crops[0].stem for clip in three.both_saw(network)}
            assert found == {f"train-{name}" for name in dialogues}


def two_folds(folder: Path) -> Made:
    return made(folder, [0, 1, 2, 3], folds=2, new_rows="whole", labels=["joy", "anger"] * 2)


class Killed(BaseException):
    """Stands for a signal: nothing in the program catches it."""


@pytest.mark.slow
def test_stopped_wherever_it_was_it_ends_in_the_same_bytes_and_does_nothing_twice(
    random_weights: Weights, tmp_path: Path
) -> None:
    work = two_folds(tmp_path / "faces").work(random_weights)
    whole = tuned(work, tmp_path / "whole")
    steps: list[str] = []

    def until(end: str, **more: Any) -> None:
        def note(which: str, news: object) -> None:
            steps.append(f"{which}, {str(news).split(',')[0]}")
            if steps[-1] == end and not more:
                raise Killed

        with pytest.raises(TuningStopped if more else Killed):
            tuned(work, tmp_path / "stopped", on_progress=note, on_aligning=note, **more)

    until("without fold 2 of 2, epoch 1 of 1")
    until("", should_stop=lambda: steps[-1] == "without fold 1 of 2, aligning")
    until("without fold 2 of 2, aligning")
    assert not list((tmp_path / "stopped").glob("video*folds*"))
    assert len(list((tmp_path / "stopped").glob(".*.alignment"))) == 1
    assert tuned(work, tmp_path / "stopped").path.read_bytes() == whole.path.read_bytes()
    assert steps == [
        *("without fold 1 of 2, epoch 1 of 1", "without fold 2 of 2, epoch 1 of 1"),
        *("without fold 2 of 2, epoch 1 of 1", "all folds, epoch 1 of 1", "without fold 1 of 2, aligning"),
        *("without fold 1 of 2, aligning", "without fold 1 of 2, aligning", "without fold 2 of 2, aligning"),
    ]
    for folder in (tmp_path / "stopped", tmp_path / "whole"):
        assert not [path for path in folder.glob(".*") if path.suffix != ".lock"]
    digest = (tuning_of(whole) or {})["digest"][:12]
    assert whole.path.name == f"video.colours.2-folds-{digest}.safetensors"


def test_a_network_is_the_same_tuning_whoever_reads_new_rows_and_without_folds(
    random_weights: Weights, tmp_path: Path
) -> None:
    three = made(tmp_path, [0, 1, 2, 3, 0, 1], folds=3, new_rows="whole", labels=["joy", "anger"] * 3)
    whole = three.work(random_weights)
    mean = three.work(random_weights, folds=replace(three.folds, new_rows="mean"))
    digests = {name: tuning.digest for name, tuning in whole.tunings.items()}
    assert len(set(digests.values())) == 4
    assert {name: tuning.digest for name, tuning in mean.tunings.items()}.items() < digests.items()
    alone = Tuning(start=random_weights, clips=three.utterances, source="another", options=QUICK)
    assert alone.digest == digests["whole"]


@pytest.mark.usefixtures("memorised")
def test_a_damaged_network_of_an_earlier_run_is_named(random_weights: Weights, tmp_path: Path) -> None:
    work = two_folds(tmp_path / "faces").work(random_weights)
    name = f"video.colours.without-fold-1-of-2-{work.tunings['fold_1'].digest[:12]}.safetensors"
    (tmp_path / name).write_bytes(b"half a file")
    with pytest.raises(
        TuningError, match=f"{name} of an earlier run is damaged .*; delete it and run the sa"
    ):
        tuned(work, tmp_path)
    assert not list(tmp_path.glob("video*folds*"))


def test_networks_that_do_not_belong_together_are_named(
    random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(tuning: Tuning, *, folder: Path, name: str, **_: Any) -> Weights:
        del tuning
        return replace(random_weights, name=str(folder / name))

    def refuse(networks: Any, *, own_blocks: int) -> None:
        del networks, own_blocks
        raise DifferentBeginningsError("network 2 differs from the first")

    monkeypatch.setattr(tuning_folds, "tune_video", found)
    monkeypatch.setattr(tuning_folds, "taken_apart", refuse)
    words = (
        r"2-folds.* do not belong together \(network 2 differs from the first\); delete random\.safetensors, "
    )
    with pytest.raises(TuningError, match=words):
        tuned(two_folds(tmp_path / "faces").work(random_weights), tmp_path)


def test_a_second_run_at_the_same_is_refused(random_weights: Weights, tmp_path: Path) -> None:
    work = two_folds(tmp_path / "faces").work(random_weights)
    with (tmp_path / f".video.colours.2-folds-{work.digest[:12]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TuningError, match=r"another run is tuning .*2-folds.*; wait for it"):
            tuned(work, tmp_path)


def test_a_fold_without_a_face_is_refused(random_weights: Weights, tmp_path: Path) -> None:
    few = two_folds(tmp_path)
    hidden = [
        replace(face, clip=None) if face.utterance.dialogue in {"d2", "d3"} else face
        for face in few.utterances.faces
    ]
    with pytest.raises(ClipsError, match=r"fold 2 of 2 has 0 training utterances .* needs 1"):
        few.work(random_weights, utterances=replace(few.utterances, faces=hidden))


def test_a_fold_without_a_dialogue_is_refused(random_weights: Weights, tmp_path: Path) -> None:
    """As where one dialogue is longer than all others together."""
    few = two_folds(tmp_path)
    with pytest.raises(ClipsError, match=r"fold 3 of 3 has 0 training utterances .* give fewer folds"):
        few.work(random_weights, folds=replace(few.folds, count=3))


def test_a_class_that_one_fold_has_alone_is_refused(random_weights: Weights, tmp_path: Path) -> None:
    few = made(tmp_path, [0, 1, 2, 3], folds=2, new_rows="whole", labels=["anger", "anger", "joy", "anger"])
    with pytest.raises(ClipsError, match=r"all 1 training .* 'joy' are in fold 2 of 2: .*video\.folds"):
        few.work(random_weights)


CHANGES: dict[str, Callable[[Made], Mapping[str, Any]]] = {
    "who reads new rows": lambda few: {"folds": replace(few.folds, new_rows="mean")},
    "the corpus": lambda few: {"folds": replace(few.folds, corpus="other")},
    "the folds": lambda few: {"folds": replace(few.folds, fold_of={"d0": 0, "d1": 1, "d2": 1, "d3": 0})},
    "the clips": lambda few: {"utterances": replace(few.utterances, extractor="other")},
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_the_file_changes_its_name(
    random_weights: Weights, tmp_path: Path, what: str
) -> None:
    few = two_folds(tmp_path)
    assert few.work(random_weights, **CHANGES[what](few)).digest != few.work(random_weights).digest


def in_one_of_several(index: int, *, start: Weights, faces: Path, folder: Path) -> str:
    """Tune in one of several processes."""
    del index
    return str(tuned(two_folds(faces).work(start), folder).path)


@pytest.mark.slow
def test_two_processes_make_the_networks_and_alignments_of_one(
    random_weights: Weights, tmp_path: Path
) -> None:
    work = partial(in_one_of_several, start=random_weights, faces=tmp_path / "faces")
    alone = work(0, folder=tmp_path / "one")
    both = in_two_processes(partial(work, folder=tmp_path / "two"), seconds=240.0)
    assert both[0] == both[1]
    expected, found = load_file(alone), load_file(both[0])
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        scale = float(tensor.abs().max())
        torch.testing.assert_close(found[name], tensor, atol=2e-3 * scale, rtol=0, msg=name)
