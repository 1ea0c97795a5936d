"""Speakers' faces learned from who is named: on made-up embeddings, and on portraits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.video.faces.alignment import aligned_crop, crop_matrix
from extraction.video.faces.identity import ALONE, LEAST_CLIPS, Faces, Person, learn, recognise
from extraction.video.network.backbones import load_backbone, load_detector
from extraction.weights import WeightsUnavailable, vggface2
from tests.extraction.video.conftest import portrait

DIM = 64
NAMES = ("Ann", "Ben", "Cid", "Dot", "Eve", "Fay")


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """A generated corpus; `truth` is the speaker's candidate in each clip, -1 where they are absent."""

    faces: Faces
    names: list[str]
    truth: list[int]

    def clip(self, number: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.faces.clip == number)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    unit_vectors: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(
        np.float32
    )
    return unit_vectors


def scenes(*, clips: int = 300, absent: float = 0.15, hears: float = 0.3, seed: int = 0) -> Scenes:
    """Six people in pairs, who mostly talk to their partner, and two who are never named.

    Args:
        absent: share of clips that do not show who speaks.
        hears: how much surer the judge of talking is of the speaker than of the others; its errors are 0.3.
    """
    random = np.random.default_rng(seed)
    people = unit(random.standard_normal((len(NAMES) + 2, DIM)))
    clip, rows, talking, names, truth = [], [], [], [], []
    for number in range(clips):
        speaker = int(random.integers(len(NAMES)))
        partner = (speaker ^ 1) if random.random() < 0.7 else int(random.integers(len(people)))
        shown = [] if random.random() < absent else [speaker]
        shown += [partner] if partner != speaker and (random.random() < 0.8 or not shown) else []
        shown = [int(p) for p in random.permutation(shown or [len(people) - 1])]
        names.append(NAMES[speaker])
        truth.append(shown.index(speaker) if speaker in shown else -1)
        for person in shown:
            clip.append(number)
            rows.append(unit(people[person] + 0.07 * random.standard_normal(DIM)))
            sure = 0.4 + (hears if person == speaker else 0.0) + 0.3 * random.standard_normal()
            talking.append(np.nan if len(shown) == 1 else float(np.clip(sure, 0.01, 0.99)))
    return Scenes(
        faces=Faces(clip=np.array(clip), embeddings=np.stack(rows), talking=np.array(talking)),
        names=names,
        truth=truth,
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_names_find_their_faces_where_talking_alone_is_often_wrong(seed: int) -> None:
    made = scenes(seed=seed)
    people, weights = learn(made.faces, made.names), made.faces.weights()
    assert set(people) == set(NAMES)
    by_name = by_talking = of_several = 0
    for number, truth in enumerate(made.truth):
        own = made.clip(number)
        found = recognise(people[made.names[number]], made.faces.embeddings[own], weights[own])
        assert (found.margin >= 0) == (truth >= 0)  # absent speakers are found to be absent, and no others
        if truth >= 0 and len(own) > 1:
            of_several += 1
            by_name += found.candidate == truth
            by_talking += int(weights[own].argmax()) == truth
    assert of_several > 80
    assert by_name == of_several
    assert by_talking < 0.9 * of_several


def test_wrong_cuts_do_not_spoil_what_is_learned() -> None:
    made, random = scenes(), np.random.default_rng(5)
    wrong = random.random(len(made.names)) < 0.15
    shuffled = [
        str(random.choice(NAMES)) if is_wrong else n for n, is_wrong in zip(made.names, wrong, strict=True)
    ]
    people, clean = learn(made.faces, shuffled), learn(made.faces, made.names)
    assert set(people) == set(NAMES)
    for name in NAMES:
        assert np.linalg.norm(people[name].prototype - clean[name].prototype) < 0.15


def test_a_name_of_few_clips_or_of_nobody_in_particular_has_no_face() -> None:
    made = scenes()
    of_ann = [k for k, name in enumerate(made.names) if name == "Ann"][: LEAST_CLIPS - 1]
    rare = ["Guest" if k in of_ann else name for k, name in enumerate(made.names)]
    anybody = ["All" if k % 4 == 0 else name for k, name in enumerate(rare)]
    people = learn(made.faces, anybody)
    assert set(NAMES) <= set(people)
    assert "Guest" not in people
    assert "All" not in people
    assert learn(made.faces, [""] * len(made.names)) == {}
    nothing = Faces(
        clip=np.zeros(0, np.int64), embeddings=np.zeros((0, DIM), np.float32), talking=np.zeros(0)
    )
    assert learn(nothing, ["Ann"] * 9) == {}


def test_of_two_names_with_one_face_the_surer_keeps_it() -> None:
    made = scenes()
    halves = [f"{name} {k % 5 == 0}" if name == "Ann" else name for k, name in enumerate(made.names)]
    found = [name for name in learn(made.faces, halves) if name.startswith("Ann")]
    assert len(found) == 1


def test_what_is_learned_hardly_depends_on_the_order_of_clips() -> None:
    made = scenes()
    back = np.arange(len(made.faces.clip))[::-1]
    turned = Faces(
        clip=len(made.names) - 1 - made.faces.clip[back],
        embeddings=made.faces.embeddings[back],
        talking=made.faces.talking[back],
    )
    one, other = learn(made.faces, made.names), learn(turned, made.names[::-1])
    for name in NAMES:
        assert np.linalg.norm(one[name].prototype - other[name].prototype) < 0.15


def test_weights_are_shares_of_the_talking_of_a_clip() -> None:
    faces = Faces(
        clip=np.array([0, 1, 1, 2, 2, 3, 3]),
        embeddings=np.zeros((7, DIM), dtype=np.float32),
        talking=np.array([np.nan, 0.6, 0.2, np.nan, np.nan, 0.0, 0.0]),
    )
    np.testing.assert_allclose(faces.weights(), [ALONE, 0.75, 0.25, 0.5, 0.5, 0.5, 0.5])


def test_talking_decides_between_two_faces_that_are_equally_near() -> None:
    prototype = unit(np.eye(3)[0] * 1.0)
    person = Person(prototype=prototype, recurrence=1.0, clips=9)
    faces = unit(np.array([[1.0, 0.2, 0.0], [1.0, 0.0, 0.2], [0.0, 1.0, 0.0]]))
    found = recognise(person, faces, np.array([0.1, 0.6, 0.3]))
    assert found.candidate == 1
    assert found.lead == pytest.approx(np.log(0.6 / 0.4) - np.log(0.1 / 0.9), rel=1e-3)
    alone = recognise(person, faces[2:], np.array([ALONE]))
    assert alone.margin == pytest.approx(1 - np.sqrt(2))


@pytest.mark.weights
def test_three_people_are_known_again_by_their_portraits() -> None:
    """Each portrait turned, shaded and blurred stands for its person in 8 clips beside somebody else."""
    try:
        backbone = load_backbone("inception_resnet_v1", vggface2(), "cpu")
    except WeightsUnavailable as reason:
        pytest.skip(f"no VGGFace2 weights: {reason}")
    random, people = np.random.default_rng(0), ("collins", "hopper", "mona_lisa")
    crops = {
        name: aligned_crop(picture, crop_matrix(load_detector("cpu")([picture])[0][0].landmarks))
        for name, picture in ((name, portrait(name)) for name in people)
    }
    clip, pictures, names, truth = [], [], [], []
    for number in range(24):
        speaker, other = people[number % 3], people[(number + 1 + number // 12) % 3]
        shown = [speaker, other] if random.random() < 0.5 else [other, speaker]
        names.append(speaker)
        truth.append(shown.index(speaker))
        clip += [number, number]
        pictures += [changed(crops[name], random) for name in shown]
    deaf = np.full(len(clip), np.nan)
    faces = Faces(clip=np.array(clip), embeddings=backbone.embed(np.stack(pictures)), talking=deaf)
    known, weights = learn(faces, names), faces.weights()
    assert set(known) == set(people)
    for number, name in enumerate(names):
        own = np.flatnonzero(faces.clip == number)
        found = recognise(known[name], faces.embeddings[own], weights[own])
        assert found.candidate == truth[number]
        assert found.margin > 0
        assert recognise(known[name], faces.embeddings[own[[1 - truth[number]]]], weights[:1]).margin < 0


def changed(crop: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    matrix = cv2.getRotationMatrix2D(
        (80, 80), float(random.uniform(-12, 12)), float(random.uniform(0.95, 1.1))
    )
    turned = cv2.warpAffine(crop, matrix, (160, 160), borderMode=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(turned, (0, 0), float(random.uniform(0.3, 1.5)))
    shaded = blurred * random.uniform(0.7, 1.1) + random.uniform(-10, 10)
    return shaded.clip(0, 255).astype(np.uint8)
