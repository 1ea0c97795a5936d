"""Pictures as displayed: drawn so that the displayed picture is known, and measured in what is read."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.extractor import LEFT_HALF, RIGHT_HALF, MediaSpan, Region
from extraction.media import Frame, read_keyframes
from extraction.media.display import pixel_aspect, square_size
from tests import media_factory
from tests.media_factory import Picture, frame_number

TALL, WIDE = Fraction(9, 16), Fraction(16, 11)
X264 = {"crf": "8"}
FIELDS = Picture(width=96, height=64, options=X264)


def keyframes(
    path: Path, *, region: Region | None = None, motion: bool = False, every: int = 10
) -> list[Frame]:
    span = MediaSpan(path=path, region=region)
    chunks = read_keyframes(span, every=every, most=1000, with_motion=motion)
    return [frame for chunk in chunks for frame in chunk]


def disc_clip(aspect: Fraction, *, x: float = 0.3, y: float = 0.4, **options: object) -> Picture:
    """A clip of a disc, at 0.3 of the width and 0.4 of the height."""
    picture = replace(Picture(frames=12, width=160, height=96, options=X264), **options)  # type: ignore[arg-type]
    drawn = media_factory.disc(picture.width, picture.height, aspect, x=x, y=y)
    return replace(picture, rgb=[drawn] * picture.frames)


def check_disc(rgb: NDArray[np.uint8], *, x: float, y: float) -> None:
    """A round disc, where it belongs: within a pixel."""
    bright = rgb.mean(axis=-1) > 127
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert width / height == pytest.approx(1, abs=0.06)
    assert width == pytest.approx(2 * min(rgb.shape[:2]) / 5, abs=2.5)
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(x * rgb.shape[1], abs=1.5)
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(y * rgb.shape[0], abs=1.5)


def stored(path: Path) -> NDArray[np.uint8]:
    """The first frame as FFmpeg decodes it, with nothing done to it."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return np.asarray(frame.reformat(format="rgb24", interpolation="BILINEAR").to_ndarray(), np.uint8)


