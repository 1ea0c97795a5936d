"""Clips made for tests: whole ones, and every kind of bad one. Each function writes a file, returns its path.

Pictures are grey bands whose brightness tells the number of the frame (`frame_number`), with a white and a
black corner by which turns can be told; sounds are pure tones. So each test can say what must come out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How the picture of a clip is made.

    Args:
        frames: how many.
        times_ms: when each is shown, for a variable frame rate; at `rate` where None.
        rgb: the pictures themselves, in place of the numbered ones.
        pixel_aspect: width of a pixel over its height, for the encoder; an MP4's header repeats it.
        fields: "tff" or "bff": interlaced, top or bottom field first; "prog": not.
    """

    frames: int = 25
    rate: int = 25
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    times_ms: Sequence[int] | None = None
    rgb: Sequence[NDArray[np.uint8]] | None = None
    pixel_aspect: Fraction | None = None
    fields: str = "prog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """How the sound of a clip is made.

    Args:
        hertz: the tone of each channel; 0 is silence.
        samples: (channel, sample) in place of the tones, full scale 1.
    """

    seconds: float = 1.0
    rate: int = 48_000
    layout: str = "mono"
    hertz: Sequence[float] = (440.0,)
    amplitude: float = 0.5
    codec: str = "aac"
    samples: NDArray[np.float32] | None = None


def frame_number(pixels: NDArray[np.uint8]) -> int:
    """The number, modulo 100, that a picture carries: units in its second quarter, tens in the lower half."""
    height = len(pixels)
    units, tens = pixels[3 * height // 8 - 2 : 3 * height // 8 + 2], pixels[3 * height // 4 :]
    return round((float(units.mean()) - 40) / 20) + 10 * round((float(tens.mean()) - 40) / 20)


def tones(sound: Sound) -> NDArray[np.float32]:
    """(channel, sample) pure tones."""
    if sound.samples is not None:
        return sound.samples
    time = np.arange(round(sound.seconds * sound.rate)) / sound.rate
    return np.stack([sound.amplitude * np.sin(2 * np.pi * hertz * time) for hertz in sound.hertz]).astype(
        np.float32
    )


def grey_pictures(picture: Picture) -> Iterator[NDArray[np.uint8]]:
    """(height, width, 3) frames; the top left corner is white, the top right black, so that turns show."""
    height, width = picture.height, picture.width
    for index in range(picture.frames):
        pixels = np.full((height, width, 3), 40 + 20 * (index % 10), dtype=np.uint8)
        pixels[height // 2 :] = 40 + 20 * (index // 10 % 10)
        pixels[: height // 4, : width // 4] = 255
        pixels[: height // 4, -width // 4 :] = 0
        yield pixels


def write(path: Path, *, picture: Picture | None = None, sound: Sound | None = None, **options: str) -> Path:
    """Write a clip; the container is told by the suffix, `options` go to it."""
    with _own_scheduling(), av.open(str(path), "w", options=options) as container:
        video = None if picture is None else _add_video(container, picture)
        audio = None if sound is None else _add_audio(container, sound)
        if picture is not None and video is not None:
            _encode_pictures(container, video, picture)
        if sound is not None and audio is not None:
            _encode_sound(container, audio, sound)
    return path


@contextmanager
def _own_scheduling() -> Iterator[None]:
    """Undo what SVT-AV1 does to root's thread that opens it: before all else on the machine, for ever."""
    if not hasattr(os, "sched_setscheduler"):  # Linux alone has it
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    os.sched_setscheduler(0, policy, parameters)


