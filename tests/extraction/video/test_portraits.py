"""A corpus of portraits with known truth: names find faces where nobody's mouth moves.

Eight people, of the demo corpus' portraits and of the shared clips, stand still two by two, shaded and
turned. In a part of the clips the named speaker is not in the picture, as where a cut is wrong or the camera
is on the listeners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.engines import InProcess
from extraction.extractor import MediaSpan
from extraction.plan import Job
from extraction.run import extract
from extraction.video.by_speaker import BySpeaker
from extraction.weights import Weights, WeightsUnavailable, vggface2
from summer.corpus import Status
from summer.store import FeatureStore
from tests.extraction.fake import corpus_of
from tests.extraction.video.conftest import portrait
from tests.extraction.video.faces.side_by_side import BYSTANDERS, HEIGHT, WIDTH, pictures
from tests.media_factory import Picture, Sound, write

pytestmark = [pytest.mark.real, pytest.mark.weights, pytest.mark.slow]
CLIPS, FRAMES = 80, 11
ABSENT = 0.2
PORTRAITS = ("collins", "hopper", "mona_lisa")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip: who is named, and who is in its halves."""

    path: Path
    speaker: str
    shown: tuple[str, str]

    @property
    def place(self) -> int:
        """Half of the speaker; -1 where they are absent."""
        return self.shown.index(self.speaker) if self.speaker in self.shown else -1


def stills(media: Path) -> dict[str, NDArray[np.uint8]]:
    """A half picture of each person."""
    shared = {b.name: pictures(media / f"{b.name}.mp4", b)[20] for b in BYSTANDERS}
    shared["crema"] = pictures(media / "crema_d" / "1001_DFA_NEU_XX.flv")[10]
    return {**{name: fitted(portrait(name)) for name in PORTRAITS}, **shared}


def fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = HEIGHT / len(picture)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:, :WIDTH]
    sides = WIDTH - small.shape[1]
    return np.pad(small, ((0, 0), (sides // 2, sides - sides // 2), (0, 0)), mode="edge")


def scenes(media: Path, folder: Path) -> list[Scene]:
    random, people = np.random.default_rng(0), stills(media)
    made = []
    for number in range(CLIPS):
        speaker, *others = (str(name) for name in random.permutation(list(people))[:3])
        shown = others if random.random() < ABSENT else [speaker, others[0]]
        one, other = (str(name) for name in random.permutation(shown))
        halves = np.hstack([changed(people[name], random) for name in (one, other)])
        picture = Picture(rgb=[halves] * FRAMES, frames=FRAMES, width=2 * WIDTH, height=HEIGHT)
        path = write(folder / f"{number}.mp4", picture=picture, sound=Sound(seconds=FRAMES / 25))
        made.append(Scene(path=path, speaker=speaker, shown=(one, other)))
    return made


def changed(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    middle, angle = (WIDTH / 2, HEIGHT / 2), float(random.uniform(-8, 8))
    matrix = cv2.getRotationMatrix2D(middle, angle, float(random.uniform(0.85, 1.0)))
    turned = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return (turned * random.uniform(0.6, 1.0) + random.uniform(0, 20)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def made(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    return scenes(shared / "media", tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def network() -> Weights:
    try:
        return vggface2()
    except WeightsUnavailable as reason:
        pytest.skip(f"no VGGFace2 weights: {reason}")


@pytest.fixture(scope="module")
def looked_at(made: list[Scene], network: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of all clips."""
    corpus, folder = corpus_of(["said"] * len(made)), tmp_path_factory.mktemp("stores")
    clips = [
        replace(
            clip,
            utterance=replace(clip.utterance, speaker=scene.speaker),
            video=MediaSpan(path=scene.path),
            audio=MediaSpan(path=scene.path),
        )
        for clip, scene in zip(corpus.clips, made, strict=True)
    ]
    job = Job(corpus=replace(corpus, clips=tuple(clips)), extractor=BySpeaker(weights=network), folder=folder)
    extract(job, InProcess(), reduction=None, on_progress=lambda _: None)
    return job.store


def test_names_choose_where_talking_says_nothing(made: list[Scene], looked_at: Path) -> None:
    with FeatureStore(looked_at) as store:
        rows, kept = store.rows, store.candidates
    assert kept is not None
    right = by_talking = absent_found = 0
    for row, scene in enumerate(made):
        is_absent, x = rows.statuses[row] is Status.SPEAKER_ABSENT, float(rows.columns["face_x"][row])
        own = kept.of(row)
        talker = float(kept.facts["face_x"][own][kept.facts["talks"][own].argmax()])
        if scene.place < 0:
            absent_found += is_absent
        else:
            right += not is_absent and (x > 0.5) == scene.place
            by_talking += (talker > 0.5) == scene.place
    present = sum(scene.place >= 0 for scene in made)
    assert right >= 0.95 * present
    assert by_talking < 0.75 * present
    assert absent_found >= 0.9 * (CLIPS - present) > 5


def test_an_absent_speaker_may_keep_a_face(looked_at: Path, network: Weights) -> None:
    with FeatureStore(looked_at) as store:
        rows, kept = store.rows, store.candidates
    assert kept is not None
    again, vectors = BySpeaker(weights=network, absent_speaker="kept").choose_again(rows, kept)
    absent = [row for row, status in enumerate(rows.statuses) if status is Status.SPEAKER_ABSENT]
    assert {again.statuses[row] for row in absent} == {Status.OK}
    assert all(again.reasons[row].startswith("speaker absent") for row in absent)
    assert all(vectors[row].any() for row in absent)
