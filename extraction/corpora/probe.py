"""What a media file holds, told from its packets: quick, for nothing is decoded.

A file that demuxes well may still hold damaged pictures; only extraction, which decodes, finds those.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from extraction.media.display import pixel_aspect, square_size
from extraction.media.opening import open_recording

WHOLE_ENOUGH = 0.9  # share of the declared length that must be there; padding by encoders costs far less
USUAL_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}  # raw sound names no layout

av.logging.set_level(None)  # what is wrong with a file is told by the probe, not by FFmpeg on stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTrack:
    """The first moving picture.

    Args:
        width, height: in pixels, as stored.
        frames: counted, not declared.
        rate_hertz: on average; 0 where the file does not say.
        pixel_aspect: width of a pixel over its height.
    """

    width: int
    height: int
    frames: int
    rate_hertz: float
    pixel_aspect: Fraction = Fraction(1)

    @property
    def size(self) -> str:
        """Width and height in words, also of the picture in square pixels where it differs.

        Turns are not told: FFmpeg shows them on decoded frames.
        """
        stored = (self.width, self.height)
        shown = square_size(*stored, self.pixel_aspect)
        words = "{}x{}".format(*stored)
        return words if shown == stored else "{}, shown as {}x{}".format(words, *shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """The first sound."""

    rate_hertz: int
    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One file.

    Args:
        seconds: how long the longest of its pictures and sounds is, by their packets.
        declared_seconds: how long the file says that these are; 0 where it does not.
        fault: "missing" or "corrupt" if it cannot be read, "truncated" if its end is not there; else "".
        reason: of the fault, with values.
    """

    seconds: float = 0.0
    declared_seconds: float = 0.0
    picture: PictureTrack | None = None
    sound: SoundTrack | None = None
    fault: str = ""
    reason: str = ""


def probe(path: Path) -> Probe:
    """Look into a file; whatever it is, there is an answer."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return Probe(fault="missing", reason=f"it cannot be read: {error.strerror}")
    if size == 0:
        return Probe(fault="corrupt", reason="it is empty (0 bytes)")
    try:
        with open_recording(path) as container:
            return _probe_open(container)
    except av.error.ArgumentError:
        return Probe(fault="corrupt", reason=f"its {size} bytes are in none of the formats of recordings")
    except (av.error.FFmpegError, UnicodeError) as error:
        reason = error.args[1] if len(error.args) > 1 else str(error)
        return Probe(fault="corrupt", reason=f"FFmpeg cannot open its {size} bytes: {reason}")
    except OSError as error:
        return Probe(fault="missing", reason=f"it cannot be read: {error.strerror}")


def _probe_open(container: InputContainer) -> Probe:
    pictures = [track for track in container.streams.video if not _is_cover_art(track)]
    picture, sound = next(iter(pictures), None), next(iter(container.streams.audio), None)
    for track in (picture, sound):
        if track is not None and getattr(track, "codec_context", None) is None:  # not in PyAV's annotations
            return Probe(fault="corrupt", reason=f"the codec of its {track.type} is unknown to FFmpeg")
    ends, counts = _read_packets(container)
    declared = _declared_seconds(container)
    seconds = max(ends.values(), default=0.0)
    fault, reason = _fault(container, counts, seconds=seconds, declared=declared)
    return Probe(
        seconds=seconds,
        declared_seconds=declared,
        picture=None if picture is None else _picture(picture, counts.get(picture.index, 0)),
        sound=None if sound is None else _sound(sound),
        fault=fault,
        reason=reason,
    )


def _is_cover_art(track: VideoStream) -> bool:
    return bool(track.disposition & Disposition.attached_pic)


def _heard_or_seen(container: InputContainer) -> list[VideoStream | AudioStream]:
    """Pictures and sounds: chapters, subtitles and time codes promise what nobody looks for."""
    return [*container.streams.video, *container.streams.audio]


def _declared_seconds(container: InputContainer) -> float:
    """The word of the tracks that count where all of them give one, else the whole file's."""
    start = (container.start_time or 0) / av.time_base
    ends = [
        float(((track.start_time or 0) + track.duration) * track.time_base) - start
        for track in _heard_or_seen(container)
        if track.duration and track.time_base
    ]
    if ends and len(ends) == len(_heard_or_seen(container)):
        return max(ends)
    return container.duration / av.time_base if container.duration else 0.0


def _read_packets(container: InputContainer) -> tuple[dict[int, float], dict[int, int]]:
    """When each track ends, in seconds from the start of the file, and how many packets it has."""
    start = (container.start_time or 0) / av.time_base
    ends: dict[int, float] = {}
    counts: dict[int, int] = {}
    # Damage ends the file where it is, and the lengths tell. IndexError is what PyAV raises on a track that
    # nothing announced, which damaged FLV files have.
    with suppress(av.error.FFmpegError, IndexError):
        for packet in container.demux():
            if not packet.size or packet.stream.type not in ("video", "audio"):
                continue
            counts[packet.stream.index] = counts.get(packet.stream.index, 0) + 1
            if packet.pts is not None and packet.time_base is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - start
                ends[packet.stream.index] = max(end, ends.get(packet.stream.index, 0.0))
    return ends, counts


def _fault(
    container: InputContainer, counts: dict[int, int], *, seconds: float, declared: float
) -> tuple[str, str]:
    if not counts:
        return "corrupt", "it declares tracks but holds no data"
    if seconds < WHOLE_ENOUGH * declared:
        return "truncated", f"it ends at {seconds:.2f} s, and declares {declared:.2f} s"
    for track in _heard_or_seen(container):
        found = counts.get(track.index, 0)
        if found < WHOLE_ENOUGH * track.frames:
            return "truncated", f"it holds {found} of {track.frames} {track.type} packets"
    return "", ""


def _picture(track: VideoStream, frames: int) -> PictureTrack:
    rate = float(track.average_rate or 0)
    aspect = pixel_aspect(track.sample_aspect_ratio, track.codec_context.sample_aspect_ratio)
    return PictureTrack(
        width=track.width, height=track.height, frames=frames, rate_hertz=rate, pixel_aspect=aspect
    )


def _sound(track: AudioStream) -> SoundTrack:
    layout = track.layout.name
    return SoundTrack(rate_hertz=track.rate, layout=USUAL_LAYOUTS.get(layout, layout))
