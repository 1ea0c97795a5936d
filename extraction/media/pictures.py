"""Keyframes: one picture in every ten of a clip or of a span of a longer file.

Paper: appendix A.1 (N_s = frames / 10, at least one). Frames 0, 10, 20, ... of the span, as they are shown.

Two passes over the packets. The first only lists them, without decoding, and so knows how many frames there
are and which are wanted. The second decodes; a frame that is neither wanted nor a reference of another is
skipped by the decoder, which changes no other picture and saves a third to a half of the time on common H.264
files. Only wanted frames are converted to RGB, as a player shows them (display.py).

What is wrong with a file, and when it is said:

- no picture track: no_video. Nothing that decodes, or fewer than half of the keyframes: corrupt. FFmpeg
  conceals small damage itself, and such frames count as decoded.
- the packets end before 0.9 of the duration that the header promises (for a span: of the span), or the
  pictures that decode do: truncated.
- a span shorter than a frame holds the one on screen at its start.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from jaxtyping import UInt8
from numpy.typing import NDArray

from extraction.extractor import MediaSpan, Region
from extraction.media.container import Interval, Track, decoding_time, opened
from extraction.media.display import Decoded, container_aspect, displayed
from extraction.media.faults import WHOLE_ENOUGH, MediaError
from summer.corpus import Status

MOTION_SECONDS = (
    0.03  # least time to the picture that shows a keyframe's motion: the next at 24 to 30 a second
)
MOST_CHUNK_BYTES = 256 * 2**20  # ten pictures of 3840 x 2160
REORDER_SECONDS = 1.0  # by which a frame of an AVI may be decoded later than its place among those shown
DECODED_ENOUGH = 0.5  # share of the keyframes


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A keyframe.

    Args:
        index: position among the frames of the span.
        seconds: when it is shown, counted from the start of the span (of the file, where there is no span).
        rgb: (height, width, 3), as displayed (square pixels, no combs, upright), then cut to the region.
        luma_after: (height, width) grey picture 0.03 s later or more, within the span; None if there is none,
            or if it was not asked for.
        after_cut: another piece of the span begins: what was before it was filmed elsewhere.
    """

    index: int
    seconds: float
    rgb: UInt8[np.ndarray, "height width 3"]
    luma_after: NDArray[np.uint8] | None
    after_cut: bool = False


def count_frames(span: MediaSpan) -> int:
    """How many frames a span of one piece has, without decoding any.

    Raises:
        MediaError: see this module's description.
    """
    with opened(span.path, VideoStream) as track:
        return len(_list_frames(track, Interval.of(span)).shown)


def keyframes_among(frames: int, *, every: int, most: int) -> list[int]:
    """Which of so many frames are keyframes: one in `every`, or `most` of these, evenly spread."""
    keyframes = list(range(0, frames, every))
    if len(keyframes) > most:
        keyframes = [keyframes[round(place)] for place in np.linspace(0, len(keyframes) - 1, most)]
    return keyframes


def read_keyframes_of_one(
    span: MediaSpan, choose: Callable[[int], list[int]], *, chunk: int, with_motion: bool
) -> Iterator[list[Frame]]:
    """Decode the keyframes of a span of one piece, some at a time, so that memory does not grow with length.

    Args:
        choose: which of so many frames are keyframes; one at least.
        chunk: keyframes handed over at once; fewer if they are very large.
        with_motion: also give the grey picture shortly after each.

    Raises:
        MediaError: the rules are in this module's description. What was handed over before is then worthless.
    """
    interval = Interval.of(span)
    with opened(span.path, VideoStream) as track:
        wanted = _wanted(track, _list_frames(track, interval), choose, with_motion=with_motion)
        full: list[Frame] = []
        size, count, reached = 0, 0, -1
        for picture in _pictures(_decode(track, interval, wanted), wanted):
            count, reached = count + 1, picture.index
            full.append(_frame(picture, track.seconds(picture.timestamp) - interval.start, span.region))
            size += full[-1].rgb.nbytes
            if len(full) == chunk or size >= MOST_CHUNK_BYTES:
                yield full
                full, size = [], 0
        _check_decoded(track.name, wanted, count=count, reached=reached)
        if full:
            yield full