def said(path: Path) -> tuple[Fraction | None, Fraction | None]:
    """What container and codec say of the pixels, for tests of who is asked."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        next(container.decode(stream))
        return stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio


@pytest.mark.parametrize(("aspect", "shape"), [(TALL, (171, 160, 3)), (WIDE, (96, 233, 3))])
@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv", "a.avi"])
def test_a_disc_is_round_whatever_the_shape_of_the_pixels(
    tmp_path: Path, name: str, aspect: Fraction, shape: tuple[int, int, int]
) -> None:
    """Transport streams and this Matroska say nothing: the codec does."""
    path = media_factory.write(tmp_path / name, picture=disc_clip(aspect, pixel_aspect=aspect))
    for frame in keyframes(path, motion=True):
        assert frame.rgb.shape == shape
        assert frame.rgb.flags.c_contiguous
        check_disc(frame.rgb, x=0.3, y=0.4)
        if frame.luma_after is not None:
            assert frame.luma_after.shape == shape[:2]
            check_disc(frame.luma_after[:, :, np.newaxis], x=0.3, y=0.4)


@pytest.mark.parametrize(
    ("codec", "options", "codec_says"),
    [("libvpx-vp9", {"b": "2000000"}, None), ("libsvtav1", {"crf": "10", "preset": "12"}, Fraction(1))],
)
def test_the_container_may_be_the_only_one_to_know(
    tmp_path: Path, codec: str, options: dict[str, str], codec_says: Fraction | None
) -> None:
    picture = disc_clip(WIDE, pixel_aspect=WIDE, codec=codec, options=options)
    policy = os.sched_getscheduler(0)
    path = media_factory.write(tmp_path / "a.mp4", picture=picture)
    assert os.sched_getscheduler(0) == policy, "all later tests of this process would run before all else"
    assert said(path) == (WIDE, codec_says)
    check_disc(keyframes(path)[0].rgb, x=0.3, y=0.4)


def test_the_container_is_believed_rather_than_the_codec(tmp_path: Path) -> None:
    source = media_factory.write(tmp_path / "a.mp4", picture=disc_clip(TALL, pixel_aspect=TALL))
    path = media_factory.filtered(tmp_path / "b.mp4", source, "h264_metadata=sample_aspect_ratio=16/11")
    assert said(path) == (TALL, WIDE)
    check_disc(keyframes(path)[0].rgb, x=0.3, y=0.4)


def test_what_matroska_says_of_the_display_is_heard(tmp_path: Path) -> None:
    path = media_factory.matroska(
        tmp_path / "a.mkv", picture=disc_clip(TALL), DisplayWidth=160, DisplayHeight=171
    )
    check_disc(keyframes(path)[0].rgb, x=0.3, y=0.4)


def test_an_absurd_container_leaves_it_to_the_codec(tmp_path: Path) -> None:
    picture = disc_clip(TALL, pixel_aspect=TALL)
    path = media_factory.matroska(tmp_path / "a.mkv", picture=picture, DisplayWidth=999, DisplayHeight=1)
    assert said(path)[0] == Fraction(999 * 96, 160)
    check_disc(keyframes(path)[0].rgb, x=0.3, y=0.4)


@pytest.mark.parametrize("display", [(999, 1), (1, 999), (1500, 96), (0, 0)])
def test_absurd_pixels_count_as_square(tmp_path: Path, display: tuple[int, int]) -> None:
    width, height = display
    path = media_factory.matroska(
        tmp_path / "a.mkv", picture=disc_clip(Fraction(1)), DisplayWidth=width, DisplayHeight=height
    )
    np.testing.assert_array_equal(keyframes(path)[0].rgb, stored(path))


def test_the_first_sane_word_about_pixels_holds() -> None:
    assert (
        pixel_aspect() == pixel_aspect(None, Fraction(0), Fraction(-1, 2), Fraction(9), Fraction(1, 9)) == 1
    )
    assert pixel_aspect(Fraction(-4, 3), WIDE, TALL) == WIDE
    assert (pixel_aspect(Fraction(8)), pixel_aspect(Fraction(1, 8))) == (8, Fraction(1, 8))
    assert square_size(720, 576, Fraction(64, 45)) == (1024, 576)
    assert square_size(1920, 1080, Fraction(1, 2)) == (1920, 2160)


def test_pixels_that_are_nearly_square_are_not_resampled(tmp_path: Path) -> None:
    aspect = Fraction(161, 160)
    path = media_factory.write(tmp_path / "a.mp4", picture=disc_clip(aspect, pixel_aspect=aspect))
    np.testing.assert_array_equal(keyframes(path)[0].rgb, stored(path))


def test_pixels_may_change_their_shape_in_the_middle(tmp_path: Path) -> None:
    """As broadcasts do between films and advertisements."""
    options = X264 | {"bf": "0"}
    pictures = [disc_clip(aspect, pixel_aspect=aspect, options=options) for aspect in (Fraction(1), WIDE)]
    parts = [
        media_factory.write(tmp_path / f"{place}.ts", picture=picture, output_ts_offset=str(0.48 * place))
        for place, picture in enumerate(pictures)
    ]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = keyframes(path, every=1)
    assert [frame.rgb.shape[1] for frame in frames] == [160] * 12 + [233] * 12
    for frame in frames:
        check_disc(frame.rgb, x=0.3, y=0.4)


@pytest.mark.parametrize(
    ("matrix", "x", "y"),
    [
        ((0, 1, -1, 0), 0.6, 0.3),  # a quarter clockwise: what was at the left is at the top
        ((0, -1, 1, 0), 0.4, 0.7),
        ((-1, 0, 0, -1), 0.7, 0.6),
        ((-1, 0, 0, 1), 0.7, 0.4),  # mirrored
        ((1, 0, 0, -1), 0.3, 0.6),
        ((0, 1, 1, 0), 0.4, 0.3),
        ((0, -1, -1, 0), 0.6, 0.7),
        ((0.001, 1, -1, 0.001), 0.6, 0.3),
    ],
)
def test_pixels_become_square_before_the_picture_is_turned(
    tmp_path: Path, matrix: tuple[float, float, float, float], x: float, y: float
) -> None:
    picture = disc_clip(WIDE, pixel_aspect=WIDE)
    rgb = keyframes(media_factory.turned(tmp_path / "a.mp4", matrix, picture=picture))[0].rgb
    assert rgb.shape[:2] == ((233, 96) if abs(matrix[1]) == 1 else (96, 233))
    check_disc(rgb, x=x, y=y)


@pytest.mark.parametrize("degrees", [10, 45, 80, 200])
def test_other_angles_are_left_as_they_are(tmp_path: Path, degrees: int) -> None:
    path = media_factory.rotated(tmp_path / "a.mp4", degrees=degrees)
    np.testing.assert_array_equal(keyframes(path)[0].rgb, stored(path))


def test_a_frame_may_bring_its_own_turn_and_the_containers_goes_before(tmp_path: Path) -> None:
    picture = disc_clip(WIDE, pixel_aspect=WIDE)
    turn = "h264_metadata=display_orientation=insert:rotate=270"  # anticlockwise
    plain = media_factory.write(tmp_path / "plain.mp4", picture=picture)
    check_disc(keyframes(media_factory.filtered(tmp_path / "a.mp4", plain, turn))[0].rgb, x=0.6, y=0.3)
    mirrored = media_factory.turned(tmp_path / "b.mp4", (-1, 0, 0, 1), picture=picture)
    both = media_factory.filtered(tmp_path / "c.mp4", mirrored, turn)
    check_disc(keyframes(both)[0].rgb, x=0.7, y=0.4)


def test_halves_are_those_of_the_displayed_picture(tmp_path: Path) -> None:
    picture = disc_clip(WIDE, x=0.75, pixel_aspect=WIDE)
    path = media_factory.write(tmp_path / "a.mp4", picture=picture)
    left, right = (keyframes(path, region=half)[0].rgb for half in (LEFT_HALF, RIGHT_HALF))
    assert (left.shape, right.shape) == ((96, 116, 3), (96, 117, 3))
    assert left.max() < 20
    check_disc(right, x=0.5, y=0.4)
    upright = media_factory.turned(
        tmp_path / "b.mp4", (0, 1, -1, 0), picture=disc_clip(WIDE, pixel_aspect=WIDE)
    )
    assert keyframes(upright, region=RIGHT_HALF)[0].rgb.shape == (233, 48, 3)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_rows_that_only_fill_a_block_are_not_seen(tmp_path: Path, codec: str) -> None:
    options = X264 if codec == "libx264" else {"x265-params": "log-level=none", "crf": "8"}
    picture = disc_clip(Fraction(1), width=480, height=270, codec=codec, options=options)
    rgb = keyframes(media_factory.write(tmp_path / "a.mp4", picture=picture))[0].rgb
    assert rgb.shape == (270, 480, 3)
    check_disc(rgb, x=0.3, y=0.4)


def test_what_a_codec_cuts_is_cut(tmp_path: Path) -> None:
    whole = media_factory.write(tmp_path / "a.mp4", picture=disc_clip(Fraction(1)))
    cut = media_factory.filtered(
        tmp_path / "b.ts", whole, "h264_mp4toannexb,h264_metadata=crop_left=6:crop_bottom=8"
    )
    rgb = keyframes(cut)[0].rgb
    assert rgb.shape == (88, 154, 3)
    np.testing.assert_array_equal(rgb, stored(whole)[:88, 6:])


def test_what_matroska_cuts_is_still_seen(tmp_path: Path) -> None:
    """PyAV does not show it. Should it begin to, this is what to change."""
    path = media_factory.matroska(
        tmp_path / "a.mkv", picture=disc_clip(Fraction(1)), PixelCropTop=8, PixelCropLeft=16
    )
    check_disc(keyframes(path)[0].rgb, x=0.3, y=0.4)


def moving_bar(fields: str) -> Picture:
    """A bar that moves 3 pixels a field, 6 a frame."""
    pairs = [(6 * place % 60, (6 * place + 3) % 60) for place in range(12)]
    bars = [[media_factory.bar(96, 64, left) for left in pair] for pair in pairs]
    rgb = [media_factory.woven(earlier, later, fields) for earlier, later in bars]
    return replace(FIELDS, frames=12, rgb=rgb, fields=fields)


def combs(picture: NDArray[np.uint8]) -> float:
    """How much a row differs from the next; in a picture of an upright bar they are equal."""
    return float(np.abs(np.diff(picture.astype(np.int32), axis=0)).mean(axis=0).max())


@pytest.mark.parametrize("fields", ["tff", "bff"])
@pytest.mark.parametrize("aspect", [None, TALL, WIDE])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"crf": "8", "flags": "+ildct+ilme"}),
        ("a.ts", "mpeg2video", {"flags": "+ildct+ilme", "b": "8000000", "qmax": "2"}),
        ("a.mkv", "ffv1", {}),
    ],
)
def test_interlaced_pictures_are_of_one_moment_the_earlier(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], aspect: Fraction | None, fields: str
) -> None:
    picture = replace(moving_bar(fields), codec=codec, options=options, pixel_aspect=aspect)
    path = media_factory.write(tmp_path / name, picture=picture)
    assert combs(stored(path)) > 50
    for frame in keyframes(path, motion=True, every=3):
        check_bar(frame.rgb, 6 * frame.index % 60)
        if frame.luma_after is not None:
            check_bar(frame.luma_after[:, :, np.newaxis], 6 * (frame.index + 1) % 60)


def check_bar(picture: NDArray[np.uint8], left: int) -> None:
    assert combs(picture) < 12
    scale = picture.shape[1] / 96
    columns = np.flatnonzero(picture[:, :, 0].mean(axis=0) > 90)
    assert columns[0] == pytest.approx(left * scale, abs=1.5)
    assert columns[-1] + 1 == pytest.approx((left + 24) * scale, abs=1.5)


@pytest.mark.parametrize("fields", ["tff", "bff"])
def test_rows_of_the_earlier_field_stay_where_they_are(tmp_path: Path, fields: str) -> None:
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, np.newaxis, np.newaxis], 96, axis=1)
    picture = replace(FIELDS, frames=2, rgb=[np.repeat(ramp, 3, axis=2)] * 2, fields=fields)
    picture = replace(picture, codec="ffv1", options={}, pixel_format="yuv444p")
    path = media_factory.write(tmp_path / "a.mkv", picture=picture)
    got, whole = keyframes(path)[0].rgb.astype(np.int32), stored(path).astype(np.int32)
    first = 0 if fields == "tff" else 1
    np.testing.assert_array_equal(got[first::2], whole[first::2])
    assert np.abs(got - whole)[1:-1].max() <= 1  # a ramp is linear between its rows


@pytest.mark.parametrize(
    ("codec", "options"), [("libx265", {"x265-params": "log-level=none:interlace=tff"}), ("ffv1", {})]
)
def test_a_frame_that_cannot_be_two_fields_keeps_its_rows(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    """HEVC's pictures are one field each; an odd number of rows makes no two fields."""
    height = 64 if codec == "libx265" else 63
    picture = replace(Picture(width=96, frames=12), height=height, codec=codec, options=options)
    picture = replace(picture, fields="tff" if codec == "ffv1" else "prog", pixel_format="yuv420p")
    path = media_factory.write(tmp_path / "a.mkv", picture=picture)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    np.testing.assert_array_equal(keyframes(path)[0].rgb, stored(path))


