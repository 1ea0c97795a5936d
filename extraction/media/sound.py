"""The sound of a clip, or of a span of a longer file, as one channel of samples.

Paper: section 3.3 (the input of openSMILE). Which channel, at the file's own rate and before anything else:

- with a centre channel among more than two (5.1): the centre, which carries the dialogue; a downmix would add
  laughter and music;
- otherwise the mean of all channels (stereo), or the only one.

Samples lie within +-32767/32768: scaled by 32768 and cast to int16, as openSMILE's binding does, +1.0 would
become -32768.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from jaxtyping import Float32
from numpy.typing import NDArray

from extraction.extractor import MediaSpan
from extraction.media.container import CLOCK_TOLERANCE_SECONDS, Interval, Track, opened
from extraction.media.faults import MediaError
from summer.corpus import Status

LARGEST_SAMPLE = 32767 / 32768
RUN_UP_SECONDS = 0.5  # decoded before a span and dropped: MP3 and AAC frames need the ones before them
GAP_SECONDS = 0.1  # a jump of the track's clock that is a gap; containers with coarse clocks jitter by less
BLOCK_SECONDS = 1.0  # of sound worked on at once: less costs calls, more costs memory
DAMAGED_ENOUGH = 0.5  # share of packets that do not decode
SANE_RATES = (4_000, 768_000)  # Hz; a damaged header says any, and resampling from 1 Hz never ends
SAMPLE_KINDS = {
    name: np.dtype(kind)
    for name, kind in {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}.items()
}
MOST_SECONDS = 3600.0  # 230 MB of samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Pcm:
    """Sound in one channel.

    Args:
        samples: (sample,) float32 within +-32767/32768.
        sampling_rate: in Hz.
        start_seconds: when the first sample sounds, from the start of the span (of the file, without a span).
        channel_policy: "mono", "stereo mean", "centre of 5.1", ...
        native_rate: the file's own sampling rate in Hz.
        is_cut: the sound went on, beyond the most that was asked for.
    """

    samples: Float32[np.ndarray, " sample"]
    sampling_rate: int
    start_seconds: float
    channel_policy: str
    native_rate: int
    is_cut: bool = False

    @property
    def duration_seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / self.sampling_rate

    @property
    def peak(self) -> float:
        """Largest absolute sample, 0 to 1; 0 without samples."""
        return float(np.abs(self.samples).max(initial=0.0))


def read_pcm_of_one(
    span: MediaSpan, *, sampling_rate: int = 16_000, most_seconds: float = MOST_SECONDS
) -> Pcm:
    """Decode the sound of a span of one piece, cut to the sample at the file's own rate, then resampled.

    Args:
        sampling_rate: in Hz, of the result.
        most_seconds: sound beyond this length is left out, and `is_cut` says so.

    Raises:
        MediaError: no_audio, corrupt, missing; truncated if the sound ends before 0.9 of the duration
            that the header promises, or of the span.
    """
    interval = Interval.of(span)
    with opened(span.path, AudioStream) as track:
        pieces = _Pieces(sampling_rate, most_seconds)
        end: float | None = None
        for block in _blocks(track, interval):
            end = block.start_seconds + len(block.samples) / block.rate
            pieces.add(_cut(block, interval))
            if pieces.is_full:
                break
        if end is None:
            raise MediaError(Status.NO_AUDIO, f"the audio track of {track.name} holds no sound")
        if not pieces.is_full:
            track.check_reaches(end, interval)
        return pieces.joined(track.name, interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Some sound in one channel at the file's own rate."""

    samples: NDArray[np.float32]
    rate: int
    start_seconds: float
    policy: str


class _Kind(NamedTuple):
    """What a stream may change in its course; frames of one kind can be joined."""

    rate: int
    layout: str
    sample_format: str


def _blocks(track: Track[AudioStream], interval: Interval) -> Iterator[_Block]:
    """About a second each. The clock runs by counting samples, and follows the file's only over a gap."""
    frames: list[AudioFrame] = []
    kind = _Kind(0, "", "")
    start = clock = 0.0
    for frame in _decode(track, interval):
        if not SANE_RATES[0] <= frame.sample_rate <= SANE_RATES[1]:
            raise MediaError(
                Status.CORRUPT, f"{track.name} claims a sampling rate of {frame.sample_rate:,} Hz"
            )
        told = clock if frame.pts is None else track.seconds(frame.pts)
        this_kind = _Kind(frame.sample_rate, frame.layout.name, frame.format.name)
        is_gap = kind.rate == 0 or abs(told - clock) > GAP_SECONDS
        if frames and (is_gap or this_kind != kind or clock - start > BLOCK_SECONDS):
            yield _join(frames, start)
            frames, start = [], clock
        if is_gap:
            start = clock = told
        kind = this_kind
        frames.append(frame)
        clock += frame.samples / frame.sample_rate
    if frames:
        yield _join(frames, start)


def _decode(track: Track[AudioStream], interval: Interval) -> Iterator[AudioFrame]:
    context = track.stream.codec_context
    packets = failed = 0
    for packet in track.packets(interval, run_up_seconds=RUN_UP_SECONDS):
        packets += 1
        try:
            yield from context.decode(packet)
        except av.error.FFmpegError:  # damaged: the next packets may still decode
            failed += 1
    yield from context.decode(None)
    if failed > DAMAGED_ENOUGH * packets:
        raise MediaError(Status.CORRUPT, f"{failed} of {packets} sound packets of {track.name} do not decode")


