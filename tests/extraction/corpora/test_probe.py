"""The probe: true answers for good files, an answer for any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest

from extraction.corpora.probe import PictureTrack, SoundTrack, probe
from tests import media_factory
from tests.extraction.corpora.trees import write_film

AUDIO_TAG, VIDEO_TAG = 8, 9


def _flv_tags(content: bytes) -> Iterator[int]:
    """Where the tags of an FLV file begin: after 9 + 4 bytes; each has 11 bytes, its data, 4 bytes."""
    place = 9 + 4
    while place < len(content):
        yield place
        place += 11 + int.from_bytes(content[place + 1 : place + 4]) + 4


def test_a_good_file_is_described(tmp_path: Path) -> None:
    found = probe(write_film(tmp_path / "a b ü.mp4", frames=15, size=(64, 48), rate=10, layout="5.1"))
    assert found.fault == ""
    assert found.picture == PictureTrack(width=64, height=48, frames=15, rate_hertz=10.0)
    assert found.sound == SoundTrack(rate_hertz=48000, layout="5.1")
    assert found.seconds == pytest.approx(1.5, abs=0.03)
    assert found.declared_seconds == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (None, "64x48"),
        (Fraction(1), "64x48"),
        (Fraction(9, 16), "64x48, shown as 64x85"),
        (Fraction(4, 3), "64x48, shown as 85x48"),
        (Fraction(40), "64x48"),
    ],
)
def test_the_size_is_told_as_stored_and_as_shown(tmp_path: Path, aspect: Fraction | None, size: str) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=media_factory.Picture(pixel_aspect=aspect))
    found = probe(path).picture
    assert found is not None
    assert (found.width, found.height, found.size) == (64, 48, size)


def test_sound_without_picture_and_picture_without_sound_are_described(tmp_path: Path) -> None:
    wav = probe(write_film(tmp_path / "a.wav", frames=5, picture=False, sample_rate=16000))
    assert (wav.picture, wav.sound) == (None, SoundTrack(rate_hertz=16000, layout="mono"))
    assert wav.seconds == pytest.approx(0.5, abs=0.001)
    assert probe(write_film(tmp_path / "a.mp4", sound=False)).sound is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"it is empty \(0 bytes\)"),
        (b"this is a text file named mp4\n" * 20, r"FFmpeg cannot open its 600 bytes: Invalid data"),
        (b"\x00" * 5000, r"FFmpeg cannot open its 5000 bytes"),
        (b"\xff\xfb\x90", r"FFmpeg cannot open its 3 bytes"),
    ],
)
def test_junk_is_corrupt(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "junk.mp4"
    path.write_bytes(content)
    found = probe(path)
    assert found.fault == "corrupt"
    assert re.match(reason, found.reason)


def test_a_file_without_its_end_is_truncated_or_corrupt(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "a.avi", frames=30).read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) // 2])
    found = probe(tmp_path / "a.avi")
    assert found.fault == "truncated"
    assert found.picture is not None
    assert found.picture.frames < 20
    matroska = media_factory.write(tmp_path / "a.mkv", picture=media_factory.Picture(frames=500)).read_bytes()
    (tmp_path / "a.mkv").write_bytes(
        matroska[: len(matroska) // 2]
    )  # declares a length, but no count of frames
    assert re.match(r"it ends at \d+\.\d\d s, and declares 20\.00 s", probe(tmp_path / "a.mkv").reason)
    index_at_end = write_film(tmp_path / "b.mp4", frames=30).read_bytes()
    (tmp_path / "b.mp4").write_bytes(index_at_end[: len(index_at_end) // 2])
    assert probe(tmp_path / "b.mp4").fault == "corrupt"


def test_a_file_that_ends_late_but_lacks_frames_is_truncated(tmp_path: Path) -> None:
    """One frame, a long wait, then most frames: half of the bytes last nearly as long as the whole."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)
    times = [0, *range(9500, 9975, 25)]
    picture = media_factory.Picture(frames=20, rgb=list(noise), times_ms=times, codec="mpeg4")
    path = media_factory.write(tmp_path / "a.mp4", picture=picture, movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = probe(path)
    assert found.seconds > 9.5
    assert found.fault == "truncated"
    assert found.reason.endswith(" of 20 video packets")


@pytest.mark.parametrize("length_of_all", [False, True])
def test_a_track_of_chapters_promises_nothing(tmp_path: Path, length_of_all: bool) -> None:
    picture, sound = media_factory.Picture(), media_factory.Sound(layout="stereo", hertz=(440.0, 440.0))
    path = media_factory.chaptered(
        tmp_path / "dia0_utt0.mp4", picture=picture, sound=sound, length_of_all=length_of_all
    )
    with av.open(str(path)) as container:
        chapters = container.streams[2]
        assert (chapters.type, chapters.frames) == ("data", 1)
        assert [packet.size for packet in container.demux(chapters)] == [0]  # the end of the file
    found = probe(path)
    assert (found.fault, found.reason) == ("", "")
    assert found.seconds == pytest.approx(1.0, abs=0.03)
    assert found.declared_seconds == pytest.approx(1.0, abs=0.03)


def test_an_unknown_codec_is_corrupt(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", picture=media_factory.Picture())
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert probe(path).fault == "corrupt"
    assert probe(path).reason == "the codec of its video is unknown to FFmpeg"


def test_a_track_that_nothing_announced_does_not_hide_the_others(tmp_path: Path) -> None:
    """A tag of an FLV file says what track it is of; past what FFmpeg looks ahead (90 s), one changes."""
    film = media_factory.Picture(frames=150, rate=1, codec="flv1")
    path = media_factory.write(tmp_path / "a.flv", picture=film)
    content = bytearray(path.read_bytes())
    tags = [place for place in _flv_tags(content) if content[place] == VIDEO_TAG]
    content[tags[-10]] = AUDIO_TAG
    path.write_bytes(content)
    found = probe(path).picture
    assert found is not None
    assert found.frames == 149


def test_damage_anywhere_is_an_answer(tmp_path: Path) -> None:
    whole = [write_film(tmp_path / name, frames=20).read_bytes() for name in ("a.mp4", "a.avi")]
    random = Random(0)
    faults = set()
    for number in range(100):
        content = bytearray(whole[number % 2])
        for _ in range(random.choice([1, 20, 200])):
            content[random.randrange(len(content))] = random.randrange(256)
        path = tmp_path / "damaged"
        path.write_bytes(content[random.choice([0, 0, 7]) :])
        faults.add(probe(path).fault)
    assert faults >= {"", "corrupt"}


@pytest.mark.parametrize("name", ["none.mp4", "x" * 300, "."])
def test_what_is_no_file_is_missing_or_corrupt_but_never_an_exception(tmp_path: Path, name: str) -> None:
    assert probe(tmp_path / name).fault in ("missing", "corrupt")


@pytest.mark.real
def test_real_clips_are_described(shared: Path) -> None:
    flv = probe(shared / "media" / "crema_d" / "1001_DFA_HAP_XX.flv")
    wav = probe(shared / "media" / "crema_d" / "1001_DFA_HAP_XX.wav")
    film = probe(shared / "media" / "facenet_video.mp4")
    assert flv.picture is not None
    assert (flv.picture.width, flv.picture.height, flv.fault) == (480, 360, "")
    assert (wav.picture, wav.sound) == (None, SoundTrack(rate_hertz=16000, layout="mono"))
    assert flv.seconds == pytest.approx(wav.seconds, abs=0.1)
    assert film.picture == PictureTrack(width=1920, height=1080, frames=105, rate_hertz=25.0)