@dataclass(frozen=True, slots=True, kw_only=True)
class GreyFrame:
    """A picture without colours; `index` and `seconds` as a `Frame` has them.

    Args:
        luma: (height, width) brightness, as large and as upright as the keyframes of the same span.
    """

    index: int
    seconds: float
    luma: UInt8[np.ndarray, "height width"]


def read_grey_frames_of_one(span: MediaSpan) -> Iterator[GreyFrame]:
    """Decode every picture of a span of one piece, one at a time, for what moves between keyframes.

    Raises:
        MediaError: no picture track, no pictures in the span, or not enough of them.
    """
    interval = Interval.of(span)
    with opened(span.path, VideoStream) as track:
        wanted = _wanted(track, _list_frames(track, interval), _all_of, with_motion=False)
        for picture in _pictures(_decode(track, interval, wanted), wanted):
            seconds = track.seconds(picture.timestamp) - interval.start
            luma = _within(displayed(picture.decoded, "gray"), span.region)
            yield GreyFrame(index=picture.index, seconds=seconds, luma=luma)


def _all_of(frames: int) -> list[int]:
    return list(range(frames))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The frames of an interval, before any is decoded.

    Args:
        shown: their timestamps, ascending.
        slots: an AVI does not tell when a frame is shown, only when to decode it. Of older codecs FFmpeg
            finds it out; H.264 and HEVC frames fill the same times in another order. All times from the
            first packet on, ascending; None where packets tell.
    """

    shown: list[int]
    slots: list[int] | None


def _list_frames(track: Track[VideoStream], interval: Interval) -> _Listing:
    is_avi = track.container.format.name == "avi"
    has_slots = is_avi and track.stream.codec_context.name in {"h264", "hevc"}
    times: list[int] = []
    end = 0.0
    for packet in track.packets(interval._replace(end=math.inf)):
        decoded_at = decoding_time(packet)
        shown_at = decoded_at if has_slots or packet.pts is None else packet.pts
        if decoded_at is None or shown_at is None:
            reason = f"the pictures of {track.name} have no times; remux it, to MP4 say"
            raise MediaError(Status.CORRUPT, reason)
        if interval.is_before(track.seconds(decoded_at)):
            break
        end = max(end, track.seconds(shown_at + (packet.duration or 0)))
        if not packet.is_discard:
            times.append(shown_at)
    else:
        if not times:
            raise MediaError(Status.NO_VIDEO, f"the video track of {track.name} holds no pictures")
        track.check_reaches(end, interval)
    times.sort()
    first = bisect_left(times, True, key=lambda time: not interval.is_after(track.seconds(time)))
    last = bisect_left(times, True, key=lambda time: interval.is_before(track.seconds(time)))
    if first == last and first > 0 and end > interval.start:
        first -= 1  # the picture on screen
    if first == last:
        reason = f"the video of {track.name} ends at {end:.2f} s, before the span's start"
        raise MediaError(Status.TRUNCATED, reason)
    return _Listing(shown=times[first:last], slots=times if has_slots else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which frames are to be keyframes.

    Args:
        shown: timestamps of all frames of the interval, ascending.
        keyframes: positions among them.
        followers: for each keyframe the timestamp of the picture that shows its motion, or None.
        needed: timestamps of the frames to be decoded whether or not others refer to them; None for all.
        slots: see `_Listing`.
    """

    shown: list[int]
    keyframes: list[int]
    followers: list[int | None]
    needed: frozenset[int] | None
    slots: list[int] | None


def _wanted(
    track: Track[VideoStream], listing: _Listing, choose: Callable[[int], list[int]], *, with_motion: bool
) -> _Wanted:
    shown = listing.shown
    keyframes = choose(len(shown))
    followers = [_follower(track, shown, keyframe) if with_motion else None for keyframe in keyframes]
    needed = {shown[keyframe] for keyframe in keyframes} | {time for time in followers if time is not None}
    return _Wanted(
        shown=shown,
        keyframes=keyframes,
        followers=followers,
        needed=None if listing.slots else frozenset(needed),
        slots=listing.slots,
    )


