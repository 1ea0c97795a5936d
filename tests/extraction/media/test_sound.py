"""Sound against tones whose pitch and level are known, SciPy's resampler, and samples written to the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from extraction.extractor import MediaSpan
from extraction.media import MediaError, Pcm, read_pcm
from summer.corpus import Status
from tests import media_factory
from tests.media_factory import Picture, Sound


def levels(pcm: Pcm) -> dict[int, float]:
    """Amplitude by whole Hz, of the middle of the sound."""
    rate = pcm.sampling_rate
    middle = len(pcm.samples) // 2
    samples = pcm.samples[middle - rate // 4 : middle + rate // 4].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) * 4 / len(samples)
    return dict(zip(range(0, rate, 2), spectrum, strict=False))


def noise(count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Whole numbers of 16 bits, so that a WAV file holds them exactly."""
    random = np.random.default_rng(seed)
    return (random.integers(-20_000, 20_000, count) / 32768).astype(np.float32)


def status_of(path: Path, start: float | None = None, end: float | None = None) -> Status:
    with pytest.raises(MediaError) as caught:
        read_pcm(MediaSpan(path=path, start_seconds=start, end_seconds=end))
    assert path.name in caught.value.reason
    return caught.value.status


def test_of_surround_sound_only_the_centre_is_heard(tmp_path: Path) -> None:
    pcm = read_pcm(MediaSpan(path=media_factory.surround(tmp_path / "a.mp4")))
    found = levels(pcm)
    assert pcm.channel_policy == "centre of 5.1"
    assert found[700] == pytest.approx(0.5, rel=0.05)
    assert max(found[hertz] for hertz in (300, 500, 60, 900, 1100)) < 0.002


def test_of_stereo_both_channels_are_heard_at_half_their_level(tmp_path: Path) -> None:
    sound = Sound(layout="stereo", hertz=(400.0, 1200.0))
    pcm = read_pcm(MediaSpan(path=media_factory.write(tmp_path / "a.mp4", sound=sound)))
    found = levels(pcm)
    assert pcm.channel_policy == "stereo mean"
    assert (found[400], found[1200]) == pytest.approx((0.25, 0.25), rel=0.05)


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("a.mp4", Sound(rate=44_100, hertz=(1000.0,))),
        ("a.mp4", Sound(rate=22_050, hertz=(1000.0,))),
        ("a.flv", Sound(rate=44_100, hertz=(1000.0,), codec="mp3")),
        ("a.wav", Sound(rate=8_000, hertz=(1000.0,), codec="pcm_u8")),
        ("a.wav", Sound(rate=48_000, hertz=(1000.0,), codec="pcm_s24le")),
        ("a.wav", Sound(rate=96_000, hertz=(1000.0,), codec="pcm_f32le")),
        ("a.flac", Sound(rate=48_000, hertz=(1000.0,), codec="flac")),
        ("a.mp3", Sound(rate=44_100, hertz=(1000.0,), codec="mp3")),
    ],
)
def test_a_tone_keeps_its_pitch_level_and_length(tmp_path: Path, name: str, sound: Sound) -> None:
    pcm = read_pcm(MediaSpan(path=media_factory.write(tmp_path / name, sound=sound)))
    found = levels(pcm)
    assert (pcm.sampling_rate, pcm.native_rate, pcm.channel_policy) == (16_000, sound.rate, "mono")
    assert found[1000] == pytest.approx(0.5, rel=0.06)  # LAME turns down by 5 %
    assert max(level for hertz, level in found.items() if abs(hertz - 1000) > 50) < 0.01
    assert pcm.duration_seconds == pytest.approx(1.0, abs=0.06)  # codecs pad to whole frames


def test_resampling_agrees_with_another_resampler(tmp_path: Path) -> None:
    sound = media_factory.tones(Sound(rate=48_000, hertz=(3000.0,)))[0]
    pcm = read_pcm(MediaSpan(path=media_factory.wav(tmp_path / "a.wav", sound, rate=48_000)))
    assert len(pcm.samples) == 16_000
    np.testing.assert_allclose(pcm.samples[200:-200], resample_poly(sound, 1, 3)[200:-200], atol=2e-3)


