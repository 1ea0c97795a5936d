"""Spans of several pieces: one film to whoever reads them, whatever files they lie in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from extraction.audio import ComParE
from extraction.extractor import LEFT_HALF, Clip, MediaSpan
from extraction.media import Frame, MediaError, read_grey_frames, read_keyframes, read_pcm
from extraction.media.pieces import SEAM_SECONDS
from extraction.video.faces.detection import Face
from extraction.video.faces.sightings import gather
from summer.corpus import Dialogue, Split, Status, Utterance
from tests import media_factory
from tests.media_factory import Picture, Sound, frame_number

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 50 frames at 25 a second with tones, and one of another size without sound."""
    made = tmp_path_factory.mktemp("clips")
    options = {"g": "12", "bf": "2"}
    for name, hertz in (("a.mp4", 500.0), ("b.mp4", 1500.0)):
        sound = Sound(seconds=2.0, hertz=(hertz,))
        media_factory.write(made / name, picture=Picture(frames=50, options=options), sound=sound)
    media_factory.write(made / "large.mp4", picture=Picture(frames=50, width=96, height=64))
    return made


def span(*pieces: MediaSpan) -> MediaSpan:
    return replace(pieces[0], then=pieces[1:])


def piece(path: Path, start: float, end: float | None, **more: object) -> MediaSpan:
    return MediaSpan(path=path, start_seconds=start, end_seconds=end, **more)  # type: ignore[arg-type]


def frames_of(span: MediaSpan, **options: int | bool) -> list[Frame]:
    chunks: Iterator[list[Frame]] = read_keyframes(span, **{"most": 1000, **options})  # type: ignore[arg-type]
    return [frame for chunk in chunks for frame in chunk]


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [frame_number(frame.rgb) for frame in frames]


def test_keyframes_are_every_tenth_of_all_pieces_and_their_times_go_on(folder: Path) -> None:
    frames = frames_of(span(piece(folder / "a.mp4", 0.4, 1.2), piece(folder / "b.mp4", 0.2, 0.68)))
    assert numbers(frames) == [10, 20, 5, 15]
    assert [frame.index for frame in frames] == [0, 10, 20, 30]
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 0.4, 0.8, 1.2])
    assert [frame.after_cut for frame in frames] == [False, False, True, False]


def test_a_piece_between_two_keyframes_has_none(folder: Path) -> None:
    short = [piece(folder / name, 0.0, 0.12) for name in ("a.mp4", "b.mp4", "a.mp4", "b.mp4", "a.mp4")]
    frames = frames_of(span(*short))  # three frames each
    assert numbers(frames) == [0, 1]
    assert [(frame.index, frame.after_cut) for frame in frames] == [(0, False), (10, True)]
    assert frames[1].seconds == pytest.approx(0.12 * 3 + 0.04)


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 49), min_size=1, max_size=4), most=st.integers(1, 6))
def test_a_film_in_pieces_side_by_side_is_the_film(folder: Path, cuts: set[int], most: int) -> None:
    edges = [0, *sorted(cuts), 50]
    path = folder / "a.mp4"
    parts = [piece(path, start / 25, end / 25) for start, end in pairwise(edges)]
    whole, told = frames_of(MediaSpan(path=path), most=most), frames_of(span(*parts), most=most)
    assert [frame.index for frame in told] == [frame.index for frame in whole]
    for one, other in zip(whole, told, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        assert other.seconds == pytest.approx(one.seconds)


@pytest.mark.parametrize("count", [1, 3])
def test_all_pictures_have_the_indices_and_times_of_the_keyframes(folder: Path, count: int) -> None:
    pieces = [piece(folder / name, 0.2, 0.68, region=LEFT_HALF) for name in ("a.mp4", "b.mp4", "a.mp4")]
    clip = span(*pieces[:count])
    pictures = list(read_grey_frames(clip))
    assert [picture.index for picture in pictures] == list(range(12 * count))
    of_index = {picture.index: picture for picture in pictures}
    for frame in frames_of(clip, every=5):
        picture = of_index[frame.index]
        assert picture.seconds == pytest.approx(frame.seconds)
        assert picture.luma.shape == frame.rgb.shape[:2] == (48, 32)
        assert np.abs(picture.luma.astype(float) - frame.rgb.mean(axis=2)).mean() < 20


def test_the_picture_after_a_keyframe_is_of_its_own_piece(folder: Path) -> None:
    two = span(piece(folder / "a.mp4", 0.0, 0.44), piece(folder / "b.mp4", 0.0, 0.8))
    lacking = [frame.luma_after is None for frame in frames_of(two, with_motion=True)]
    assert lacking == [False, True, False, True]  # each piece ends with a keyframe


def test_pieces_may_differ_in_size_and_have_regions_of_their_own(folder: Path) -> None:
    two = span(piece(folder / "a.mp4", 0.0, 0.4, region=LEFT_HALF), piece(folder / "large.mp4", 0.0, 0.4))
    assert [frame.rgb.shape for frame in frames_of(two)] == [(48, 32, 3), (64, 96, 3)]


def tone_levels(samples: NDArray[np.float32]) -> dict[int, float]:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) * 4 / len(samples)
    return {hertz: float(spectrum[round(hertz * len(samples) / RATE)]) for hertz in (500, 1500)}


def test_sounds_follow_each_other(folder: Path) -> None:
    pcm = read_pcm(span(piece(folder / "a.mp4", 0.5, 1.25), piece(folder / "b.mp4", 0.25, 1.25)))
    assert pcm.duration_seconds == pytest.approx(1.75, abs=2e-3)
    assert pcm.channel_policy == "mono"
    first, second = tone_levels(pcm.samples[:11_000]), tone_levels(pcm.samples[13_000:])
    assert first[500] == pytest.approx(0.5, rel=0.05)
    assert second[1500] == pytest.approx(0.5, rel=0.05)
    assert max(first[1500], second[500]) < 0.01


