"""A media file opened for one of its tracks: the packets of an interval.

Decoders get one thread: extraction runs a process per core, and threads inside a decoder then only cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from extraction.extractor import MediaSpan
from extraction.media.faults import (
    MOST_PIXELS,
    WHOLE_ENOUGH,
    MediaError,
    check_file,
    check_riff_size,
    damage,
    is_mp4,
    is_wav,
)
from extraction.media.opening import open_recording
from summer.corpus import Status

CLOCK_TOLERANCE_SECONDS = 1e-6  # the container's own start is rounded to a microsecond
GUESSING_FORMATS = frozenset({"mp3", "aac", "ac3", "eac3", "dts"})  # no header: duration is size / bit rate

# To learn a file's formats FFmpeg decodes pictures, 15 ms at 1080p; needless where only sound is read.
UNDECODED = [{"skip_frame": "all"}] * 32  # by track; more than the file has do no harm
# A WAV says in its header what it is; FFmpeg's search for DTS hidden in it costs 3 ms, as much as the rest.
LITTLE_PROBE = {"probesize": "4096"}

UNREADABLE = (
    av.error.FFmpegError,
    IndexError,
)  # the latter where damage looks like a track that is new to av

av.logging.set_level(None)  # what is wrong with a file is told by MediaError, not by the decoder on stderr

StreamT = TypeVar("StreamT", VideoStream, AudioStream)


class Interval(NamedTuple):
    """Half-open interval on the file's clock, in seconds; `end` is infinite where none was asked for.

    The file may end before it does by `slack`, and is whole all the same.
    """

    start: float
    end: float
    slack: float = 0.0

    @classmethod
    def of(cls, span: MediaSpan) -> Interval:
        """The interval that a span asks for."""
        end = math.inf if span.end_seconds is None else span.end_seconds
        return cls(span.start_seconds or 0.0, end, span.slack_seconds)

    def is_whole(self) -> bool:
        """Tell whether nothing was cut off."""
        return (self.start, self.end) == (0.0, math.inf)

    def is_after(self, seconds: float) -> bool:
        """Tell whether a time lies before the interval; times within a microsecond are equal."""
        return seconds + CLOCK_TOLERANCE_SECONDS < self.start

    def is_before(self, seconds: float) -> bool:
        """Tell whether a time lies at or after the interval's end."""
        return seconds + CLOCK_TOLERANCE_SECONDS >= self.end