def _add_video(container: OutputContainer, picture: Picture) -> VideoStream:
    stream = container.add_stream(picture.codec, rate=picture.rate, options=picture.options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.pixel_format
    if picture.times_ms is not None:
        stream.codec_context.time_base = MILLISECOND
    if picture.pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = picture.pixel_aspect
    return stream


def _encode_pictures(container: OutputContainer, stream: VideoStream, picture: Picture) -> None:
    for index, pixels in enumerate(picture.rgb or grey_pictures(picture)):
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        if picture.times_ms is not None:
            frame.pts, frame.time_base = picture.times_ms[index], MILLISECOND
        if picture.fields != "prog":
            frame = _interlaced(frame, picture)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _interlaced(frame: VideoFrame, picture: Picture) -> VideoFrame:
    """The frame, saying that it holds two fields. Rows of chroma are the fields', too."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, picture.rate)
    )
    scaled = graph.add("scale", "interl=1")
    layout = graph.add("format", picture.pixel_format)
    said = graph.add("setfield", picture.fields)
    graph.link_nodes(source, scaled, layout, said, graph.add("buffersink")).configure()
    graph.push(frame)
    woven = graph.pull()
    assert isinstance(woven, VideoFrame)
    woven.pts = None
    return woven


def _add_audio(container: OutputContainer, sound: Sound) -> AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    assert isinstance(stream, AudioStream)
    return stream


def _encode_sound(container: OutputContainer, stream: AudioStream, sound: Sound) -> None:
    samples = np.ascontiguousarray(tones(sound))
    for start in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = AudioFrame.from_ndarray(piece, format="fltp", layout=sound.layout)
        frame.sample_rate, frame.pts = sound.rate, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def zero_byte(path: Path) -> Path:
    """A file of no bytes."""
    path.write_bytes(b"")
    return path


def text_named_mp4(path: Path) -> Path:
    """A web page saved under a clip's name, as failed downloads leave it."""
    path.write_text("<html><body>404 Not Found</body></html>\n" * 40, encoding="utf-8")
    return path


def cut_off(path: Path, *, share: float = 0.5, index_first: bool = True) -> Path:
    """A clip of which only the first `share` of the bytes arrived.

    Args:
        index_first: the MP4's index stands at the front, so that the part that is there can be read.
    """
    options = {"movflags": "faststart"} if index_first else {}
    noise = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), dtype=np.uint8)  # bytes for each frame
    write(path, picture=Picture(frames=50, rgb=list(noise)), sound=Sound(seconds=2.0), **options)
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])
    return path


def damaged(path: Path, *, share: float) -> Path:
    """A clip in which this share of the bytes between header and index is noise."""
    write(path, picture=Picture(frames=100, options={"g": "10"}), sound=Sound(seconds=4.0))
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    start = path.read_bytes().index(b"mdat") + 8
    end = path.read_bytes().index(b"moov") - 8
    random = np.random.default_rng(1)
    hit = start + random.choice(end - start, size=round(share * (end - start)), replace=False)
    content[hit] = random.integers(0, 255, size=len(hit))
    path.write_bytes(content.tobytes())
    return path


def no_audio(path: Path) -> Path:
    """A clip with a picture track only."""
    return write(path, picture=Picture())


def no_video(path: Path) -> Path:
    """A clip with a sound track only."""
    return write(path, sound=Sound())


def frames(path: Path, count: int) -> Path:
    """A clip of so many frames, without sound."""
    return write(path, picture=Picture(frames=count))


def rotated(path: Path, *, degrees: int, picture: Picture | None = None) -> Path:
    """A clip whose header asks players to turn it clockwise, as telephones record."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return turned(path, (cosine, sine, -sine, cosine), picture=picture)


def turned(path: Path, matrix: tuple[float, float, float, float], *, picture: Picture | None = None) -> Path:
    """An MP4 whose header asks for x' = a x + c y, y' = b x + d y; `matrix` is a, b, c, d."""
    write(path, picture=picture or Picture())
    a, b, c, d = matrix
    numbers = np.rint(np.array([a, b, 0, c, d, 0, 0, 0, 1 << 14]) * (1 << 16))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    content[place : place + 36] = numbers.astype(">i4").tobytes()
    path.write_bytes(bytes(content))
    return path


def filtered(path: Path, source: Path, bitstream_filter: str) -> Path:
    """The same packets, what a codec says in them changed; the new container says what the old one did."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        change = BitStreamFilterContext(bitstream_filter, stream, copy)
        for packet in [*old.demux(stream), None]:
            for changed in change.filter(packet if packet is None or packet.size else None):
                changed.stream = copy
                new.mux(changed)
            if packet is None or not packet.size:
                break
    return path