def _follower(track: Track[VideoStream], shown: list[int], keyframe: int) -> int | None:
    earliest = track.seconds(shown[keyframe]) + MOTION_SECONDS
    later = bisect_left(shown, earliest, lo=keyframe + 1, key=track.seconds)
    return shown[later] if later < len(shown) else None


def _decode(track: Track[VideoStream], interval: Interval, wanted: _Wanted) -> Iterator[Decoded]:
    """Frames as they are shown; of those that nobody needs some are left out."""
    if wanted.slots is None:
        yield from _decode_packets(track, interval, wanted.needed)
        return
    longer = interval._replace(end=interval.end + REORDER_SECONDS)
    for decoded, time in zip(_decode_packets(track, longer, None), wanted.slots, strict=False):
        decoded.frame.pts = time
        yield decoded


def _decode_packets(
    track: Track[VideoStream], interval: Interval, needed: frozenset[int] | None
) -> Iterator[Decoded]:
    context = track.stream.codec_context
    context.flags |= Flags.unaligned  # else FFmpeg may leave what is to be cut at the left
    declared = container_aspect(track.stream)
    for packet in track.packets(interval):
        is_needed = needed is None or packet.pts is None or packet.pts in needed
        if not is_needed and context.codec.intra_only:
            continue
        context.skip_frame = "DEFAULT" if is_needed else "NONREF"
        try:
            yield from _decoded(context, packet, declared)
        except av.error.FFmpegError:  # damaged: the next packets may still decode
            continue
    yield from _decoded(context, None, declared)


def _decoded(
    context: VideoCodecContext, packet: Packet[VideoStream] | None, declared: Fraction | None
) -> list[Decoded]:
    frames = context.decode(packet)
    return [Decoded(frame, declared, context.sample_aspect_ratio, context.name) for frame in frames]


@dataclass(slots=True, kw_only=True)
class _Picture:
    """A decoded keyframe and, once it is there, the picture after it."""

    index: int
    timestamp: int
    decoded: Decoded
    follower: int | None
    after: Decoded | None = None


def _pictures(frames: Iterator[Decoded], wanted: _Wanted) -> Iterator[_Picture]:
    """Pick the keyframes out of decoded frames. For one that is lost, the next that decodes stands in."""
    times = [wanted.shown[keyframe] for keyframe in wanted.keyframes]
    waiting: deque[_Picture] = deque()
    done = 0
    for decoded in frames:
        shown_at = decoded.frame.pts
        if shown_at is None:
            continue
        for picture in waiting:
            if picture.after is None and picture.follower is not None and picture.follower <= shown_at:
                picture.after = decoded
        while waiting and (waiting[0].follower is None or waiting[0].after is not None):
            yield waiting.popleft()
        if done < len(times) and times[done] <= shown_at <= wanted.shown[-1]:
            done = bisect_right(times, shown_at)
            index = bisect_right(wanted.shown, shown_at) - 1
            follower = wanted.followers[done - 1]
            waiting.append(_Picture(index=index, timestamp=shown_at, decoded=decoded, follower=follower))
        if done == len(times) and not waiting:
            return
    yield from waiting


def _check_decoded(name: str, wanted: _Wanted, *, count: int, reached: int) -> None:
    asked = len(wanted.keyframes)
    if count < DECODED_ENOUGH * asked or count == 0:
        raise MediaError(Status.CORRUPT, f"{count} of {asked} keyframes of {name} decode")
    if reached < WHOLE_ENOUGH * wanted.keyframes[-1]:
        last = len(wanted.shown)
        raise MediaError(
            Status.TRUNCATED, f"the video of {name} decodes up to frame {reached} of {last} only"
        )


def _frame(picture: _Picture, seconds: float, region: Region | None) -> Frame:
    rgb = _within(displayed(picture.decoded, "rgb24"), region)
    luma_after = None if picture.after is None else _within(displayed(picture.after, "gray"), region)
    return Frame(index=picture.index, seconds=seconds, rgb=rgb, luma_after=luma_after)


def _within(pixels: NDArray[np.uint8], region: Region | None) -> NDArray[np.uint8]:
    if region is not None:
        pixels = pixels[region.of(*pixels.shape[:2])]
    return np.ascontiguousarray(pixels, dtype=np.uint8)