def test_samples_of_a_wav_at_the_wanted_rate_are_untouched(tmp_path: Path) -> None:
    samples = noise(70_001)
    pcm = read_pcm(MediaSpan(path=media_factory.wav(tmp_path / "a.wav", samples)))
    np.testing.assert_array_equal(pcm.samples, samples)
    assert pcm.start_seconds == 0.0


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (1.0, 2.5), (1.23456, 3.21098), (4.0, 4.375)])
def test_a_span_is_cut_to_the_sample(tmp_path: Path, start: float, end: float) -> None:
    samples = noise(70_000)
    path = media_factory.wav(tmp_path / "a.wav", samples)
    pcm = read_pcm(MediaSpan(path=path, start_seconds=start, end_seconds=end))
    first, last = int(np.ceil(start * 16_000)), int(np.ceil(end * 16_000))
    np.testing.assert_array_equal(pcm.samples, samples[first:last])
    assert pcm.start_seconds == pytest.approx(first / 16_000 - start, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "film"),
    [
        ("a.mp4", "aac", "libx264"),
        ("a.avi", "mp3", "mpeg4"),
        ("a.mkv", "aac", "libx264"),
        ("a.flv", "aac", "flv"),
    ],
)
def test_a_span_of_compressed_sound_is_the_whole_sound_cut(
    tmp_path: Path, name: str, codec: str, film: str
) -> None:
    sound = Sound(
        rate=16_000, samples=np.cumsum(noise(80_000))[np.newaxis] % 1 - np.float32(0.5), codec=codec
    )
    path = media_factory.write(tmp_path / name, sound=sound, picture=Picture(frames=125, codec=film))
    whole = read_pcm(MediaSpan(path=path))
    part = read_pcm(MediaSpan(path=path, start_seconds=2.5, end_seconds=4.0))
    first = round((2.5 + part.start_seconds - whole.start_seconds) * 16_000)
    expected = whole.samples[first : first + len(part.samples)]
    assert len(part.samples) == pytest.approx(24_000, abs=1)
    np.testing.assert_allclose(part.samples, expected, atol=1e-4)


def test_full_scale_does_not_wrap_to_the_other_end(tmp_path: Path) -> None:
    samples = np.tile(np.array([1.0, -1.0], dtype=np.float32), 8_000)
    pcm = read_pcm(MediaSpan(path=media_factory.wav(tmp_path / "a.wav", samples, codec="pcm_f32le")))
    as_openSMILE_does = (pcm.samples * 32768).astype(np.int16)
    np.testing.assert_array_equal(as_openSMILE_does, np.tile([32767, -32767], 8_000))


def test_sound_beyond_the_most_is_left_out_and_told(tmp_path: Path) -> None:
    samples = noise(48_000)
    path = media_factory.wav(tmp_path / "a.wav", samples)
    cut = read_pcm(MediaSpan(path=path), most_seconds=2.0)
    np.testing.assert_array_equal(cut.samples, samples[:32_000])
    assert cut.is_cut
    assert not read_pcm(MediaSpan(path=path), most_seconds=3.0).is_cut


