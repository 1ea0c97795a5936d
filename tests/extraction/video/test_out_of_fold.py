"""The extractor with networks of folds: a clip is looked at once and read by its own, by speaker too."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.extractor import Clip, Extractor
from extraction.video import looking as module
from extraction.video.by_speaker import BySpeaker
from extraction.video.extractor import LFNet3D
from extraction.video.faces.crops import kept_crops
from extraction.video.folds import VideoFolds
from extraction.weights import Weights
from summer.corpus import Split, Status
from tests.extraction.fake import corpus_of
from tests.extraction.video.conftest import clip
from tests.extraction.video.made_folds import MadeFolds, made_folds
from tests.places import DEMO

CORPUS = corpus_of(["word"] * 60)  # training dialogues 0 to 5
TRAIN = DEMO / "train_splits"
TWO_FACES, ONE_FACE = TRAIN / "dia2_utt4.mp4", TRAIN / "dia0_utt0.mp4"


@pytest.fixture(name="made", scope="module")
def _made(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> MadeFolds:
    return made_folds(tmp_path_factory.mktemp("mean"), random_weights, VideoFolds.dealt(CORPUS, 3, "mean"))


def of_dialogue(name: str, split: Split = Split.TRAIN, path: Path = ONE_FACE) -> Clip:
    made = clip(path, name=f"{split}/{name}", audio=path)
    utterance = replace(made.utterance, dialogue=name, split=split)
    return replace(made, utterance=utterance, dialogue=replace(made.dialogue, name=name, split=split))


def crops_of(folder: Path, name: str, candidate: int = 0) -> NDArray[np.uint8]:
    paths = kept_crops(folder, name)[candidate]
    return np.stack([cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]).astype(
        np.uint8
    )


def close(found: NDArray[np.float32] | None, expected: NDArray[np.float32]) -> bool:
    assert found is not None
    return np.allclose(found, expected, atol=1e-4 * float(np.abs(expected).max()))


def test_each_clip_is_looked_at_once_and_read_by_those_that_have_not_seen_it(
    made: MadeFolds, random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = module.gather
    monkeypatch.setattr(module, "gather", lambda *a, **k: (looks.append(a[0].path), real(*a, **k))[1])
    reader = LFNet3D(weights=made.weights, recogniser=random_weights, keep_crops=tmp_path)
    assert isinstance(reader, Extractor)
    clips = [
        of_dialogue("1"),
        of_dialogue("4"),
        of_dialogue("1", Split.DEV),
        of_dialogue("unheard of"),
        of_dialogue("2", path=TRAIN / "dia7_utt3.mp4"),  # a landscape
    ]
    found = pickle.loads(pickle.dumps(reader))(clips)
    assert len(looks) == len(clips)
    assert [outcome.columns.get("fold", 0) for outcome in found] == [1, 3, 0, 0, 0]
    assert found[-1].status is Status.NO_FACE
    crops = crops_of(tmp_path, clips[0].utterance.id)
    expected = [made.expected(crops, fold) for fold in (0, 2, None, None)]
    for outcome, vector in zip(found, expected, strict=False):
        assert close(outcome.vector, vector)
        assert outcome.columns.keys() == reader.columns.keys()
    assert not close(found[0].vector, expected[1])


def test_every_candidate_of_a_clip_is_read_by_its_own_networks(
    made: MadeFolds, random_weights: Weights, tmp_path: Path
) -> None:
    reader = BySpeaker(weights=made.weights, recogniser=random_weights, keep_crops=tmp_path)
    one, other = of_dialogue("3", path=TWO_FACES), of_dialogue("3", Split.TEST, path=TWO_FACES)
    for each, fold in ((one, 1), (other, None)):
        [outcome] = reader([each])
        assert outcome.candidates is not None
        assert len(outcome.candidates.vectors) == 2
        for number, vector in enumerate(outcome.candidates.vectors, start=1):
            assert close(vector, made.expected(crops_of(tmp_path, each.utterance.id, number), fold))
        assert outcome.columns["fold"] == (0 if fold is None else fold + 1)
    assert "fold" in reader.columns
    untuned = BySpeaker(weights=random_weights)([one])[0].candidates
    assert untuned is not None
    np.testing.assert_array_equal(reader([one])[0].candidates.embeddings, untuned.embeddings)  # type: ignore[union-attr]


def test_settings_say_the_folds_and_a_row_depends_on_its_own(
    made: MadeFolds, random_weights: Weights
) -> None:
    reader = LFNet3D(weights=made.weights, recogniser=random_weights)
    single = LFNet3D(weights=made.singles[0], recogniser=random_weights)
    assert (reader.settings["folds"], reader.settings["new_rows"]) == ("3", "mean")
    assert reader.settings["weights"] == made.weights.sha256
    assert not {"folds", "new_rows"} & single.settings.keys()
    assert "fold" not in single.columns
    one, other, new = of_dialogue("1"), of_dialogue("4"), of_dialogue("1", Split.DEV)
    told = [tuple(reader.reads(each)) for each in (one, other, new)]
    assert len(set(told)) == 3
    assert single.reads(one) == single.reads(other) == single.reads(new)
