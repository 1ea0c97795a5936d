"""A decoded frame as a good player shows it: one moment, square pixels, upright.

Each step is about the picture that the one before it leaves:

1. Cropping. Codecs store whole blocks (1088 rows of which 1080 are seen); FFmpeg's decoders cut what the
   codec says is to be cut. What a container says (Matroska's PixelCrop, MP4's `clap`) FFmpeg puts where PyAV
   does not show it: such a picture comes out whole.
2. Interlacing. A frame that says it holds two fields, 1/50 or 1/60 s apart, gives the earlier one: its rows
   in their places, the others the mean of the rows above and below. It takes nothing but the frame, so that
   neighbours may be skipped, and the picture is that of the frame's own time. Against the true
   picture, in four clips of faces, at rest or moving 8 pixels a field: 39 to 46 dB. Woven fields that move
   have 18 to 27; the field scaled to full height, half a row off, 36 to 39; FFmpeg's estdif 39 to 44, at ten
   times the cost; bwdif and yadif 37 to 45 where things move, and they need both neighbours. Of 64 faces that
   move 8 or 16 pixels a field 55 are found so, 38 in woven fields.
   Left as it is: a frame that does not say so; one with an odd number of rows; HEVC and VVC, which say so of
   pictures that are one field each.
3. Pixels become square: the shorter direction is enlarged, so that no detail is lost. Who says how long a
   pixel is: the container, and where it is silent the decoder, for each frame. So does FFmpeg; decoders of
   AV1 call pixels square that an MP4 says are not. Where this changes inside a recording, MPEG-2's decoder,
   which hands over a frame late, is a frame early with it.
4. Turning, by a display matrix: quarter turns and mirrors; the container's before the frame's own (H.264's
   SEI), as in FFmpeg. At any other angle the picture is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from extraction.media.faults import MOST_PIXELS

# What lies beyond is no pixel but a mistake, as 0/1 and negative numbers are, and counts as square: the most
# oblong in use is about 3 (352 x 576 shown as 16:9). At 8, a picture of 3840 x 2160 takes 200 MB.
MOST_OBLONG = 8
NEARLY_SQUARE = Fraction(1, 100)  # 1280:1281 is what scaling leaves over; not worth blurring the picture
SKEW = 0.0175  # of a display matrix: within a degree of a quarter turn
ONE_FIELD_EACH = frozenset({"hevc", "vvc"})


class Decoded(NamedTuple):
    """A frame, with what its container and its decoder say of it.

    Args:
        container_aspect: see there.
        codec_aspect: width of a pixel over its height, when the frame left the decoder.
        codec: its name.
    """

    frame: VideoFrame
    container_aspect: Fraction | None
    codec_aspect: Fraction | None
    codec: str

    def is_woven(self) -> bool:
        """Tell whether it holds two fields, of two moments."""
        has_fields = self.frame.interlaced_frame and self.codec not in ONE_FIELD_EACH
        return has_fields and self.frame.height % 2 == 0


def container_aspect(stream: VideoStream) -> Fraction | None:
    """How long pixels are by the container; None where it is silent or agrees with the codec's first picture.

    To be asked before anything is decoded. Where both agree and a later frame does not, the frame is right: a
    recording may change from 4:3 to 16:9.
    """
    guessed: Fraction | None = stream.sample_aspect_ratio  # the container's, else the codec's
    return None if guessed == stream.codec_context.sample_aspect_ratio else guessed


def pixel_aspect(*declared: Fraction | None) -> Fraction:
    """Width of a pixel over its height, by the first who says something sane; 1 if nobody does."""
    for aspect in declared:
        if aspect is not None and Fraction(1, MOST_OBLONG) <= aspect <= MOST_OBLONG:
            return aspect
    return Fraction(1)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Width and height of the same picture in square pixels; neither shrinks."""
    if abs(aspect - 1) < NEARLY_SQUARE:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def displayed(decoded: Decoded, pixel_format: str) -> NDArray[np.uint8]:
    """The picture as it is shown.

    Args:
        pixel_format: "rgb24": (height, width, 3); "gray": (height, width).
    """
    frame = decoded.frame
    aspect = pixel_aspect(decoded.container_aspect, decoded.codec_aspect)
    width, height = square_size(frame.width, frame.height, aspect)
    if width * height > MOST_PIXELS:
        width, height = frame.width, frame.height
    if decoded.is_woven():
        field, first_row = _first_field(frame)
        pixels = _with_rows_between(_pixels(field, pixel_format, width, field.height), first_row, height)
    else:
        pixels = _pixels(frame, pixel_format, width, height)
    entries: Iterator[object] = iter(frame.side_data)  # av's stub takes them for their names
    for entry in entries:
        if isinstance(entry, SideData) and entry.type is Type.DISPLAYMATRIX:
            return _turned(pixels, np.frombuffer(bytes(entry), dtype=np.int32))
    return pixels


def _pixels(frame: VideoFrame, pixel_format: str, width: int, height: int) -> NDArray[np.uint8]:
    converted = frame.reformat(
        width=width, height=height, format=pixel_format, interpolation="BILINEAR", threads=1
    )
    pixels: NDArray[np.uint8] = converted.to_ndarray().astype(np.uint8, copy=False)
    return pixels


def _first_field(frame: VideoFrame) -> tuple[VideoFrame, int]:
    """The earlier field, of half the height, and the frame's row that it begins at: 0 or 1.

    PyAV does not tell which field is the earlier one; FFmpeg's filter knows, and copies no pixels.
    """
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    graph.link_nodes(source, graph.add("separatefields"), graph.add("buffersink")).configure()
    graph.push(frame)
    field = graph.pull()
    if not isinstance(field, VideoFrame):
        raise TypeError(f"separatefields gave {type(field).__name__}, not a picture")
    return field, int(field.planes[0].buffer_ptr != frame.planes[0].buffer_ptr)


def _with_rows_between(rows: NDArray[np.uint8], first_row: int, height: int) -> NDArray[np.uint8]:
    """A picture of which every second row is given, scaled to this height, linear between rows."""
    middles = (np.arange(height) + 0.5) * 2 * len(rows) / height
    places = ((middles - 0.5 - first_row) / 2).clip(0, len(rows) - 1)
    above = places.astype(np.intp)
    below = np.minimum(above + 1, len(rows) - 1)
    share = np.rint(256 * (places - above)).astype(np.uint16).reshape(-1, *[1] * (rows.ndim - 1))
    mixed: NDArray[np.uint16] = rows[above] * (256 - share) + rows[below] * share + np.uint16(128)
    return (mixed >> 8).astype(np.uint8)


def _turned(pixels: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Apply a display matrix, of quarter turns and mirrors: x' = a x + c y, y' = b x + d y."""
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    turned = pixels
    if abs(b) > abs(a):
        turned, a, b, c, d = pixels.swapaxes(0, 1), c, d, a, b
    if max(abs(b), abs(c)) > SKEW * min(abs(a), abs(d)):
        return pixels
    if a < 0:
        turned = turned[:, ::-1]
    return turned[::-1] if d < 0 else turned
