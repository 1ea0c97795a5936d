"""Ways in which a media file is damaged: each takes its bytes and a generator, and gives other bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]
HEADER_BYTES = 2048
EXTREMES = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\x00\x00\x00\x01" * 2,
    b"\xff\xff\xff\xfe" * 2,
    b"\x80" + b"\x00" * 7,
)
MP4_TAGS = (
    *("ftyp", "moov", "mvhd", "trak", "tkhd", "mdia", "mdhd", "hdlr", "minf", "stbl", "stsd", "stts"),
    *("ctts", "stsz", "stsc", "stco", "stss", "elst", "avc1", "mp4a", "esds", "avcC", "mp4v", "jpeg"),
    *("mdat", "udta", "meta"),
)
RIFF_TAGS = (
    *("RIFF", "AVI", "LIST", "hdrl", "avih", "strl", "strh", "strf", "movi", "idx1", "fmt", "data", "fact"),
    *("00dc", "01wb", "vids", "auds"),
)
OTHER_TAGS = [
    "OggS",
    "fLaC",
    "FLV",
    "ID3",
    "FORM",
    "COMM",
    "SSND",
    ".snd",
    "OpusHead",
    "vorbis",
    "Xing",
    "Info",
    "LAME",
]
EBML_CODES = (
    *("1a45dfa3", "18538067", "1549a966", "1654ae6b", "1f43b675", "1c53bb6b", "2ad7b1", "4489", "ae", "d7"),
    *("83", "86", "63a2", "e0", "b0", "ba", "e1", "b5", "9f", "6264", "23e383", "a3", "a0"),
)
EBML_TAGS = [bytes.fromhex(code) for code in EBML_CODES]
TAGS = [
    *(tag.encode() for tag in (*MP4_TAGS, *OTHER_TAGS)),
    *(tag.ljust(4).encode() for tag in RIFF_TAGS if tag),
    *EBML_TAGS,
]
TRACKS_SWAPPED = {
    b"vide": b"soun",
    b"avc1": b"mp4a",
    b"vids": b"auds",
    b"mp4v": b"sowt",
    b"H264": b"U\x00\x00\x00",
    b"V_MPEG4": b"A_FLAC\x00",
    b"\x83\x81\x01": b"\x83\x81\x02",
}


def header_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Some bytes of the beginning are others."""
    return _changed(content, random, count=int(random.integers(1, 17)), end=min(HEADER_BYTES, len(content)))


def index_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Some bytes of the end are others, where many containers have their index."""
    start = max(0, len(content) - HEADER_BYTES)
    return _changed(content, random, count=int(random.integers(1, 17)), start=start)


def packet_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """A share of all bytes is noise."""
    share = random.choice([0.0005, 0.005, 0.05, 0.5])
    return _changed(
        content, random, count=max(1, round(share * len(content))), start=min(64, len(content) - 1)
    )


def extremes(content: bytes, random: np.random.Generator) -> bytes:
    """Numbers of the header are 0, -1, or the largest that there are, wherever they stand."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        place = int(random.integers(0, max(1, min(HEADER_BYTES, len(content) - 8))))
        _put(changed, place, _extreme(random))
    return bytes(changed)


def lengths(content: bytes, random: np.random.Generator) -> bytes:
    """Sizes, counts, rates and measures: what stands beside the names that containers give their parts."""
    changed = bytearray(content)
    found = [(place, len(tag)) for tag in TAGS if (place := content.find(tag)) >= 0]
    for number in random.permutation(len(found))[: int(random.integers(1, 4))]:
        place, length = found[number]
        offset = int(random.choice([-4, length, length + 4, length + 8, length + 12, length + 24]))
        _put(changed, place + offset, _extreme(random))
    return bytes(changed)


def every_length(content: bytes, random: np.random.Generator) -> bytes:
    """The same number behind every such name of one kind."""
    changed, found = bytearray(content), [tag for tag in TAGS if tag in content]
    if not found:
        return extremes(content, random)
    tag, value = found[int(random.integers(len(found)))], _extreme(random)
    offset = int(random.choice([-4, len(tag), len(tag) + 4]))
    place = content.find(tag)
    while place >= 0:
        _put(changed, place + offset, value)
        place = content.find(tag, place + 1)
    return bytes(changed)


def cut_off(content: bytes, random: np.random.Generator) -> bytes:
    """The end is not there."""
    return content[: int(random.integers(1, len(content)))]


def beginning_lost(content: bytes, random: np.random.Generator) -> bytes:
    """The beginning is not there."""
    return content[int(random.integers(1, max(2, len(content) // 2))) :]


def blocks_moved(content: bytes, random: np.random.Generator) -> bytes:
    """A block is not there, there twice, or elsewhere."""
    first, second, third = sorted(random.integers(0, len(content), size=3).tolist())
    before, one, other, after = content[:first], content[first:second], content[second:third], content[third:]
    orders: Sequence[Sequence[bytes]] = (
        (before, other, after),
        (before, one, one, other, after),
        (before, other, one, after),
    )
    return b"".join(orders[int(random.integers(len(orders)))])


def emptied(content: bytes, random: np.random.Generator) -> bytes:
    """A run of bytes is zeros, as where a disk lost a block."""
    start = int(random.integers(0, len(content)))
    length = int(random.integers(1, 1 + len(content) // 3))
    return content[:start] + b"\0" * len(content[start : start + length]) + content[start + length :]


def tracks_swapped(content: bytes, random: np.random.Generator) -> bytes:
    """Pictures are called sound, and sound pictures."""
    mark = b"\x01SWAPPED\x02"
    for picture, sound in TRACKS_SWAPPED.items():
        size = len(picture)
        sound = sound[:size].ljust(size, b"\0")
        if random.random() < 0.7:
            content = content.replace(picture, mark).replace(sound, picture).replace(mark, sound)
    return content


DAMAGES: dict[str, Damage] = {
    one.__name__: one
    for one in (
        header_bytes,
        lengths,
        packet_bytes,
        cut_off,
        every_length,
        extremes,
        index_bytes,
        tracks_swapped,
        blocks_moved,
        emptied,
        beginning_lost,
    )
}


def _changed(
    content: bytes, random: np.random.Generator, *, count: int, start: int = 0, end: int | None = None
) -> bytes:
    changed = np.frombuffer(content, dtype=np.uint8).copy()
    places = random.integers(start, len(content) if end is None else end, size=count)
    changed[places] = random.integers(0, 256, size=count, dtype=np.uint8)
    return changed.tobytes()


def _extreme(random: np.random.Generator) -> bytes:
    size = int(random.choice([1, 2, 4, 8]))
    return EXTREMES[int(random.integers(len(EXTREMES)))][:size]


def _put(content: bytearray, place: int, value: bytes) -> None:
    if 0 <= place <= len(content) - len(value):
        content[place : place + len(value)] = value