def test_a_seam_does_not_click(tmp_path: Path) -> None:
    """Two constant pressures: joined as they are, they would jump by 0.8."""
    for name, level in (("low.wav", -0.4), ("high.wav", 0.4)):
        media_factory.wav(tmp_path / name, np.full(8000, level, np.float32))
    pcm = read_pcm(span(piece(tmp_path / "low.wav", 0.0, 0.5), piece(tmp_path / "high.wav", 0.0, 0.5)))
    assert len(pcm.samples) == 16_000
    seam = round(SEAM_SECONDS * RATE)
    assert np.abs(np.diff(pcm.samples)).max() < 1.1 * 0.4 / seam
    assert pcm.samples[:7900] == pytest.approx(-0.4, abs=1e-4)  # the outer ends do not fade
    assert pcm.samples[8100:] == pytest.approx(0.4, abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 199), min_size=1, max_size=5), most=st.integers(50, 2500))
def test_a_sound_in_pieces_side_by_side_is_the_sound_but_for_its_seams(
    tmp_path_factory: pytest.TempPathFactory, cuts: set[int], most: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.wav"
    if not path.exists():
        values = np.random.default_rng(0).integers(-9000, 9000, 2 * RATE) / 32768
        media_factory.wav(path, values.astype(np.float32))
    edges = [0, *sorted(cuts), 200]
    parts = [piece(path, start / 100, end / 100) for start, end in pairwise(edges)]
    whole = read_pcm(MediaSpan(path=path), most_seconds=most / 1000)
    told = read_pcm(span(*parts), most_seconds=most / 1000)
    assert len(told.samples) == len(whole.samples)
    assert told.is_cut is whole.is_cut is (most < 2000)
    places = np.arange(len(whole.samples))
    seam = round(SEAM_SECONDS * RATE)
    far = np.all([np.abs(places - cut * RATE // 100) > seam for cut in cuts], axis=0)
    np.testing.assert_array_equal(told.samples[far], whole.samples[far])


@pytest.mark.parametrize("read", [frames_of, read_pcm])
def test_what_is_wrong_with_one_piece_is_wrong_with_all(folder: Path, read: object) -> None:
    good = piece(folder / "a.mp4", 0.0, 1.0)
    for bad, status in (
        (piece(folder / "none.mp4", 0.0, 1.0), Status.MISSING),
        (piece(folder / "b.mp4", 0.0, 4.0), Status.TRUNCATED),
        (piece(media_factory.zero_byte(folder / "zero.mp4"), 0.0, 1.0), Status.CORRUPT),
    ):
        with pytest.raises(MediaError) as caught:
            read(span(good, bad, good))  # type: ignore[operator]
        assert caught.value.status is status
        assert bad.path.name in caught.value.reason


@pytest.mark.parametrize("read", [frames_of, read_pcm])
def test_an_end_within_the_slack_is_the_files(folder: Path, read: object) -> None:
    late = piece(folder / "a.mp4", 1.6, 2.1)
    with pytest.raises(MediaError, match=r"a\.mp4 ends at 2\.0\d s where the span asks for 2\.10"):
        read(late)  # type: ignore[operator]
    read(replace(late, slack_seconds=0.15))  # type: ignore[operator]


def test_a_piece_begins_with_a_cut_however_alike_the_pictures_are(tmp_path: Path) -> None:
    still = Picture(frames=30, rgb=[np.full((48, 64, 3), 90, np.uint8)] * 30)
    path = media_factory.write(tmp_path / "still.mp4", picture=still)

    def detect(pictures: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        return [[] for _ in pictures]

    parts = [piece(path, start, start + 0.4) for start in (0.0, 0.4, 0.8)]
    numbers = {"every": 5, "most": 99, "chunk": 4}
    assert gather(span(*parts), detect, with_motion=False, **numbers).cuts == {2, 4}
    assert gather(piece(path, 0.0, 1.2), detect, with_motion=False, **numbers).cuts == frozenset()


def test_an_extractor_makes_one_vector_of_all_pieces(folder: Path) -> None:
    utterance = Utterance(id="a", split=Split.TRAIN, dialogue="d", turn=0, speaker="A", text="Hi.", label="")
    dialogue = Dialogue(split=Split.TRAIN, name="d", utterances=(utterance,))
    parts = [piece(folder / name, 0.0, 0.05) for name in ("a.mp4", "b.mp4")]  # each by itself is too short
    clips = [Clip(utterance=utterance, dialogue=dialogue, audio=one) for one in (span(*parts), *parts)]
    outcomes = ComParE()(clips)
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.TOO_SHORT, Status.TOO_SHORT]
    assert outcomes[0].columns["duration_seconds"] == pytest.approx(0.1, abs=2e-3)


def test_pieces_say_where_they_end_and_have_none_of_their_own(folder: Path) -> None:
    one, other = piece(folder / "a.mp4", 0.0, 1.0), piece(folder / "b.mp4", 0.0, None)
    assert one.pieces == (one,)
    assert span(one, other).pieces == (one, other)
    with pytest.raises(ValueError, match=r"b\.mp4: a piece that others follow needs its end"):
        span(other, one)
    with pytest.raises(ValueError, match="needs its end"):
        span(one, other, one)
    with pytest.raises(ValueError, match="has pieces of its own"):
        span(one, span(one, one))
