"""Media that are well formed and absurd, or no media at all, each with the statuses that are true of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from summer.corpus import Status
from tests.media_factory import Picture, Sound, no_audio, no_video, surround, write
from tests.torture.media_sources import SIDE_PIXELS, moving_face, tone

Expected = Mapping[str, frozenset[Status]]
Absurd = tuple[str, str, bytes, Expected]
TRACKS = 1000
ANY: Expected = {}
NEITHER: Expected = {
    name: frozenset({Status.CORRUPT, Status.NO_AUDIO, Status.NO_VIDEO}) for name in ("audio", "video")
}
NO_SOUND: Expected = {"audio": frozenset({Status.NO_AUDIO})}
NO_PICTURE: Expected = {"video": frozenset({Status.NO_VIDEO})}
LISTS = {
    ".m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    ".ffconcat": "ffconcat version 1.0\nfile /etc/passwd\n",
    ".sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ".mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="x"><Period/></MPD>',
    ".html.mp4": "<html><body>404 Not Found</body></html>\n" * 40,
}


def absurd_files(folder: Path) -> Iterator[Absurd]:
    """One after the other, made when they are asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from _sounds()
    yield from _pictures(folder)
    yield from _tracks(folder)
    for suffix, text in LISTS.items():
        yield f"a list or a page {suffix}", suffix, text.encode(), NEITHER
    yield "no bytes", ".mp4", b"", NEITHER
    yield "zeros", ".mp4", bytes(1 << 20), NEITHER
    yield "noise", ".mkv", np.random.default_rng(0).bytes(1 << 18), NEITHER
    yield "boxes in boxes", ".mp4", _nested_boxes(20_000), NEITHER
    yield (
        "elements in elements",
        ".mkv",
        bytes.fromhex("1a45dfa3") + bytes.fromhex("ae01ffffffffffffff") * 20_000,
        NEITHER,
    )


def _sounds() -> Iterator[Absurd]:
    noise = np.random.default_rng(1).integers(-9000, 9000, 16_000).astype("<i2").tobytes()
    corrupt: Expected = {"audio": frozenset({Status.CORRUPT})}
    for rate, true in (
        (1, corrupt),
        (7, corrupt),
        (3_999, corrupt),
        (4_000, ANY),
        (768_000, ANY),
        (768_001, corrupt),
        (2**31 - 1, corrupt),
        (2**32 - 1, ANY),
        (0, ANY),
    ):
        yield f"a WAV of {rate} Hz", ".wav", _wav(noise, rate=rate), true
    for channels in (0, 3, 64, 255, 1024, 65_535):
        yield f"a WAV of {channels} channels", ".wav", _wav(noise * 9, channels=channels), ANY
    for bits in (0, 1, 4, 12, 24, 32, 64, 65_535):
        yield f"a WAV of {bits} bits", ".wav", _wav(noise, bits=bits), ANY
    odd = np.array([np.nan, np.inf, -np.inf, 1e38, 0] * 4000, dtype="<f4").tobytes()
    yield "a WAV of numbers that are none", ".wav", _wav(odd, tag=3, bits=32), corrupt
    yield "a WAV that declares 4 GB", ".wav", _wav(noise, declared=2**32 - 9), ANY
    yield (
        "a WAV that declares 2 GB",
        ".wav",
        _wav(noise, declared=2**31 - 50_000),
        {"audio": frozenset({Status.TRUNCATED})},
    )
    yield "a WAV of silence", ".wav", _wav(bytes(64_000)), NO_SOUND
    yield "a WAV of 5 samples", ".wav", _wav(noise[:10]), {"audio": frozenset({Status.TOO_SHORT})}


