"""Keyframes against the numbers that the frames carry, and against PyAV decoding every frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.extractor import LEFT_HALF, RIGHT_HALF, MediaSpan, Region
from extraction.media import Frame, MediaError, read_keyframes, read_pcm
from summer.corpus import Status
from tests import media_factory
from tests.media_factory import Picture, Sound, frame_number

B_FRAMES = Picture(frames=100, options={"bf": "3", "g": "60", "b_strategy": "0", "sc_threshold": "0"})

DIVX = Picture(frames=100, codec="mpeg4", options={"bf": "2", "b": "4000000", "qmax": "3"})


def keyframes(path: Path, *, most: int = 1000, **span: float | Region | None) -> list[Frame]:
    chunks = read_keyframes(MediaSpan(path=path, **span), most=most)  # type: ignore[arg-type]
    return [frame for chunk in chunks for frame in chunk]


def number(frame: Frame) -> int:
    return frame_number(frame.rgb)


def all_frames(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.reformat(format="rgb24", interpolation="BILINEAR").to_ndarray(), dtype=np.uint8)
            for frame in container.decode(video=0)
        ]


def status_of(path: Path, **span: float) -> Status:
    with pytest.raises(MediaError) as caught:
        keyframes(path, most=1000, **span)
    assert path.name in caught.value.reason
    return caught.value.status


def test_one_frame_in_every_ten_is_a_keyframe(tmp_path: Path) -> None:
    frames = keyframes(media_factory.frames(tmp_path / "a.mp4", 95))
    assert [frame.index for frame in frames] == list(range(0, 95, 10))
    assert [number(frame) for frame in frames] == list(range(0, 95, 10))
    assert [frame.seconds for frame in frames] == pytest.approx([index / 25 for index in range(0, 95, 10)])


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("h264.mp4", B_FRAMES),
        ("hevc.mp4", Picture(frames=60, codec="libx265", options={"x265-params": "log-level=none"})),
        ("h264.mkv", B_FRAMES),
        ("h264.ts", B_FRAMES),
        ("mpeg4.avi", DIVX),
        ("mjpeg.avi", Picture(frames=100, codec="mjpeg", pixel_format="yuvj420p")),
        ("h264.avi", B_FRAMES),  # its packets tell a wrong time
        ("flv1.flv", Picture(frames=100, codec="flv")),
    ],
)
def test_skipped_frames_leave_the_others_as_they_are(tmp_path: Path, name: str, picture: Picture) -> None:
    path = media_factory.write(tmp_path / name, picture=picture)
    expected = all_frames(path)
    assert len(expected) == picture.frames
    frames = keyframes(path)
    assert [frame.index for frame in frames] == list(range(0, picture.frames, 10))
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb, expected[frame.index])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_a_span_holds_the_frames_from_its_start_up_to_its_end(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = media_factory.write(
        tmp_path / name, picture=Picture(frames=100, codec=codec, options={"g": "40", "bf": "0"})
    )
    frames = keyframes(path, start_seconds=1.4, end_seconds=2.2)
    assert [number(frame) for frame in frames] == [35, 45]
    assert [frame.index for frame in frames] == [0, 10]
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 0.4], abs=1e-3)


def test_the_clock_starts_with_the_file_whatever_its_timestamps(tmp_path: Path) -> None:
    picture = Picture(frames=100, options={"g": "40", "bf": "0"})
    path = media_factory.write(tmp_path / "a.ts", picture=picture, output_ts_offset="7")
    frames = keyframes(path, start_seconds=1.4, end_seconds=2.2)
    assert [number(frame) for frame in frames] == [35, 45]
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 0.4], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "picture", "first"),
    [
        ("a.mp4", B_FRAMES, 25),
        ("a.mkv", B_FRAMES, 25),
        ("a.avi", B_FRAMES, 25),
        ("b.avi", DIVX, 24),  # FFmpeg shows DivX with B-frames a frame later, from 0.04 s on
        ("a.ts", B_FRAMES, 25),
    ],
)
def test_a_span_holds_every_frame_before_its_end_and_not_the_one_at_it(
    tmp_path: Path, name: str, picture: Picture, first: int
) -> None:
    span = MediaSpan(
        path=media_factory.write(tmp_path / name, picture=picture), start_seconds=1.0, end_seconds=2.0
    )
    frames = [frame for chunk in read_keyframes(span, every=1, most=100) for frame in chunk]
    assert [number(frame) for frame in frames] == list(range(first, first + 25))
    assert [frame.seconds for frame in frames] == pytest.approx([place / 25 for place in range(25)], abs=1e-3)


def test_a_span_may_start_at_any_frame(tmp_path: Path) -> None:
    path = media_factory.write(
        tmp_path / "a.avi", picture=DIVX
    )  # some are shown before, decoded after, a keyframe
    expected = all_frames(path)
    for first in range(20, 36):
        start = (first + 1) / 25
        frames = keyframes(path, start_seconds=start, end_seconds=start + 0.2)
        np.testing.assert_array_equal(frames[0].rgb, expected[first])


def test_a_span_shorter_than_a_frame_is_the_picture_on_screen(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=B_FRAMES)
    assert [number(frame) for frame in keyframes(path, start_seconds=1.01, end_seconds=1.02)] == [25]


def test_a_span_behind_the_end_is_truncated(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=B_FRAMES)
    assert status_of(path, start_seconds=9.0, end_seconds=10.0) is Status.TRUNCATED
    assert status_of(path, start_seconds=3.0, end_seconds=6.0) is Status.TRUNCATED
    assert len(keyframes(path, start_seconds=3.0, end_seconds=4.05)) == 3  # the corpora's times are not exact


def test_too_many_keyframes_are_thinned_evenly_and_handed_over_in_chunks(tmp_path: Path) -> None:
    path = media_factory.long(tmp_path / "long.mp4")
    chunks = list(read_keyframes(MediaSpan(path=path), most=50, chunk=16))
    indices = [frame.index for chunk in chunks for frame in chunk]
    assert [len(chunk) for chunk in chunks] == [16, 16, 16, 2]
    assert (indices[0], indices[-1], len(indices)) == (0, 7310, 50)
    assert all(index % 10 == 0 for index in indices)
    assert set(np.diff(indices)) <= {140, 150}


def test_large_pictures_come_fewer_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = media_factory.frames(tmp_path / "a.mp4", 65)
    monkeypatch.setattr("extraction.media.pictures.MOST_CHUNK_BYTES", 3 * 48 * 64 * 3)
    assert [len(chunk) for chunk in read_keyframes(MediaSpan(path=path), most=99)] == [3, 3, 1]


@pytest.mark.parametrize("count", [1, 5])
def test_a_very_short_clip_has_one_keyframe(tmp_path: Path, count: int) -> None:
    frames = keyframes(media_factory.frames(tmp_path / "a.mp4", count))
    assert [number(frame) for frame in frames] == [0]


def test_motion_is_seen_in_the_picture_shortly_after(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=B_FRAMES)
    span = MediaSpan(path=path, end_seconds=1.24)  # frames 0 to 30
    frames = [frame for chunk in read_keyframes(span, most=9, with_motion=True) for frame in chunk]
    expected = all_frames(path)
    assert [frame.index for frame in frames] == [0, 10, 20, 30]
    for frame in frames[:-1]:
        assert frame.luma_after is not None
        grey = expected[frame.index + 1].mean(axis=-1)
        assert np.abs(frame.luma_after - grey).mean() < 3
    assert frames[-1].luma_after is None  # the span ends with it


def test_motion_at_many_frames_a_second_is_seen_in_a_later_one(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=Picture(frames=40, rate=100))
    first = next(read_keyframes(MediaSpan(path=path), most=9, with_motion=True))[0]
    assert first.luma_after is not None
    assert frame_number(first.luma_after) == 3


@pytest.mark.parametrize(
    ("degrees", "white", "black"), [(90, "tr", "br"), (180, "br", "bl"), (270, "bl", "tl")]
)
def test_a_turned_clip_comes_out_upright(tmp_path: Path, degrees: int, white: str, black: str) -> None:
    path = media_factory.rotated(tmp_path / "a.mp4", degrees=degrees)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == -degrees % 360  # anticlockwise
    rgb = keyframes(path)[0].rgb
    assert rgb.shape == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
    corners = {"tl": rgb[2, 2], "tr": rgb[2, -3], "bl": rgb[-3, 2], "br": rgb[-3, -3]}
    assert corners[white].min() > 240
    assert corners[black].max() < 15


def test_halves_are_cut_at_the_middle(tmp_path: Path) -> None:
    picture = Picture(frames=50, width=72, codec="mpeg4")
    path = media_factory.write(tmp_path / "dialogue.avi", picture=picture, sound=Sound(codec="pcm_s16le"))
    left = keyframes(path, start_seconds=0.8, end_seconds=1.6, region=LEFT_HALF)
    right = keyframes(path, start_seconds=0.8, end_seconds=1.6, region=RIGHT_HALF)
    assert [number(frame) for frame in left] == [20, 30]
    assert {frame.rgb.shape for frame in left + right} == {(48, 36, 3)}
    assert left[0].rgb[2, 2].min() > 230
    assert right[0].rgb[2, -3].max() < 25


@pytest.mark.parametrize("degrees", [0, 90])
def test_a_region_is_a_share_of_the_picture_as_it_is_displayed(tmp_path: Path, degrees: int) -> None:
    path = media_factory.rotated(tmp_path / "a.mp4", degrees=degrees)
    whole = keyframes(path)[0].rgb
    height, width = whole.shape[:2]
    cut = keyframes(path, region=Region(0.29, 0.5, 1.0, 0.75))[0].rgb
    assert np.array_equal(cut, whole[height // 2 : 3 * height // 4, int(0.29 * width) :])


def test_regions_side_by_side_share_no_pixel_and_leave_none_out() -> None:
    edges = [0.0, 0.1, 0.29, 0.3, 0.5, 0.7, 1.0]
    for size in range(1, 130):
        columns = [Region(a, 0.0, b, 1.0).of(9, size)[1] for a, b in pairwise(edges)]
        assert all(column.stop > column.start for column in columns)
        assert all(0 <= column.start < column.stop <= size for column in columns)
        if size >= 100:
            assert [n for column in columns for n in range(size)[column]] == list(range(size))
    assert Region(0.29, 0.0, 1.0, 1.0).of(1, 100)[1] == slice(29, 100)


def test_frames_at_uneven_times_are_counted_and_keep_their_times(tmp_path: Path) -> None:
    times = [0, 10, 500, 520, 900, 1400, 1450, 1500, 1510, 1600, 1700, 1730, 2500, 2510]
    frames = keyframes(media_factory.variable_rate(tmp_path / "a.mp4", times))
    assert [number(frame) for frame in frames] == [0, 10]
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 1.7])


def test_ten_bit_pictures_become_eight_bit_ones(tmp_path: Path) -> None:
    frames = keyframes(media_factory.ten_bit(tmp_path / "a.mp4"))
    assert [number(frame) for frame in frames] == [0, 10, 20]


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    picture = Picture(width=63, height=47, codec="ffv1", pixel_format="yuv444p")
    frames = keyframes(media_factory.write(tmp_path / "a.mkv", picture=picture))
    assert [number(frame) for frame in frames] == [0, 10, 20]
    assert {frame.rgb.shape for frame in frames} == {(47, 63, 3)}


def test_the_picture_may_change_its_size(tmp_path: Path) -> None:
    frames = keyframes(media_factory.change_of_size(tmp_path / "a.ts"))
    assert [frame.rgb.shape[:2] for frame in frames] == [(48, 64)] * 3 + [(64, 96)] * 2
    assert [number(frame) for frame in frames] == [0, 10, 20, 5, 15]


def test_a_small_picture_among_large_ones_is_read_in_its_own_size(tmp_path: Path) -> None:
    sizes = [(1280, 720), (496, 384)]
    paths = [
        media_factory.write(tmp_path / f"{width}.mp4", picture=Picture(frames=2, width=width, height=height))
        for width, height in sizes
    ]
    assert [keyframes(path)[0].rgb.shape[1::-1] for path in paths] == sizes


def test_paths_may_have_spaces_letters_of_any_script_and_steps_up(tmp_path: Path) -> None:
    folder = tmp_path / "Größe 大 мир's"
    folder.mkdir()
    media_factory.frames(folder / "клип %20 #1.mp4", 15)
    assert len(keyframes(folder / ".." / folder.name / "клип %20 #1.mp4")) == 2


def test_a_picture_that_ends_before_the_sound_is_not_truncated(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = media_factory.write(tmp_path / name, picture=Picture(frames=25), sound=Sound(seconds=4.0))
        assert len(keyframes(path)) == 3


def test_pictures_hidden_by_an_edit_list_are_neither_counted_nor_missed(tmp_path: Path) -> None:
    path = media_factory.trimmed(tmp_path / "a.mp4", frames=60, hidden=35)
    assert [number(frame) for frame in keyframes(path)] == [35, 45, 55]


def test_a_file_that_was_cut_off_is_truncated(tmp_path: Path) -> None:
    assert status_of(media_factory.cut_off(tmp_path / "a.mp4")) is Status.TRUNCATED
    assert status_of(media_factory.cut_off(tmp_path / "b.mp4", index_first=False)) is Status.CORRUPT


def test_little_damage_is_concealed_and_much_is_corrupt(tmp_path: Path) -> None:
    assert len(keyframes(media_factory.damaged(tmp_path / "a.mp4", share=0.0005))) == 10
    assert status_of(media_factory.damaged(tmp_path / "b.mp4", share=0.5)) is Status.CORRUPT


def test_what_cannot_be_read_says_why_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(tmp_path / "absent.mp4") is Status.MISSING
    assert status_of(tmp_path) is Status.MISSING
    assert status_of(media_factory.zero_byte(tmp_path / "zero.mp4")) is Status.CORRUPT
    with pytest.raises(MediaError, match="is empty"):
        keyframes(tmp_path / "zero.mp4")
    assert status_of(media_factory.text_named_mp4(tmp_path / "text.mp4")) is Status.CORRUPT
    assert status_of(media_factory.no_video(tmp_path / "sound.mp4")) is Status.NO_VIDEO
    assert capfd.readouterr() == ("", "")


def test_senseless_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every=0"):
        list(read_keyframes(MediaSpan(path=tmp_path), every=0, most=1))


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "pyfeat_single_face.mp4",
        "pyfeat_WolfgangLanger_Pexels.mp4",
        "short_hamilton_clip.mp4",
        "crema_d/1001_DFA_ANG_XX.flv",
    ],
)
def test_real_clips_give_the_pictures_that_decoding_every_frame_gives(shared: Path, name: str) -> None:
    path = shared / "media" / name
    expected = all_frames(path)
    frames = keyframes(path)
    assert [frame.index for frame in frames] == list(range(0, len(expected), 10))
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb, expected[frame.index])


@pytest.mark.parametrize("length_of_all", [False, True])
def test_a_track_of_chapters_cuts_nothing_off(tmp_path: Path, length_of_all: bool) -> None:
    path = media_factory.chaptered(
        tmp_path / "a.mp4", picture=Picture(), sound=Sound(), length_of_all=length_of_all
    )
    assert [number(frame) for frame in keyframes(path)] == [0, 10, 20]
    assert read_pcm(MediaSpan(path=path)).duration_seconds == pytest.approx(1.0, abs=0.05)


def test_pictures_that_declare_a_size_beyond_all_are_corrupt(tmp_path: Path) -> None:
    made = media_factory.write(
        tmp_path / "a.avi", picture=Picture(frames=3, codec="mjpeg", pixel_format="yuvj420p")
    )
    content = bytearray(made.read_bytes())
    place = content.find(b"\xff\xc0")
    while place >= 0:
        content[place + 5 : place + 9] = (16_000).to_bytes(2) * 2
        place = content.find(b"\xff\xc0", place + 1)
    at = content.find(b"strf") + 12
    content[at : at + 8] = (16_000).to_bytes(4, "little") * 2
    made.write_bytes(content)
    with pytest.raises(MediaError, match="declares pictures of 16,000 x 16,000") as raised:
        list(read_keyframes(MediaSpan(path=made), most=4))
    assert raised.value.status is Status.CORRUPT