@pytest.mark.parametrize(
    "change", [{}, {"pixel_aspect": TALL}, {"fields": "tff"}], ids=["plain", "tall", "fields"]
)
@pytest.mark.parametrize(
    ("codec", "pixel_format", "tolerance"),
    [
        ("ffv1", "yuv420p10le", 2),
        ("ffv1", "yuv422p", 2),
        ("mjpeg", "yuvj420p", 6),
        ("mjpeg", "yuvj444p", 6),
        ("ffv1", "gray", 2),
        ("ffv1", "gray10le", 2),
        ("libx264rgb", "rgb24", 4),
        ("ffv1", "bgra", 2),
        ("rawvideo", "rgb24", 1),
        ("prores_ks", "yuv444p10le", 4),
    ],
)
def test_brightness_is_kept_in_any_pixel_format(
    tmp_path: Path, codec: str, pixel_format: str, tolerance: int, change: dict[str, object]
) -> None:
    picture = replace(Picture(frames=12, codec=codec, pixel_format=pixel_format), **change)  # type: ignore[arg-type]
    suffix = "avi" if codec in ("rawvideo", "mjpeg") else "mov" if codec == "prores_ks" else "mkv"
    for frame in keyframes(media_factory.write(tmp_path / f"a.{suffix}", picture=picture), motion=True):
        assert frame_number(frame.rgb) == frame.index
        height, width = frame.rgb.shape[:2]
        for row, expected in ((3 * height // 8, 40), (3 * height // 4, 40 + 20 * (frame.index // 10))):
            assert np.abs(frame.rgb[row, width // 2].astype(int) - expected).max() <= tolerance
        if frame.luma_after is not None:
            assert frame_number(frame.luma_after) == frame.index + 1
