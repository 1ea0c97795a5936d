"""Real weights and real clips: who is who, what the usual loop finds, where the camera cuts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from extraction.extractor import MediaSpan
from extraction.media import read_keyframes
from extraction.video.extractor import LFNet3D
from extraction.video.faces.alignment import aligned_crop, crop_matrix
from extraction.video.faces.tracks import overlap
from extraction.video.network.backbones import load_backbone, load_detector
from extraction.weights import Weights, WeightsUnavailable, vggface2
from tests import media_factory
from tests.extraction.video.conftest import clip, portrait, turned
from tests.places import DEMO


@pytest.fixture(scope="module")
def trained() -> Weights:
    try:
        return vggface2()
    except WeightsUnavailable as reason:
        pytest.skip(f"no VGGFace2 weights: {reason}")


def aligned(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return aligned_crop(picture, crop_matrix(load_detector("cpu")([picture])[0][0].landmarks))


@pytest.mark.weights
def test_a_turned_face_is_nearer_to_itself_than_to_any_other_person(trained: Weights) -> None:
    people = ["collins", "hopper", "mona_lisa"]
    crops = [aligned(turned(portrait(name), degrees)[0]) for name in people for degrees in (0, 20, -15)]
    vectors = load_backbone("inception_resnet_v1", trained, "cpu").embed(np.stack(crops))
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    same = np.kron(np.eye(3), np.ones((3, 3))).astype(bool)
    assert distance[same].max() < 0.8
    assert distance[~same].min() > 1.1


@pytest.mark.weights
def test_the_vector_depends_on_which_face_follows_which(trained: Weights) -> None:
    backbone = load_backbone("inception_resnet_v1", trained, "cpu")
    crops = np.stack([aligned(turned(portrait("hopper"), degrees)[0]) for degrees in (-20, -10, 0, 10, 20)])
    vector, shuffled = backbone.vector(crops), backbone.vector(crops[[2, 0, 4, 1, 3]])
    assert np.linalg.norm(vector - shuffled) > 1e-3 * np.linalg.norm(vector)
    assert np.array_equal(vector, backbone.vector(crops))


@pytest.mark.real
@pytest.mark.slow
def test_the_face_is_found_where_the_usual_loop_finds_it(shared: Path) -> None:
    media = shared / "media"
    clips = [
        media / "pyfeat_single_face.mp4",
        *sorted(media.glob("crema_d/*.flv")),
        media / "short_hamilton_clip.mp4",
    ]
    theirs, detect = MTCNN(), load_detector("cpu")
    faces = found = 0
    for path in clips:
        for frames in read_keyframes(MediaSpan(path=path), most=256):
            for frame, ours in zip(frames, detect([frame.rgb for frame in frames]), strict=True):
                boxes, _ = theirs.detect(frame.rgb)
                if boxes is not None:
                    faces += 1
                    found += any(overlap(np.float32(boxes[0].tolist()), own.box) > 0.5 for own in ours)
    assert faces > 60
    assert found >= 0.98 * faces


@pytest.mark.real
def test_a_face_in_oblong_pixels_is_found_in_its_own_proportions(shared: Path, tmp_path: Path) -> None:
    """The same pictures squeezed to 9/16 of their height; unheeded, that is a face 1.78 times too wide."""
    span = MediaSpan(path=shared / "media" / "pyfeat_single_face.mp4")
    pictures = [frame.rgb[:352] for frames in read_keyframes(span, most=99) for frame in frames]
    squeezed = [cv2.resize(rgb, (640, 198), interpolation=cv2.INTER_AREA) for rgb in pictures]
    clip_of_them = media_factory.Picture(
        frames=len(pictures),
        width=640,
        height=198,
        rgb=[np.asarray(rgb, dtype=np.uint8) for rgb in squeezed],
        pixel_aspect=Fraction(9, 16),
    )
    path = media_factory.write(tmp_path / "a.mp4", picture=clip_of_them)
    read = [
        frame.rgb for frames in read_keyframes(MediaSpan(path=path), every=1, most=99) for frame in frames
    ]
    assert {rgb.shape for rgb in read} == {(352, 640, 3)}
    detect = load_detector("cpu")
    expected, found = detect(pictures), detect(read)
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    assert sum(map(len, found)) >= 8
    for theirs, ours in zip(expected, found, strict=True):
        assert all(overlap(one.box, other.box) > 0.8 for one, other in zip(theirs, ours, strict=True))


@pytest.mark.real
@pytest.mark.weights
def test_a_singer_is_one_track_across_cuts(shared: Path, trained: Weights, tmp_path: Path) -> None:
    """Keyframes 0 to 1 and 9 to 21 show the singer, 2 to 8 a pianist, 22 to 27 the audience."""
    path = shared / "media" / "short_hamilton_clip.mp4"
    outcome = LFNet3D(weights=trained, keep_crops=tmp_path)([clip(path, audio=path)])[0]
    chosen = {int(crop.stem) // 10 for crop in tmp_path.rglob("*.png")}
    assert str(outcome.columns["face_choice"]).startswith("talking")
    assert chosen <= {0, 1, *range(9, 22)}
    assert len(chosen) >= 13
    assert chosen & {0, 1}


@pytest.mark.gpu
@pytest.mark.weights
def test_cuda_gives_the_vectors_of_the_cpu(trained: Weights) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    clips = [clip(path) for path in sorted((DEMO / "dev_splits_complete").glob("*.mp4"))[:4]]
    for on_cpu, on_cuda in zip(
        LFNet3D(weights=trained)(clips), LFNet3D(weights=trained, device="cuda")(clips), strict=True
    ):
        assert on_cpu.status is on_cuda.status
        assert on_cpu.vector is not None
        assert on_cuda.vector is not None
        assert np.linalg.norm(on_cpu.vector - on_cuda.vector) < 1e-3 * np.linalg.norm(on_cpu.vector)
