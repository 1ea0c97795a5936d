"""A folder per person, as odd as the world is: what is aligned, what is skipped, what is held out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.video.clips.labelled import ClipsError, LabelledClips
from extraction.video.clips.people import People, Person, align_people, pictures_of
from extraction.video.faces.detection import Face
from extraction.video.network.backbones import load_detector
from tests.extraction.video.conftest import portrait


def write(path: Path, picture: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return path


def face_at(x: float, y: float, size: float) -> Face:
    landmarks = np.array([(0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    return Face(
        box=np.array([x, y, x + size, y + size], dtype=np.float32),
        landmarks=(landmarks * size + (x, y)).astype(np.float32),
        confidence=0.9,
    )


class Detector:
    """Finds one face in every picture that is not black, and counts."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        self.seen += len(pictures)
        return [[face_at(10, 10, 60)] if picture.any() else [] for picture in pictures]


def grey(value: int) -> NDArray[np.uint8]:
    return np.full((80, 80, 3), value, dtype=np.uint8)


def aligned(root: Path, out: Path, detect: Any = None, most: int = 64) -> list[Person]:
    return align_people(root, out, detect=detect or Detector(), most_pictures=most)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """Two people and their troubles."""
    root = tmp_path / "a VGGFace2"
    for k in range(12):
        write(root / "n000001" / f"{k:04d}_01.jpg", grey(20 + 10 * k))
    whole = write(root / "n000002" / "0001_01.png", portrait("hopper")).read_bytes()
    write(root / "n000002" / "0002_01.JPG", grey(200))
    (root / "n000002" / "0003_cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "n000002" / "0004_empty.jpg").write_bytes(b"")
    (root / "n000002" / "0005_text.jpg").write_text("not a picture")
    write(root / "n000002" / "0006_black.png", grey(0))
    (root / "n000002" / "._0007.jpg").write_bytes(b"AppleDouble")
    (root / "n000002" / "notes.txt").write_text("no picture")
    write(root / "n000003" / "only.jpg", grey(90))
    (root / "empty").mkdir()
    (root / "readme.txt").write_text("a file beside the persons")
    return root


def test_a_second_run_at_the_same_folder_is_refused_at_once(root: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    class InCompany(Detector):
        def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
            if not refused:
                with pytest.raises(ClipsError, match="another run is aligning the faces in .*out") as error:
                    aligned(root, tmp_path / "out")
                refused.append(str(error.value))
            return super().__call__(pictures)

    aligned(root, tmp_path / "out", InCompany())
    assert f"(process {os.getpid()} on " in refused[0]


def test_what_a_kill_left_aside_of_a_person_goes(root: Path, tmp_path: Path) -> None:
    left = tmp_path / "out" / "n000001" / ".0001_01.jpg.png.17.tmp"
    left.parent.mkdir(parents=True)
    left.touch()
    aligned(root, tmp_path / "out")
    assert not left.exists()


def test_damaged_pictures_are_skipped_by_name_with_the_reason(root: Path, tmp_path: Path) -> None:
    one, two, three = aligned(root, tmp_path / "out")
    assert (one.name, len(one.crops), one.skipped) == ("n000001", 12, ())
    assert [path.name for path in two.crops] == ["0001_01.png.png", "0002_01.JPG.png"]
    reasons = dict(two.skipped)
    assert list(reasons) == ["0003_cut.png", "0004_empty.jpg", "0005_text.jpg", "0006_black.png"]
    assert reasons.pop("0006_black.png") == "no face found"
    assert all(why.startswith("cannot be read (") for why in reasons.values())
    people = People([one, two, three], frames=4)
    assert people.classes == ("n000001", "n000002")
    assert people.too_few == ["n000003"]
    assert people.counts["pictures skipped"] == 4
    assert people.counts["persons with too few pictures"] == 1


def test_what_is_held_out_is_never_trained_on(root: Path, tmp_path: Path) -> None:
    people = People(aligned(root, tmp_path / "out"), frames=4)
    assert isinstance(people, LabelledClips)
    held_out = {path for clip in people.dev for path in clip.crops}
    assert len(held_out) == 2  # one in ten of twelve, one of two
    epochs = [people.of_epoch(np.random.default_rng([0, epoch]), frames=4) for epoch in (1, 2, 1)]
    for clips in epochs:
        trained_on = [path for clip in clips for path in clip.crops]
        assert len(trained_on) == len(set(trained_on)) == 12
        assert not held_out & set(trained_on)
        assert all(path.parent.name == people.classes[clip.label] for clip in clips for path in clip.crops)
        assert sorted(len(clip.crops) for clip in clips) == [1, 3, 4, 4]
    assert epochs[0] != epochs[1]
    assert epochs[0] == epochs[2]
    assert len({clip.mirrored for clips in epochs for clip in clips}) == 2


def test_a_clip_is_read_in_order_and_mirrored_as_a_whole(root: Path, tmp_path: Path) -> None:
    person = aligned(root, tmp_path / "out")[1]
    clip = People(aligned(root, tmp_path / "out"), frames=2).dev[-1]
    clip = replace(clip, crops=person.crops)
    crops, mirrored = clip.read(), replace(clip, mirrored=True).read()
    assert crops.shape == (2, 160, 160, 3)
    assert np.array_equal(mirrored, crops[:, :, ::-1])
    assert abs(int(crops[1].mean()) - 200) < 3


def test_a_kill_costs_the_person_under_way_and_no_other(root: Path, tmp_path: Path) -> None:
    class Killing(Detector):
        def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
            if self.seen == 13:
                raise KeyboardInterrupt
            return super().__call__(pictures)

    with pytest.raises(KeyboardInterrupt):
        aligned(root, tmp_path / "out", Killing())
    again = Detector()
    people = aligned(root, tmp_path / "out", again)
    assert again.seen == 4  # of the second person three that can be opened, and the third's one
    assert people == aligned(root, tmp_path / "out", Detector())
    unbroken = aligned(root, tmp_path / "unbroken")
    for one, other in zip(people, unbroken, strict=True):
        assert [path.read_bytes() for path in one.crops] == [path.read_bytes() for path in other.crops]


def test_a_changed_folder_or_lost_crop_is_aligned_again(root: Path, tmp_path: Path) -> None:
    before = aligned(root, tmp_path / "out")
    write(root / "n000003" / "second.jpg", grey(120))
    before[0].crops[3].unlink()
    (before[1].crops[0].parent / "person.json").write_text(json.dumps({"pictures": 3}))
    detector = Detector()
    after = aligned(root, tmp_path / "out", detector)
    assert detector.seen == 12 + 3 + 2
    assert len(after[2].crops) == 2
    assert People(after, frames=4).content != People(before[:2], frames=4).content


def test_of_many_pictures_some_are_taken_evenly_spread(root: Path) -> None:
    chosen = pictures_of(root, most=3)["n000001"]
    assert [path.name for path in chosen] == ["0000_01.jpg", "0006_01.jpg", "0011_01.jpg"]


def test_of_several_faces_the_large_and_central_one_is_taken(tmp_path: Path) -> None:
    picture = grey(250)
    picture[:40] = 10
    for name in ("a", "b"):
        for k in range(2):
            write(tmp_path / "root" / name / f"{k}.png", picture)

    def detect(pictures: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        return [[face_at(0, 0, 30), face_at(28, 45, 28)] for _ in pictures]

    crop = People(aligned(tmp_path / "root", tmp_path / "out", detect), frames=1).dev[0].read()
    assert crop[0, 60:].mean() > 200  # the larger one, in the dark, is in a corner


def test_the_real_detector_aligns_a_portrait_upright(tmp_path: Path) -> None:
    for name in ("collins", "hopper"):
        for k in range(2):
            write(tmp_path / "root" / name / f"{k}.jpg", portrait(name))
    people = aligned(tmp_path / "root", tmp_path / "out", load_detector("cpu"))
    assert [len(person.crops) for person in people] == [2, 2]
    faces = load_detector("cpu")([People(people, frames=1).dev[0].read()[0]])[0]
    assert faces
    left, right = faces[0].landmarks[:2]
    assert abs(left[1] - right[1]) < 4


@pytest.mark.parametrize("kind", ["absent", "a file", "pictures, but no folders", "one person"])
def test_a_root_that_cannot_be_tuned_on_says_what_is_wanted(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    if kind == "a file":
        root.write_text("x")
    if kind == "pictures, but no folders":
        write(root / "a.jpg", grey(9))
    if kind == "one person":
        for k in range(3):
            write(root / "ann" / f"{k}.jpg", grey(9 + k))
    with pytest.raises(ClipsError, match="folder"):
        People(aligned(root, tmp_path / "out"), frames=2)