class Track(Generic[StreamT]):
    """The first picture or sound track of an open file. Use `opened`."""

    def __init__(self, path: Path, kind: type[StreamT]) -> None:
        self.name = path.name
        self._path = path
        self._kind: type[StreamT] = kind
        self._first_time: int | None = None  # decoding time of the file's first packet, once it is known
        self._is_fresh = True  # nothing has been read since the file was opened
        self._open()

    def _open(self) -> None:
        is_sound_of_mp4 = self._kind is AudioStream and is_mp4(self._path)
        options = LITTLE_PROBE if is_wav(self._path) else {}
        self.container: InputContainer = open_recording(
            self._path, options=options, stream_options=UNDECODED if is_sound_of_mp4 else []
        )
        self.stream: StreamT = self._find_stream()
        self._check_size()
        self.stream.codec_context.thread_count = 1
        time_base = self.stream.time_base or Fraction(1)
        self._numerator, self._denominator = time_base.numerator, time_base.denominator  # fractions are slow
        self._start_seconds = (self.container.start_time or 0) / av.time_base

    def _find_stream(self) -> StreamT:
        streams = self.container.streams
        tracks: list[StreamT] = [stream for stream in streams if isinstance(stream, self._kind)]
        moving = [track for track in tracks if not track.disposition & Disposition.attached_pic]  # cover art
        if not moving:
            status = Status.NO_VIDEO if self._kind is VideoStream else Status.NO_AUDIO
            kinds = ", ".join(sorted({stream.type for stream in streams})) or "no tracks"
            raise MediaError(status, f"{self.name} has no {self.kind} track (it has: {kinds})")
        if moving[0].codec_context is None:
            raise MediaError(Status.CORRUPT, f"the {self.kind} codec of {self.name} is unknown to FFmpeg")
        return moving[0]

    def _check_size(self) -> None:
        if not isinstance(self.stream, VideoStream):
            return
        context = self.stream.codec_context
        context.options = {**context.options, "max_pixels": str(MOST_PIXELS)}  # where the size changes later
        if context.width * context.height > MOST_PIXELS:
            raise MediaError(
                Status.CORRUPT,
                f"{self.name} declares pictures of {context.width:,} x {context.height:,}, more than "
                f"{MOST_PIXELS:,} pixels",
            )

    @property
    def kind(self) -> str:
        """The word for it: video or audio."""
        return "video" if self._kind is VideoStream else "audio"

    @property
    def declared_end(self) -> float:
        """When the track ends by the header's word, on the file's clock; infinite where it does not say."""
        if self.container.format.name in GUESSING_FORMATS:
            return math.inf
        if self.stream.duration:
            return self.seconds((self.stream.start_time or 0) + self.stream.duration)
        return self.container.duration / av.time_base if self.container.duration else math.inf

    def check_reaches(self, end_seconds: float, interval: Interval) -> None:
        """Refuse a track that ends long before the interval does, or before the file's header says.

        Raises:
            MediaError: truncated: less than 0.9 of it is there.
        """
        if math.isinf(interval.end):
            check_riff_size(self._path)
        declared = self.declared_end
        asked = declared if math.isinf(interval.end) else interval.end
        if math.isinf(asked) or _is_whole_enough(end_seconds, asked - interval.slack, interval.start):
            return
        if not self.stream.duration and math.isinf(interval.end):
            # what is declared is the file's duration: another track may be the one that is so long
            end_seconds = max(end_seconds, self._end_of_all())
            if _is_whole_enough(end_seconds, asked, interval.start):
                return
        promise = "the header promises" if math.isinf(interval.end) else "the span asks for"
        reason = f"the {self.kind} of {self.name} ends at {end_seconds:.2f} s where {promise} {asked:.2f} s"
        raise MediaError(Status.TRUNCATED, reason)

    def _end_of_all(self) -> float:
        ends = [0.0]
        with (
            open_recording(self._path) as container,
            suppress(*UNREADABLE),  # damage ends the file where it is
        ):
            ends.extend(
                float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._start_seconds
                for packet in container.demux()
                if packet.pts is not None and packet.time_base
            )
        return max(ends)

    def seconds(self, timestamp: int) -> float:
        """A timestamp of this track on the file's clock."""
        return timestamp * self._numerator / self._denominator - self._start_seconds

    def packets(self, interval: Interval, *, run_up_seconds: float = 0.0) -> Iterator[Packet[StreamT]]:
        """Packets of the interval in decoding order, begun at a keyframe before it.

        Damage ends the file where it is: what follows cannot be found.
        """
        try:
            for packet in self._from_keyframe(max(0.0, interval.start - run_up_seconds)):
                timestamp = decoding_time(packet)
                if timestamp is not None and interval.is_before(self.seconds(timestamp)):
                    return
                if packet.size:
                    yield packet
        except UNREADABLE:
            return

    def _from_keyframe(self, seconds: float) -> Iterator[Packet[StreamT]]:
        is_fresh, self._is_fresh = self._is_fresh, False
        if is_fresh and seconds == 0.0:
            first, packets = self._demux()
            self._first_time = None if first is None else decoding_time(first)
            return packets
        found = self._seek_keyframe(seconds)
        if found is not None:
            return found
        self.container.close()  # no index, or one that leads too far: read from the beginning
        self._open()
        return self._demux()[1]

    def _seek_keyframe(self, seconds: float) -> Iterator[Packet[StreamT]] | None:
        """Packets from a keyframe that is shown by then: frames shown before theirs may not decode."""
        wanted = math.floor((seconds + self._start_seconds) * self._denominator / self._numerator)
        while self._seek(wanted):
            first, packets = self._demux()
            decoded_at = None if first is None else decoding_time(first)
            if first is None or decoded_at is None or not first.is_keyframe:  # MPEG-TS knows no keyframes
                return None
            shown_at = decoded_at if first.pts is None else first.pts
            if decoded_at == self._first_time or self.seconds(shown_at) <= seconds:
                return packets
            if decoded_at > wanted:
                return None
            wanted = decoded_at - 1
        return None

    def _demux(self) -> tuple[Packet[StreamT] | None, Iterator[Packet[StreamT]]]:
        packets = self.container.demux(self.stream)
        first = next(packets, None)
        return first, packets if first is None else chain([first], packets)

    def _seek(self, timestamp: int) -> bool:
        try:
            self.container.seek(timestamp, stream=self.stream)
        except (av.error.FFmpegError, OverflowError):  # the latter of a time that FFmpeg cannot count to
            return False
        return True


def decoding_time(packet: Packet[StreamT]) -> int | None:
    """When a packet must be decoded, which is never after it is shown; None where the file gives no time."""
    return packet.pts if packet.dts is None else packet.dts


def _is_whole_enough(end: float, asked: float, start: float) -> bool:
    return end - start >= WHOLE_ENOUGH * (asked - start)


@contextmanager
def opened(path: Path, kind: type[StreamT]) -> Iterator[Track[StreamT]]:
    """Open a file for one track.

    Raises:
        MediaError: missing, corrupt, no_video or no_audio; also for what FFmpeg finds wrong while it is open.
    """
    check_file(path)
    try:
        track = Track(path, kind)
    except MediaError:
        raise
    except (
        av.error.FFmpegError,
        ValueError,
    ) as error:  # av's own words for names and tracks that make no sense
        raise damage(path, error) from error
    try:
        yield track
    except av.error.FFmpegError as error:
        raise damage(path, error) from error
    finally:
        track.container.close()
