"""Faces by the named speaker: what is kept of each clip, and the second look over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from extraction.corpora import Corpus
from extraction.engines import InProcess
from extraction.extractor import ChoosesAgain, Clip, Outcome, fingerprint_of
from extraction.plan import Job, Shard
from extraction.run import Report, extract
from extraction.video.by_speaker import BySpeaker
from extraction.video.extractor import LFNet3D
from extraction.video.faces.crops import kept_crops
from extraction.weights import Weights
from summer.corpus import Status
from summer.store import Candidates, FeatureStore, Rows, StoreError
from tests.extraction.fake import FakeExtractor, corpus_of
from tests.extraction.video.conftest import clip
from tests.places import DEMO

TRAIN = DEMO / "train_splits"
TWO_FACES, ONE_FACE = TRAIN / "dia2_utt4.mp4", TRAIN / "dia0_utt0.mp4"
DIM, WIDTH = 5, 8


@pytest.fixture(scope="module")
def extractor(random_weights: Weights) -> BySpeaker:
    return BySpeaker(weights=random_weights)


def test_the_chosen_and_the_others_are_kept(extractor: BySpeaker, random_weights: Weights) -> None:
    assert isinstance(extractor, ChoosesAgain)
    assert not isinstance(LFNet3D(weights=random_weights), ChoosesAgain)
    outcome = extractor([clip(TWO_FACES, audio=TWO_FACES, remark="odd")])[0]
    talking = LFNet3D(weights=random_weights)([clip(TWO_FACES, audio=TWO_FACES, remark="odd")])[0]
    kept = outcome.candidates
    assert kept is not None
    assert talking.vector is not None
    assert outcome.vector is not None
    second_look = {"identity_distance", "identity_margin", "candidate"}
    assert outcome.columns.keys() | second_look == extractor.columns.keys()
    assert outcome.columns["first_choice"] == talking.columns["face_choice"]
    assert outcome.columns["first_reason"] == talking.reason == "odd"
    assert kept.facts["talks"].tolist() == [0, 1]
    np.testing.assert_array_equal(kept.vectors[1], outcome.vector)
    np.testing.assert_array_equal(outcome.vector, talking.vector)
    assert kept.facts["face_x"][1] == talking.columns["face_x"]
    assert kept.facts["talking_score"][1] == talking.columns["talking_score"]
    np.testing.assert_allclose(np.linalg.norm(kept.embeddings, axis=1), 1, atol=1e-6)
    assert not np.array_equal(kept.vectors[0], kept.vectors[1])


def test_the_crops_of_every_candidate_are_kept_in_order(random_weights: Weights, tmp_path: Path) -> None:
    (stale := tmp_path / "odd/id" / "3" / "009990.png").parent.mkdir(parents=True)
    stale.touch()
    keeping = BySpeaker(weights=random_weights, keep_crops=tmp_path)
    kept = keeping([clip(TWO_FACES, name="odd/id", audio=TWO_FACES)])[0].candidates
    assert kept is not None
    crops = kept_crops(tmp_path, "odd/id")
    assert {n: len(paths) for n, paths in crops.items()} == dict(enumerate(kept.facts["faces"], start=1))
    assert [path.name for path in crops[1][:3]] == ["000000.png", "000010.png", "000020.png"]
    hues = [
        [cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2HSV)[..., 1].mean() for p in crops[n]] for n in (1, 2)
    ]
    assert max(hues[0]) < min(hues[1])  # the second, who talks, is the Mona Lisa, in yellow


def test_a_row_without_a_face_has_no_candidates(extractor: BySpeaker) -> None:
    assert extractor([clip(TRAIN / "dia7_utt3.mp4")])[0].candidates is None
    assert extractor.no_candidates.ends.tolist() == [0]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"absent_speaker": "gone"}, "masked, kept"), ({"backbone": "r3d_18"}, "does not recognise people")],
)
def test_options_that_cannot_be_are_refused(
    random_weights: Weights, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        BySpeaker(weights=random_weights, **options)


PEOPLE = {name: np.eye(WIDTH, dtype=np.float32)[k] for k, name in enumerate(("Ann", "Ben", "Cid", "Dot"))}


@dataclass(frozen=True, kw_only=True)
class Staged(FakeExtractor):
    """Candidates from the words: who is in the picture, the likeliest talker first; its looks are counted."""

    columns: Mapping[str, str] = field(default_factory=lambda: BySpeaker.columns)
    looked: list[str] | None = None
    absent_speaker: str = "masked"
    no_candidates = Candidates(
        ends=np.zeros(1, dtype=np.int64),
        vectors=np.zeros((0, DIM), np.float32),
        embeddings=np.zeros((0, WIDTH), np.float32),
        facts={
            name: np.zeros(0)
            for name in (
                "faces",
                "confidence",
                "face_share",
                "face_x",
                "face_y",
                "face_size",
                "talking_score",
                "talks",
            )
        },
    )
    choose_again = BySpeaker.choose_again
    second_look_settings = BySpeaker.second_look_settings

    @property
    def settings(self) -> dict[str, str]:
        return {"version": self.version, "absent_speaker": self.absent_speaker}

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.settings)

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        return [self._look(clip) for clip in clips]

    def _look(self, one: Clip) -> Outcome:
        if self.looked is not None:
            self.looked.append(one.utterance.id)
        shown = one.utterance.text.split()
        if not shown:
            return Outcome(status=Status.NO_FACE, reason="no face")
        vectors = np.stack([1 + np.arange(DIM) + 10 * list(PEOPLE).index(name) for name in shown]).astype(
            np.float32
        )
        talking = np.array([0.9, 0.1, 0.1][: len(shown)]) if len(shown) > 1 else np.array([np.nan])
        facts = {name: np.arange(1.0, 1 + len(shown)) for name in self.no_candidates.facts}
        facts |= {"talking_score": talking, "talks": np.eye(len(shown))[0]}
        return Outcome(
            status=Status.OK,
            reason="a remark",
            vector=vectors[0],
            columns={"tracks": len(shown), "first_reason": "a remark", "first_choice": "talking"},
            candidates=Candidates(
                ends=np.array([len(shown)]),
                vectors=vectors,
                embeddings=np.stack([PEOPLE[name] for name in shown]),
                facts=facts,
            ),
        )


def cast() -> tuple[list[str], list[str]]:
    """Who speaks and who is in the picture, of 44 clips; in some the talker is not the speaker, or absent."""
    names = ["Ann" if k % 2 else "Ben" for k in range(44)]
    shown = [f"{name} {'Ben' if name == 'Ann' else 'Ann'}" for name in names]
    shown[5], shown[8], shown[11], shown[14] = "Ben Ann", "Cid Dot", "", "Ben"
    return names, shown


def staged(names: Sequence[str], shown: Sequence[str]) -> Corpus:
    corpus = corpus_of(list(shown))
    clips = [
        replace(one, utterance=replace(one.utterance, speaker=name))
        for one, name in zip(corpus.clips, names, strict=True)
    ]
    return replace(corpus, clips=tuple(clips))


def run(folder: Path, corpus: Corpus, extractor: Staged, **options: object) -> Report:
    job = Job(corpus=corpus, extractor=extractor, folder=folder, **options)  # type: ignore[arg-type]
    return extract(job, InProcess(), reduction=None, on_progress=lambda _: None)


def stored(folder: Path) -> tuple[Rows, np.ndarray]:
    with FeatureStore(folder / "audio.h5") as store:
        return store.rows, store.features()


def test_the_second_look_puts_right_what_talking_had_wrong(tmp_path: Path) -> None:
    report = run(tmp_path, staged(*cast()), Staged())
    assert report.statuses == {Status.OK: 42, Status.SPEAKER_ABSENT: 1, Status.NO_FACE: 1}
    assert [status for _, status, _ in report.failed] == [Status.NO_FACE]
    assert len(report.remarks) == 43
    rows, vectors = stored(tmp_path)
    who = {10 * k + 1: name for k, name in enumerate(PEOPLE)}
    assert who[int(vectors[5, 0])] == "Ann"
    assert rows.columns["face_choice"][5] == "speaker: 2 of 2 tracks, 0.00 from Ann's face"
    assert rows.columns["faces"][5] == 2
    assert [rows.columns["candidate"][row] for row in (4, 5, 8, 11, 14)] == [1, 2, 0, 0, 1]
    assert rows.columns["talking_margin"][4:6] == pytest.approx([0.8, -0.8])
    assert [who[int(v[0])] for v in vectors[[0, 1, 2, 3, 14]]] == ["Ben", "Ann", "Ben", "Ann", "Ben"]
    assert rows.statuses[8] is Status.SPEAKER_ABSENT
    assert rows.reasons[8] == (
        "speaker absent: of 2 faces none is Ben's, the nearest 0.41 beyond the limit. a remark"
    )
    assert not vectors[8].any()
    assert rows.columns["identity_margin"][8] == pytest.approx(1 - 2**0.5)
    assert (rows.statuses[11], rows.reasons[11]) == (Status.NO_FACE, "no face")


def test_an_absent_speaker_may_keep_the_face_that_talks(tmp_path: Path) -> None:
    run(tmp_path, staged(*cast()), Staged(absent_speaker="kept"))
    rows, vectors = stored(tmp_path)
    assert rows.statuses[8] is Status.OK
    assert rows.reasons[8].startswith("speaker absent")
    assert rows.columns["candidate"][8] == 1
    assert vectors[8, 0] == 21


def test_another_policy_costs_no_look_and_other_settings_are_refused(tmp_path: Path) -> None:
    corpus, looked = staged(*cast()), list[str]()
    run(tmp_path / "changed", corpus, Staged())
    assert run(tmp_path / "changed", corpus, Staged(absent_speaker="kept", looked=looked)).built
    assert not run(tmp_path / "changed", corpus, Staged(absent_speaker="kept", looked=looked)).built
    run(tmp_path / "afresh", corpus, Staged(absent_speaker="kept"))
    assert looked == []
    one, other = ((tmp_path / name / "audio.h5").read_bytes() for name in ("changed", "afresh"))
    assert one == other
    with pytest.raises(StoreError, match="version was '1', now '2'"):
        run(tmp_path / "changed", corpus, Staged(absent_speaker="kept", version="2"))


def test_corrected_names_are_looked_up_without_looking_at_a_clip(tmp_path: Path) -> None:
    names, shown = cast()
    wrong = ["Ann" if k == 8 else "Ben" if k == 5 else name for k, name in enumerate(names)]
    run(tmp_path / "corrected", staged(wrong, shown), Staged())
    looked: list[str] = []
    assert run(tmp_path / "corrected", staged(names, shown), Staged(looked=looked)).extracted == 0
    run(tmp_path / "afresh", staged(names, shown), Staged())
    assert looked == []
    one, other = ((tmp_path / name / "audio.h5").read_bytes() for name in ("corrected", "afresh"))
    assert one == other


def test_shards_limits_and_retries_end_in_the_bytes_of_one_run(tmp_path: Path) -> None:
    corpus = staged(*cast())
    run(tmp_path / "whole", corpus, Staged())
    run(tmp_path / "pieces", corpus, Staged(), limit=10)
    run(tmp_path / "pieces", corpus, Staged(), shard=Shard(2, 3))
    run(tmp_path / "pieces", corpus, Staged())
    looked: list[str] = []
    run(tmp_path / "pieces", corpus, Staged(looked=looked), retry_failed=True)
    assert looked == [corpus.clips[11].utterance.id]  # an absent speaker is no failure
    one, other = ((tmp_path / name / "audio.h5").read_bytes() for name in ("whole", "pieces"))
    assert one == other
