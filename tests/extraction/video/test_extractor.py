"""The whole extractor: on the demo corpus, on bad clips, and what its fingerprint covers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from extraction.extractor import LEFT_HALF, RIGHT_HALF, Extractor, MediaSpan, Outcome, Region
from extraction.video.extractor import LFNet3D
from extraction.video.faces.crops import crop_folder
from extraction.video.looking import OTHER_HALF_TALKS
from extraction.weights import Weights, vggface2
from summer.corpus import Status
from tests import media_factory
from tests.extraction.video.conftest import clip, portrait
from tests.places import DEMO

TRAIN = DEMO / "train_splits"
TWO_FACES = TRAIN / "dia2_utt4.mp4"
ONE_FACE = TRAIN / "dia0_utt0.mp4"
LEAST_COSINE_OF_HALVES = 0.999  # docs/performance.md


@pytest.fixture(scope="module")
def extractor(random_weights: Weights) -> LFNet3D:
    return LFNet3D(weights=random_weights)


def outcome(extractor: LFNet3D, path: Path, **options: Any) -> Outcome:
    return extractor([clip(path, **options)])[0]


def keyframes_of(path: Path) -> range:
    """Frames 0, 10, 20, ... of a clip, as OpenCV counts them."""
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return range(0, count, 10)


def test_it_is_an_extractor_and_declares_what_it_gives(extractor: LFNet3D) -> None:
    assert isinstance(extractor, Extractor)
    result = outcome(extractor, ONE_FACE)
    assert result.status is Status.OK
    assert result.vector is not None
    assert result.vector.shape == (extractor.dim,) == (1792,)
    assert result.vector.dtype == np.float32
    assert result.columns.keys() == extractor.columns.keys()
    assert result.columns["keyframes"] == result.columns["faces"] == len(keyframes_of(ONE_FACE))
    assert result.columns["tracks"] == 1
    assert result.columns["face_choice"] == "only face"
    assert 0.9 < float(result.columns["confidence"]) <= 1


def test_vectors_do_not_depend_on_neighbours_or_on_a_journey_to_a_worker(extractor: LFNet3D) -> None:
    alone = outcome(extractor, ONE_FACE).vector
    block = extractor([clip(TWO_FACES), clip(TRAIN / "dia8_utt3.mp4"), clip(ONE_FACE)])
    assert [each.status for each in block] == [Status.OK, Status.CORRUPT, Status.OK]
    travelled = outcome(pickle.loads(pickle.dumps(extractor)), ONE_FACE).vector
    assert alone is not None
    assert block[2].vector is not None
    assert travelled is not None
    assert alone.tobytes() == block[2].vector.tobytes() == travelled.tobytes()


def kept_boxes(folder: Path) -> list[Any]:
    return [cv2.imread(str(path)) for path in sorted(folder.rglob("*.png"))]


@pytest.mark.parametrize(
    ("rule", "audio", "says"),
    [
        ("talking", TWO_FACES, "talking, by motion and loudness: 2 of 2 tracks"),
        ("talking", None, "largest, no sound: 1 of 2 tracks"),
        ("largest", TWO_FACES, "largest: 1 of 2 tracks"),
        ("central", TWO_FACES, "central: "),
    ],
)
def test_whose_face_is_the_rule_that_was_asked_for(
    random_weights: Weights, tmp_path: Path, rule: Any, audio: Path | None, says: str
) -> None:
    extractor = LFNet3D(weights=random_weights, face_choice=rule, keep_crops=tmp_path)
    result = outcome(extractor, TWO_FACES, audio=audio)
    assert str(result.columns["face_choice"]).startswith(says)
    crops = kept_boxes(tmp_path)
    assert len(crops) == result.columns["faces"]
    # Mira, who speaks, is the Mona Lisa, in yellow; Theo, the larger, is almost without colour
    saturation = np.mean([cv2.cvtColor(each, cv2.COLOR_BGR2HSV)[..., 1].mean() for each in crops])
    if rule != "central":
        assert (saturation > 100) == says.startswith("talking")


@pytest.mark.parametrize(("half", "agrees"), [(RIGHT_HALF, True), (LEFT_HALF, False)])
def test_a_half_in_which_nobody_talks_gets_a_remark(
    random_weights: Weights, half: Region, agrees: bool
) -> None:
    """The Mona Lisa, on the right, talks."""
    whole = clip(TWO_FACES, audio=TWO_FACES)
    one = replace(whole, video=MediaSpan(path=TWO_FACES, region=half))
    result = LFNet3D(weights=random_weights)([one])[0]
    assert (result.reason == OTHER_HALF_TALKS) is not agrees
    assert (float(result.columns["talking_margin"]) > 0) is agrees
    by_size = LFNet3D(weights=random_weights, face_choice="largest")([one])[0]
    assert by_size.reason == ""
    assert by_size.vector is not None
    assert result.vector is not None
    assert by_size.vector.tobytes() == result.vector.tobytes()


def test_a_clip_without_a_face_says_in_how_many_keyframes_it_looked(extractor: LFNet3D) -> None:
    result = outcome(extractor, TRAIN / "dia7_utt3.mp4", remark="a landscape")
    assert result.status is Status.NO_FACE
    assert result.reason == "no face in any of 3 keyframes. a landscape"
    assert result.columns["keyframes"] == 3


def test_an_utterance_without_video_is_missing_with_the_corpus_remark(extractor: LFNet3D) -> None:
    gone = replace(clip(ONE_FACE, remark="dev dia110_utt7 is not in the archive"), video=None)
    assert extractor([gone])[0] == Outcome(
        status=Status.MISSING, reason="dev dia110_utt7 is not in the archive"
    )


def with_faces(path: Path, **options: Any) -> Path:
    faces = [cv2.resize(np.roll(portrait("collins"), k, axis=1), (320, 240)) for k in range(12)]
    picture = media_factory.Picture(frames=12, width=320, height=240, rgb=faces)
    return media_factory.write(path, picture=replace(picture, **options))


BAD_CLIPS: dict[str, tuple[Callable[[Path], Path], set[Status]]] = {
    "zero byte": (media_factory.zero_byte, {Status.CORRUPT}),
    "text": (media_factory.text_named_mp4, {Status.CORRUPT}),
    "cut off": (media_factory.cut_off, {Status.TRUNCATED, Status.CORRUPT}),
    "no video": (media_factory.no_video, {Status.NO_VIDEO}),
    "no audio, no face": (media_factory.no_audio, {Status.NO_FACE}),
    "absent": (lambda path: path, {Status.MISSING}),
    "change of size": (media_factory.change_of_size, {Status.NO_FACE}),
    "ten bit": (media_factory.ten_bit, {Status.NO_FACE}),
}


@pytest.mark.parametrize("kind", BAD_CLIPS)
def test_a_bad_clip_is_a_status_with_a_reason_never_an_exception(
    extractor: LFNet3D, tmp_path: Path, kind: str
) -> None:
    make, expected = BAD_CLIPS[kind]
    result = outcome(extractor, make(tmp_path / "clip.mp4"))
    assert result.status in expected
    assert result.reason
    assert result.vector is None


@pytest.mark.parametrize("frames", [1, 5])
def test_a_clip_of_one_or_five_frames_has_a_vector(extractor: LFNet3D, tmp_path: Path, frames: int) -> None:
    path = with_faces(
        tmp_path / "short.mp4",
        frames=frames,
        rgb=[cv2.resize(portrait("hopper"), (320, 360))] * frames,
        height=360,
    )
    result = outcome(extractor, path, audio=path)
    assert result.status is Status.OK
    assert result.columns["keyframes"] == 1


def test_ten_bit_pictures_of_faces_have_vectors(extractor: LFNet3D, tmp_path: Path) -> None:
    path = with_faces(tmp_path / "ten.mkv", codec="ffv1", pixel_format="yuv420p10le")
    assert outcome(extractor, path).status is Status.OK


def test_most_keyframes_bounds_the_work(random_weights: Weights, tmp_path: Path) -> None:
    path = with_faces(tmp_path / "faces.mp4")
    extractor = LFNet3D(weights=random_weights, keyframe_every=1, most_keyframes=5)
    assert outcome(extractor, path).columns["keyframes"] == 5


def test_keyframes_come_in_chunks_without_changing_the_choice(
    random_weights: Weights, extractor: LFNet3D
) -> None:
    chunked = LFNet3D(weights=random_weights, batch_size=2)
    one, other = (outcome(each, TWO_FACES, audio=TWO_FACES) for each in (extractor, chunked))
    assert one.columns["face_choice"].split(",")[0] == other.columns["face_choice"].split(",")[0]  # type: ignore[union-attr]
    assert one.vector is not None
    assert other.vector is not None
    assert np.linalg.norm(one.vector - other.vector) < 0.02 * np.linalg.norm(one.vector)


def test_crops_of_an_earlier_run_do_not_stay_beside_the_new_ones(
    random_weights: Weights, tmp_path: Path
) -> None:
    stale = tmp_path / "train" / "dia0_utt0" / "009990.png"
    stale.parent.mkdir(parents=True)
    stale.touch()
    outcome(LFNet3D(weights=random_weights, keep_crops=tmp_path), ONE_FACE, name="train/dia0_utt0")
    names = sorted(path.name for path in stale.parent.iterdir())
    assert names == [f"{index:06d}.png" for index in keyframes_of(ONE_FACE)]


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "a/../../x", ".", "..", "a//b", "tab\tand\\slash", "ünï"]
)
def test_an_odd_id_does_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    place = crop_folder(tmp_path, name)
    assert place.resolve().is_relative_to(tmp_path.resolve())
    assert ".." not in place.parts


@pytest.mark.parametrize("name", ["alice+bob/1", "a=b, c@d", "ünï/日本", "it's (so) & so~"])
def test_crops_of_an_id_lie_in_folders_of_its_own_name(tmp_path: Path, name: str) -> None:
    assert crop_folder(tmp_path, name) == tmp_path / name


def test_crops_of_different_ids_never_share_a_folder_and_those_of_old_are_found(tmp_path: Path) -> None:
    of_old = tmp_path / "train" / "alice%2Bbob"
    of_old.mkdir(parents=True)
    assert crop_folder(tmp_path, "train/alice+bob") == of_old
    assert crop_folder(tmp_path, "train/alice%2Bbob") != of_old
    (tmp_path / "train" / "alice+bob").mkdir()
    assert crop_folder(tmp_path, "train/alice+bob") == tmp_path / "train" / "alice+bob"


def test_the_fingerprint_covers_what_changes_vectors_and_nothing_else(
    random_weights: Weights, tmp_path: Path
) -> None:
    base = LFNet3D(weights=random_weights)
    changed: list[dict[str, Any]] = [
        {"backbone": "r3d_18"},
        {"layer": "repeat_2"},
        {"over_time": "mean-and-deviation"},
        {"layer": "repeat_2", "over_time": "mean-and-deviation"},
        {"weights": replace(random_weights, sha256="1" * 64)},
        {"face_choice": "largest"},
        {"keyframe_every": 5},
        {"most_keyframes": 64},
    ]
    fingerprints = [LFNet3D(**({"weights": random_weights} | options)).fingerprint for options in changed]
    assert len({base.fingerprint, *fingerprints}) == len(changed) + 1
    same = LFNet3D(weights=random_weights, device="cuda", batch_size=3, keep_crops=tmp_path)
    assert same.fingerprint == base.fingerprint


@pytest.mark.parametrize(
    ("layer", "over_time", "dim"),
    [
        ("repeat_2", "mean", 896),
        ("repeat_2", "mean-and-deviation", 1792),
        ("block8", "mean-and-deviation", 3584),
    ],
)
def test_the_width_follows_layer_and_mean(
    random_weights: Weights, layer: str, over_time: str, dim: int
) -> None:
    extractor = LFNet3D(weights=random_weights, layer=layer, over_time=over_time)
    vector = outcome(extractor, ONE_FACE).vector
    assert vector is not None
    assert vector.shape == (extractor.dim,) == (dim,)


def test_the_default_has_the_fingerprint_of_stores_that_name_neither(random_weights: Weights) -> None:
    settings = LFNet3D(weights=random_weights).settings
    assert not {"layer", "over_time"} & settings.keys()


def test_it_names_the_given_weights_or_else_the_backbone(random_weights: Weights) -> None:
    assert LFNet3D(weights=random_weights).assets == {"backbone": "inception_resnet_v1"}
    given = replace(random_weights, name="faces/mine.pt")
    assert LFNet3D(weights=given).assets == {"backbone": "faces/mine.pt"}
    assert LFNet3D(weights=given).fingerprint == LFNet3D(weights=random_weights).fingerprint


@pytest.mark.parametrize(
    "options",
    [
        {"backbone": "vgg"},
        {"layer": "block9"},
        {"layer": "repeat_2", "backbone": "r3d_18"},
        {"over_time": "median"},
        {"over_time": "mean-and-deviation", "backbone": "r3d_18"},
        {"face_choice": "loudest"},
        {"keyframe_every": 0},
        {"most_keyframes": 0},
        {"batch_size": 0},
    ],
)
def test_an_option_out_of_range_is_refused_by_name_and_value(
    random_weights: Weights, options: dict[str, Any]
) -> None:
    (name, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        LFNet3D(weights=random_weights, **options)


def test_half_the_width_changes_the_vector_a_little_and_whose_face_not_at_all(
    extractor: LFNet3D, random_weights: Weights
) -> None:
    half = LFNet3D(weights=random_weights, bfloat16=True)
    assert half.fingerprint != extractor.fingerprint
    whole, narrow = outcome(extractor, TWO_FACES), outcome(half, TWO_FACES)
    assert whole.vector is not None
    assert narrow.vector is not None
    assert narrow.columns == whole.columns
    assert narrow.vector.dtype == np.float32
    assert not np.array_equal(narrow.vector, whole.vector)
    cosine = whole.vector @ narrow.vector / np.linalg.norm(whole.vector) / np.linalg.norm(narrow.vector)
    assert cosine > LEAST_COSINE_OF_HALVES


@pytest.mark.weights
def test_half_the_width_is_as_near_as_the_docs_say() -> None:
    published = vggface2()
    whole = outcome(LFNet3D(weights=published), TWO_FACES).vector
    half = outcome(LFNet3D(weights=published, bfloat16=True), TWO_FACES).vector
    assert whole is not None
    assert half is not None
    assert whole @ half / np.linalg.norm(whole) / np.linalg.norm(half) > LEAST_COSINE_OF_HALVES
