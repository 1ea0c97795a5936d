"""Utterances as clips: what is trained on, what chooses the epoch, what is left without some dialogues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extraction.video.clips.labelled import ClipsError, FaceClip, LabelledClips
from extraction.video.clips.utterances import Face, Utterances
from summer.corpus import Split, Utterance


def face(name: str, dialogue: str, label: str = "joy", *, found: bool = True) -> Face:
    split = Split.DEV if name.startswith("d") else Split.TRAIN
    utterance = Utterance(id=name, split=split, dialogue=dialogue, turn=0, speaker="", text="", label=label)
    crops = tuple(Path(f"{name}/{frame:06d}.png") for frame in (0, 10, 20))
    clip = FaceClip(crops=crops, label=("joy", "anger").index(label)) if found else None
    return Face(utterance=utterance, clip=clip)


FACES = [
    face("t0", "a"),
    face("t1", "a", "anger"),
    face("t2", "b", found=False),
    face("t3", "b"),
    face("t4", "c"),
    face("d0", "a", "anger"),
    face("d1", "b", found=False),
]
ALL = Utterances(classes=("joy", "anger"), faces=FACES, extractor="that of the test")


def test_without_some_dialogues_their_training_utterances_are_gone_and_dev_stays() -> None:
    assert isinstance(ALL, LabelledClips)
    few = ALL.without({"a", "c"})
    assert [utterance.id for utterance, _ in few.training] == ["t3"]
    assert [clip.crops[0].parent.name for clip in few.dev] == ["d0"]  # its dialogue is called a as well
    assert {clip.crops[0].parent.name for clip in few.of_epoch(np.random.default_rng(0), frames=2)} == {"t3"}
    assert dict(few.counts) == {
        "training utterances": 1,
        "dev utterances": 1,
        "training and dev utterances without a face": 2,
    }
    assert dict(ALL.counts)["training utterances"] == 4


def test_what_the_tuned_network_depends_on_is_who_found_which_faces_and_the_labels() -> None:
    names = ["000000.png", "000010.png", "000020.png"]
    assert ALL.without({"a", "c"}).content == [
        "that of the test",
        ["t3", "joy", names],
        ["d0", "anger", names],
    ]


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(ClipsError, match="0 train utterances have a label and a face"):
        ALL.without({"a", "b", "c"})
    with pytest.raises(ClipsError, match="0 dev utterances .* to choose the epoch by"):
        Utterances(classes=("joy", "anger"), faces=FACES[:5], extractor="")