def test_a_track_may_change_its_channels(tmp_path: Path) -> None:
    stereo = Sound(seconds=0.5, layout="stereo", hertz=(400.0, 400.0), codec="ac3")
    surround = Sound(seconds=0.5, layout="5.1", hertz=(60.0, 60.0, 400.0, 60.0, 60.0, 60.0), codec="ac3")
    parts = [
        media_factory.write(tmp_path / f"{offset}.ts", sound=sound, output_ts_offset=str(offset))
        for offset, sound in ((0.0, stereo), (0.5, surround))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    pcm = read_pcm(MediaSpan(path=path))
    assert pcm.channel_policy.startswith("stereo mean, then centre of 5.1")
    assert pcm.duration_seconds == pytest.approx(1.0, abs=0.1)
    assert levels(pcm)[60] < 0.01


def test_a_span_after_a_gap_is_found_by_the_clock_of_the_file(tmp_path: Path) -> None:
    low, high = Sound(hertz=(400.0,), codec="mp2"), Sound(hertz=(1200.0,), codec="mp2")
    parts = [
        media_factory.write(tmp_path / f"{offset}.ts", sound=sound, output_ts_offset=str(offset))
        for offset, sound in ((0, low), (5, high))
    ]
    path = tmp_path / "gap.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    pcm = read_pcm(MediaSpan(path=path, start_seconds=5.1, end_seconds=5.9))
    assert levels(pcm)[1200] == pytest.approx(0.5, rel=0.05)
    assert pcm.duration_seconds == pytest.approx(0.8, abs=1e-3)


def test_a_file_that_was_cut_off_is_truncated(tmp_path: Path) -> None:
    assert status_of(media_factory.cut_off(tmp_path / "a.mp4")) is Status.TRUNCATED
    whole = media_factory.wav(tmp_path / "b.wav", noise(16_000))
    whole.write_bytes(whole.read_bytes()[:20_000])
    assert status_of(whole) is Status.TRUNCATED
    assert len(read_pcm(MediaSpan(path=whole, end_seconds=0.5)).samples) == 8_000  # that part is there


def test_a_wav_that_does_not_know_its_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = media_factory.wav(tmp_path / "a.wav", noise(16_000))
    content = bytearray(path.read_bytes())
    data = content.index(b"data") + 4
    content[4:8] = content[data : data + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(content))
    np.testing.assert_array_equal(read_pcm(MediaSpan(path=path)).samples, noise(16_000))


def test_a_span_behind_the_end_is_truncated(tmp_path: Path) -> None:
    path = media_factory.wav(tmp_path / "a.wav", noise(32_000))
    assert status_of(path, 9.0, 10.0) is Status.TRUNCATED
    assert status_of(path, 1.0, 4.0) is Status.TRUNCATED


def test_little_damage_is_passed_over_and_much_is_corrupt(tmp_path: Path) -> None:
    assert (
        read_pcm(MediaSpan(path=media_factory.damaged(tmp_path / "a.mp4", share=0.0003))).duration_seconds > 3
    )
    assert status_of(media_factory.damaged(tmp_path / "b.mp4", share=0.5)) is Status.CORRUPT


def test_samples_that_are_not_numbers_are_corrupt(tmp_path: Path) -> None:
    samples = noise(16_000)
    samples[500] = np.nan
    path = media_factory.wav(tmp_path / "a.wav", samples, codec="pcm_f32le")
    assert status_of(path) is Status.CORRUPT


def test_a_senseless_sampling_rate_is_corrupt(tmp_path: Path) -> None:
    path = media_factory.wav(tmp_path / "a.wav", noise(16_000))
    content = bytearray(path.read_bytes())
    rate = content.index(b"fmt ") + 12
    content[rate : rate + 4] = (3).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    assert status_of(path) is Status.CORRUPT


def test_what_cannot_be_read_says_why_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(tmp_path / "absent.mp4") is Status.MISSING
    assert status_of(media_factory.zero_byte(tmp_path / "zero.mp4")) is Status.CORRUPT
    assert status_of(media_factory.text_named_mp4(tmp_path / "text.mp4")) is Status.CORRUPT
    assert status_of(media_factory.no_audio(tmp_path / "film.mp4")) is Status.NO_AUDIO
    assert capfd.readouterr() == ("", "")


@pytest.mark.real
def test_the_film_of_a_crema_d_clip_sounds_like_its_wav(shared: Path) -> None:
    for film in sorted((shared / "media" / "crema_d").glob("*.flv")):
        of_film = read_pcm(MediaSpan(path=film)).samples
        of_wav = read_pcm(MediaSpan(path=film.with_suffix(".wav"))).samples
        length = min(len(of_film), len(of_wav))
        assert abs(len(of_film) - len(of_wav)) < 1_600
        assert np.corrcoef(of_film[:length], of_wav[:length])[0, 1] > 0.95