def matroska(path: Path, *, picture: Picture, **says: int) -> Path:
    """A Matroska clip whose header says this of its picture, in place of the words about its colours."""
    codes = {
        "DisplayWidth": "54b0",
        "DisplayHeight": "54ba",
        "PixelCropTop": "54bb",
        "PixelCropBottom": "54aa",
        "PixelCropLeft": "54cc",
        "PixelCropRight": "54dd",
    }
    colour = {"color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
    coloured = replace(picture, options=picture.options | colour)
    content = write(path, picture=coloured).read_bytes()
    begin = content.index(bytes.fromhex("54b28104"))  # DisplayUnit: unknown
    assert content[begin + 4 : begin + 6] == bytes.fromhex("55b0"), "no Colour"
    end = begin + 7 + content[begin + 6] - 0x80
    elements = b"".join(
        bytes.fromhex(codes[name]) + b"\x82" + value.to_bytes(2) for name, value in says.items()
    )
    spare = end - begin - len(elements)
    assert spare >= 2, f"{len(elements)} bytes for {end - begin}"
    elements += b"\xec" + bytes([0x80 + spare - 2]) + bytes(spare - 2)  # Void
    path.write_bytes(content[:begin] + elements + content[end:])
    return path


def disc(width: int, height: int, aspect: Fraction, *, x: float, y: float) -> NDArray[np.uint8]:
    """A black picture with a white disc that is round where pixels have this aspect.

    Args:
        x, y: its middle, as shares of width and height.
    """
    across, down = max(1.0, float(aspect)), max(1.0, float(1 / aspect))
    radius = min(width * across, height * down) / 5
    column = (np.arange(width) + 0.5 - x * width) * across
    row = (np.arange(height) + 0.5 - y * height) * down
    inside = (np.hypot(column, row[:, np.newaxis]) < radius).astype(np.uint8)
    return np.repeat(255 * inside[:, :, np.newaxis], 3, axis=2)


def bar(width: int, height: int, left: int) -> NDArray[np.uint8]:
    """A black picture with a yellow bar from top to bottom, a quarter of its width."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, left : left + width // 4, :2] = 220
    return pixels


def woven(earlier: NDArray[np.uint8], later: NDArray[np.uint8], fields: str) -> NDArray[np.uint8]:
    """A frame of two fields; `fields` is "tff" or "bff"."""
    pixels = later.copy()
    first = 0 if fields == "tff" else 1
    pixels[first::2] = earlier[first::2]
    return pixels


def variable_rate(path: Path, times_ms: Sequence[int]) -> Path:
    """A clip whose frames are shown at uneven times."""
    return write(path, picture=Picture(frames=len(times_ms), times_ms=times_ms))


def trimmed(path: Path, *, frames: int, hidden: int) -> Path:
    """A clip cut without re-encoding: its edit list hides the first frames, which the others need."""
    whole = write(path.with_name("whole.mp4"), picture=Picture(frames=frames, options={"bf": "0"}))
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is None or packet.dts is None or packet.duration is None:
                continue
            packet.pts -= hidden * packet.duration
            packet.dts -= hidden * packet.duration
            packet.stream = stream
            container.mux(packet)
    return path


def chaptered(path: Path, *, picture: Picture, sound: Sound, length_of_all: bool = False) -> Path:
    """A clip cut from an episode that has chapters: a third track named them, and nothing of it is left.

    Of MELD's clips this is the `data` track of handler SubtitleHandler: one frame declared, no packet.

    Args:
        length_of_all: the file's own duration is that of its longest track, the chapter, as some programs
            write it.
    """
    end = 3_600_000
    title = {"title": "Chapter 1"}
    with av.open(str(path), "w") as container:
        container.set_chapters(
            [{"id": 1, "start": 0, "end": end, "time_base": MILLISECOND, "metadata": title}]
        )
        video, audio = _add_video(container, picture), _add_audio(container, sound)
        _encode_pictures(container, video, picture)
        _encode_sound(container, audio, sound)
    if length_of_all:
        content = bytearray(path.read_bytes())
        place = content.index(b"mvhd") + 4 + 16  # version 0: after flags, two dates and the unit, 1/1000 s
        content[place : place + 4] = end.to_bytes(4)
        path.write_bytes(bytes(content))
    return path


def ten_bit(path: Path) -> Path:
    """A clip with 10 bits a colour."""
    return write(path, picture=Picture(pixel_format="yuv420p10le"))


def change_of_size(path: Path) -> Path:
    """An MPEG-TS recording whose picture grows from 64x48 to 96x64 in the middle."""
    small = write(path.with_name("small.ts"), picture=Picture())
    large = write(path.with_name("large.ts"), picture=Picture(width=96, height=64), output_ts_offset="1")
    path.write_bytes(small.read_bytes() + large.read_bytes())
    return path


def long(path: Path, *, seconds: int = 305, rate: int = 24) -> Path:
    """A clip of many frames, small in each: 305 s at 24 a second are 7,320."""
    picture = Picture(frames=seconds * rate, rate=rate, width=32, height=32, codec="mpeg4")
    sound = Sound(seconds=float(seconds), rate=16_000, codec="mp3")
    return write(path, picture=picture, sound=sound)


def surround(path: Path, *, seconds: float = 1.0) -> Path:
    """A clip with 5.1 sound: 300, 500, 700 (centre), 60, 900 and 1,100 Hz."""
    tones_of_channels = (300.0, 500.0, 700.0, 60.0, 900.0, 1100.0)
    return write(path, sound=Sound(seconds=seconds, layout="5.1", hertz=tones_of_channels))


def wav(path: Path, samples: NDArray[np.float32], *, rate: int = 16_000, codec: str = "pcm_s16le") -> Path:
    """A WAV file of one channel; `samples` at full scale 1."""
    return write(path, sound=Sound(samples=samples[np.newaxis], rate=rate, codec=codec))