def _join(frames: Sequence[AudioFrame], start_seconds: float) -> _Block:
    """Frames of one kind as one channel."""
    first = frames[0]
    names = _channel_names(first.layout)
    if len(names) == 1:
        chosen, policy = [0], "mono"
    elif len(names) > 2 and "FC" in names:
        chosen, policy = [names.index("FC")], f"centre of {first.layout.name}"
    else:
        chosen, policy = list(range(len(names))), f"{first.layout.name} mean"
    channels = _channels(frames, chosen, len(names))
    samples = channels[0] if len(chosen) == 1 else channels.mean(axis=0, dtype=np.float32)
    return _Block(samples=samples, rate=first.sample_rate, start_seconds=start_seconds, policy=policy)


def _channel_names(layout: AudioLayout) -> list[str]:
    """FL, FR, FC, ...; numbers where the file does not name its channels."""
    names = [channel.name for channel in layout.channels]
    return names if len(names) == layout.nb_channels else [str(place) for place in range(layout.nb_channels)]


def _channels(frames: Sequence[AudioFrame], chosen: Sequence[int], count: int) -> NDArray[np.float32]:
    """(channel, sample) float32, full scale 1. Straight from the planes: twice as fast as `to_ndarray`."""
    sample_format = frames[0].format
    kind = SAMPLE_KINDS[sample_format.name.removesuffix("p")]
    if sample_format.is_planar:
        samples = np.stack([_plane(frames, place, kind, 1) for place in chosen])
    else:
        samples = _plane(frames, 0, kind, count).reshape(-1, count).T[chosen]
    if kind.kind == "f":
        return samples.astype(np.float32, copy=False)
    full_scale = 1 << (8 * kind.itemsize - 1)
    middle = full_scale if kind.kind == "u" else 0
    scaled: NDArray[np.float32] = ((samples - np.float64(middle)) / full_scale).astype(np.float32)
    return scaled


def _plane(frames: Sequence[AudioFrame], place: int, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    pieces = [np.frombuffer(memoryview(frame.planes[place]), kind, frame.samples * count) for frame in frames]
    return np.concatenate(pieces)  # without the padding behind the samples


def _cut(block: _Block, interval: Interval) -> _Block:
    """What of a block lies in the interval, to the sample."""
    if interval.is_whole():
        return block
    first, end = (_samples_until(seconds, block) for seconds in (interval.start, interval.end))
    start = block.start_seconds + first / block.rate
    return _Block(samples=block.samples[first:end], rate=block.rate, start_seconds=start, policy=block.policy)


def _samples_until(seconds: float, block: _Block) -> int:
    """Samples of a block that sound before a time."""
    count = (seconds - block.start_seconds - CLOCK_TOLERANCE_SECONDS) * block.rate
    return math.ceil(min(max(count, 0.0), float(len(block.samples))))


class _Pieces:
    """Resamples blocks as they come; only the result is kept."""

    def __init__(self, sampling_rate: int, most_seconds: float) -> None:
        self._sampling_rate = sampling_rate
        self._most = round(most_seconds * sampling_rate)
        self._resampler: AudioResampler | None = None
        self._rate = 0  # of the blocks at hand; a stream may change it
        self._native_rate = 0
        self._start_seconds = 0.0
        self._policies: dict[str, None] = {}  # in order of appearance; a stream may change its layout
        self._pieces: list[NDArray[np.float32]] = []
        self._length = 0

    @property
    def is_full(self) -> bool:
        """Tell whether there is more sound than asked for."""
        return self._length > self._most

    def add(self, block: _Block) -> None:
        """Take in a block that follows the last."""
        if not len(block.samples):
            return
        if not self._policies:
            self._start_seconds = block.start_seconds
            self._native_rate = block.rate
        self._policies[block.policy] = None
        if self._resampler is None or block.rate != self._rate:
            self._flush()
            self._rate = block.rate
            self._resampler = AudioResampler(format="fltp", layout="mono", rate=self._sampling_rate)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(block.samples[np.newaxis]), format="fltp", layout="mono"
        )
        frame.sample_rate = block.rate
        self._keep(self._resampler.resample(frame))

    def joined(self, name: str, interval: Interval) -> Pcm:
        """All there is, at the end.

        Raises:
            MediaError: no_audio if nothing lay in the interval, corrupt if samples are not numbers.
        """
        self._flush()
        if not self._length:
            where = f"between {interval.start} and {interval.end} s" if not interval.is_whole() else "at all"
            raise MediaError(Status.NO_AUDIO, f"{name} has no sound {where}")
        samples = np.concatenate(self._pieces)[: self._most]
        if not np.isfinite(samples).all():
            raise MediaError(Status.CORRUPT, f"the sound of {name} holds samples that are not numbers")
        return Pcm(
            samples=samples.clip(-LARGEST_SAMPLE, LARGEST_SAMPLE),
            sampling_rate=self._sampling_rate,
            start_seconds=self._start_seconds - interval.start,
            channel_policy=", then ".join(self._policies),
            native_rate=self._native_rate,
            is_cut=self._length > self._most,
        )

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _keep(self, frames: Sequence[AudioFrame]) -> None:
        for frame in frames:
            self._pieces.append(frame.to_ndarray()[0].astype(np.float32))
            self._length += frame.samples