def _wav(
    data: bytes,
    *,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    declared: int | None = None,
) -> bytes:
    size = len(data) if declared is None else declared
    block = min(65_535, channels * bits // 8)
    head = struct.pack(
        "<4sI4s4sIHHIIHH",
        b"RIFF",
        min(size + 36, 2**32 - 1),
        b"WAVE",
        b"fmt ",
        16,
        tag,
        channels,
        rate,
        rate * block & 0xFFFFFFFF,
        block,
        bits,
    )
    return head + struct.pack("<4sI", b"data", size) + data


def _pictures(folder: Path) -> Iterator[Absurd]:
    faces = moving_face()
    jpeg = write(
        folder / "jpeg.avi",
        picture=Picture(
            rgb=faces[:4], width=SIDE_PIXELS, height=SIDE_PIXELS, codec="mjpeg", pixel_format="yuvj420p"
        ),
    ).read_bytes()
    corrupt: Expected = {"video": frozenset({Status.CORRUPT})}
    for width, height, true in (
        (16_000, 16_000, corrupt),
        (65_535, 4_000, corrupt),
        (65_535, 65_535, corrupt),
        (65_500, 1, ANY),
        (1, 65_500, ANY),
        (1, 1, ANY),
        (0, 0, ANY),
    ):
        yield (
            f"JPEG pictures that declare {width} x {height}",
            ".avi",
            _with_jpeg_size(jpeg, width, height),
            true,
        )
    for width, height in ((2, 2), (16, 4096), (4096, 16)):
        picture = Picture(frames=3, width=width, height=height, codec="mpeg4")
        yield (
            f"pictures of {width} x {height}",
            ".mp4",
            write(folder / "size.mp4", picture=picture).read_bytes(),
            ANY,
        )
    years = [0, 40, 80, 31_536_000_000, 10**12]
    timed = Picture(rgb=faces[:5], width=SIDE_PIXELS, height=SIDE_PIXELS, times_ms=years)
    yield (
        "five pictures in thirty years",
        ".mkv",
        write(folder / "years.mkv", picture=timed).read_bytes(),
        ANY,
    )
    fast = Picture(rgb=faces, rate=100_000, width=SIDE_PIXELS, height=SIDE_PIXELS)
    yield "100,000 pictures a second", ".mp4", write(folder / "fast.mp4", picture=fast).read_bytes(), ANY
    yield "a picture of 1 x 8 pixels' shape", ".mkv", _oblong(folder), ANY


def _oblong(folder: Path) -> bytes:
    from fractions import Fraction

    picture = Picture(
        frames=3, width=4096, height=2160, pixel_aspect=Fraction(8), options={"preset": "ultrafast"}
    )
    return write(folder / "oblong.mkv", picture=picture).read_bytes()


def _with_jpeg_size(content: bytes, width: int, height: int) -> bytes:
    """Motion JPEG whose pictures say that they are of another size, and so do the AVI's headers."""
    changed = bytearray(content)
    place = content.find(b"\xff\xc0")
    while place >= 0:
        changed[place + 5 : place + 9] = struct.pack(">HH", height, width)
        place = content.find(b"\xff\xc0", place + 1)
    at = content.find(b"strf") + 8
    changed[at + 4 : at + 12] = struct.pack("<II", width, height)
    return bytes(changed)


def _tracks(folder: Path) -> Iterator[Absurd]:
    yield "a thousand sounds", ".mov", _many_sounds(folder / "sounds.mov"), NO_PICTURE
    yield "a thousand sounds", ".mkv", _many_sounds(folder / "sounds.mkv"), NO_PICTURE
    yield "a thousand pictures", ".mkv", _many_pictures(folder / "pictures.mkv"), NO_SOUND
    yield "a thousand pictures", ".mov", _many_pictures(folder / "pictures.mov"), NO_SOUND
    yield "pictures alone", ".mp4", no_audio(folder / "silent.mp4").read_bytes(), NO_SOUND
    yield "sound alone", ".mp4", no_video(folder / "blind.mp4").read_bytes(), NO_PICTURE
    yield (
        "5.1 sound",
        ".mp4",
        surround(folder / "surround.mp4").read_bytes(),
        {"audio": frozenset({Status.OK})},
    )
    long = Sound(seconds=3.0, rate=48_000, codec="aac")
    picture = Picture(rgb=moving_face()[:2], width=SIDE_PIXELS, height=SIDE_PIXELS)
    yield (
        "two pictures beside three seconds of sound",
        ".mp4",
        write(folder / "uneven.mp4", picture=picture, sound=long).read_bytes(),
        {"audio": frozenset({Status.OK})},
    )
    yield (
        "a sound beside a name of another container",
        ".mp4",
        write(folder / "name.wav", sound=tone("pcm_s16le")).read_bytes(),
        {"audio": frozenset({Status.OK})},
    )


def _many_sounds(path: Path) -> bytes:
    silence = np.zeros((1, 1024), dtype=np.int16)
    silence[0, ::3] = 4000
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(TRACKS)]
        for stream in streams:
            for start in (0, 1024):
                frame = AudioFrame.from_ndarray(silence, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path.read_bytes()


def _many_pictures(path: Path) -> bytes:
    pixels = np.full((16, 16, 3), 90, dtype=np.uint8)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mjpeg", rate=25) for _ in range(TRACKS)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        for stream in streams:
            container.mux(stream.encode(VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
    return path.read_bytes()


def _nested_boxes(depth: int) -> bytes:
    """MP4 boxes, each the only content of the one before it."""
    heads = [
        struct.pack(">I4s", 8 * (depth - level), b"moov" if level == 0 else b"trak") for level in range(depth)
    ]
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + b"".join(heads)
