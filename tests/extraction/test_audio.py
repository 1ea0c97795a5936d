"""ComParE against openSMILE reading the same file by itself, and every clip that has no features."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path

import numpy as np
import opensmile
import pytest
from numpy.typing import NDArray

from extraction import audio
from extraction.audio import ComParE
from extraction.extractor import Clip, Extractor, MediaSpan, Outcome
from extraction.functionals import functionals
from summer.corpus import Dialogue, Split, Status, Utterance
from tests import media_factory
from tests.media_factory import Sound

CREMA_D = [f"1001_DFA_{emotion}_XX" for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")]


@cache
def reference() -> opensmile.Smile:
    """openSMILE as its own documentation uses it."""
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )


def clip(
    path: Path | None, *, remark: str = "", start: float | None = None, end: float | None = None
) -> Clip:
    utterance = Utterance(
        id="train/0", split=Split.TRAIN, dialogue="0", turn=0, speaker="A", text="Hi.", label=""
    )
    span = None if path is None else MediaSpan(path=path, start_seconds=start, end_seconds=end)
    dialogue = Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,))
    return Clip(utterance=utterance, dialogue=dialogue, audio=span, remark=remark)


def extract(path: Path | None, *, remark: str = "") -> Outcome:
    return ComParE()([clip(path, remark=remark)])[0]


def vector(path: Path) -> NDArray[np.float32]:
    outcome = extract(path)
    assert outcome.vector is not None, outcome.reason
    return outcome.vector


def noise(count: int, *, level: float = 0.1) -> NDArray[np.float32]:
    """Whole numbers of 16 bits, so that a WAV file holds them exactly."""
    samples = (np.random.default_rng(count).normal(size=count) * level).clip(-0.9, 0.9)
    return (np.round(samples * 32768) / 32768).astype(np.float32)


def feature(features: NDArray[np.float32], name: str) -> float:
    return float(features[reference().feature_names.index(name)])


def test_features_are_those_of_opensmile_reading_the_file_itself(tmp_path: Path) -> None:
    path = media_factory.wav(tmp_path / "a.wav", noise(33_333))
    expected = reference().process_file(str(path)).to_numpy()[0]
    np.testing.assert_array_equal(vector(path), expected)
    assert expected.shape == (ComParE.dim,)


@pytest.mark.parametrize("count", [960, 1600, 16_001, 70_000])
@pytest.mark.parametrize("level", [0.0001, 0.1])
def test_features_are_those_that_its_own_class_gives(count: int, level: float) -> None:
    samples = noise(count, level=level) * np.sin(np.arange(count, dtype=np.float32) / 900)
    np.testing.assert_array_equal(functionals(samples), reference()(samples, 16_000).ravel())


def test_of_a_tone_and_of_a_click_as_well() -> None:
    tone = (0.3 * np.sin(np.arange(20_000) * 2 * np.pi * 220 / 16_000)).astype(np.float32)
    click = np.zeros(20_000, dtype=np.float32)
    click[7_000] = 0.9
    for samples in (tone, click):
        np.testing.assert_array_equal(functionals(samples), reference()(samples, 16_000).ravel())


@pytest.mark.real
@pytest.mark.parametrize("name", CREMA_D)
def test_real_speech_gives_what_opensmile_gives(shared: Path, name: str) -> None:
    path = shared / "media" / "crema_d" / f"{name}.wav"
    np.testing.assert_array_equal(vector(path), reference().process_file(str(path)).to_numpy()[0])


@pytest.mark.real
@pytest.mark.parametrize("name", CREMA_D)
def test_the_film_of_a_clip_has_the_loudness_and_pitch_of_its_wav(shared: Path, name: str) -> None:
    folder = shared / "media" / "crema_d"
    film, sound = vector(folder / f"{name}.flv"), vector(folder / f"{name}.wav")
    for measure in ("F0final_sma_percentile99.0", "pcm_RMSenergy_sma_range"):
        assert feature(film, measure) == pytest.approx(feature(sound, measure), rel=0.15)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_pitch_does_not_depend_on_the_rate_of_the_file(tmp_path: Path, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    buzz = sum(0.1 * np.sin(2 * np.pi * 200 * harmonic * time) for harmonic in range(1, 8))
    path = media_factory.wav(tmp_path / "a.wav", np.asarray(buzz, dtype=np.float32), rate=rate)
    assert feature(vector(path), "F0final_sma_quartile2") == pytest.approx(200, rel=0.02)


def test_a_sample_at_full_scale_changes_nothing_but_itself(tmp_path: Path) -> None:
    loud = noise(16_000)
    loud[8_000] = 1.0
    path = media_factory.wav(tmp_path / "a.wav", loud, codec="pcm_f32le")
    loud[8_000] = 32767 / 32768
    np.testing.assert_array_equal(vector(path), functionals(loud))
    with pytest.raises(ValueError, match="32767"):
        functionals(np.ones(16_000, dtype=np.float32))


def test_of_surround_sound_the_centre_is_measured(tmp_path: Path) -> None:
    surround = extract(media_factory.surround(tmp_path / "a.mp4"))
    centre = extract(media_factory.write(tmp_path / "b.mp4", sound=Sound(hertz=(700.0,))))
    assert surround.vector is not None
    assert centre.vector is not None
    assert surround.columns["channels"] == "centre of 5.1"
    name = "pcm_fftMag_spectralCentroid_sma_quartile2"
    assert feature(surround.vector, name) == pytest.approx(feature(centre.vector, name), rel=0.05)


def test_the_columns_tell_length_channels_and_peak(tmp_path: Path) -> None:
    outcome = extract(media_factory.wav(tmp_path / "a.wav", noise(24_000).clip(-0.1, 0.1)))
    assert set(outcome.columns) == set(ComParE.columns)
    assert outcome.columns["duration_seconds"] == pytest.approx(1.5)
    assert outcome.columns["channels"] == "mono"
    assert outcome.columns["peak_dbfs"] == pytest.approx(-20.0, abs=0.01)


@pytest.mark.parametrize("count", [960, 961, 1_024, 1_119, 1_120, 1_600, 2_560, 4_800])
def test_from_one_window_on_features_are_finite(tmp_path: Path, count: int) -> None:
    tone = media_factory.tones(Sound(seconds=count / 16_000, rate=16_000))[0]
    for name, samples in {"noise": noise(count), "tone": tone}.items():
        assert len(samples) == count
        assert np.isfinite(vector(media_factory.wav(tmp_path / f"{name}.wav", samples))).all()


def test_under_one_window_is_too_short(tmp_path: Path) -> None:
    outcome = extract(media_factory.wav(tmp_path / "a.wav", noise(959)))
    assert outcome.status is Status.TOO_SHORT
    assert "needs 0.06 s" in outcome.reason
    with pytest.raises(ValueError, match="959"):
        functionals(noise(959))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000, np.float32),
        np.full(16_000, 0.3, np.float32),
        noise(16_000, level=3e-5).clip(-6e-5, 6e-5),
    ],
    ids=["zeros", "a constant", "the last bits"],
)
def test_silence_is_no_audio(tmp_path: Path, samples: NDArray[np.float32]) -> None:
    outcome = extract(media_factory.wav(tmp_path / "a.wav", samples, codec="pcm_f32le"))
    assert outcome.status is Status.NO_AUDIO
    assert outcome.reason.startswith("silent")
    assert "-80 dBFS" in outcome.reason


def test_quiet_sound_is_not_silence(tmp_path: Path) -> None:
    assert vector(media_factory.wav(tmp_path / "a.wav", noise(16_000, level=3e-4))).any()


def test_bad_clips_have_a_status_and_spoil_no_neighbour(tmp_path: Path) -> None:
    good = media_factory.wav(tmp_path / "good.wav", noise(16_000))
    bad = {
        media_factory.zero_byte(tmp_path / "zero.mp4"): Status.CORRUPT,
        media_factory.text_named_mp4(tmp_path / "text.mp4"): Status.CORRUPT,
        media_factory.cut_off(tmp_path / "cut.mp4"): Status.TRUNCATED,
        media_factory.damaged(tmp_path / "damaged.mp4", share=0.5): Status.CORRUPT,
        media_factory.no_audio(tmp_path / "film.mp4"): Status.NO_AUDIO,
        tmp_path / "absent.mp4": Status.MISSING,
    }
    clips = [clip(path) for entry in bad for path in (entry, good)]
    outcomes = ComParE()(clips)
    assert [outcome.status for outcome in outcomes[::2]] == list(bad.values())
    assert all(outcome.reason for outcome in outcomes[::2])
    for outcome in outcomes[1::2]:
        assert outcome.vector is not None
        np.testing.assert_array_equal(outcome.vector, vector(good))


def test_a_remark_of_the_corpus_stays_with_the_row(tmp_path: Path) -> None:
    remark = "known to be corrupt"
    assert extract(None, remark=remark) == Outcome(status=Status.MISSING, reason=remark)
    assert extract(None).reason
    good = media_factory.wav(tmp_path / "a.wav", noise(16_000))
    assert extract(good, remark=remark).reason == remark
    assert extract(tmp_path / "absent.wav", remark=remark).reason.endswith(f". {remark}")


def test_sound_too_long_for_memory_is_cut_and_the_row_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "MOST_SECONDS", 1.0)
    outcome = extract(media_factory.wav(tmp_path / "a.wav", noise(32_000)))
    assert outcome.vector is not None
    assert outcome.columns["duration_seconds"] == 1.0
    assert outcome.reason == "only the first 1 s of the sound were used"


def test_the_end_of_a_five_minute_clip_counts(tmp_path: Path) -> None:
    samples = noise(305 * 16_000)
    samples[-8_000:] = noise(8_000, level=0.3)
    features = vector(media_factory.wav(tmp_path / "a.wav", samples))
    assert feature(features, "pcm_RMSenergy_sma_maxPos") > 0.99


def test_a_span_is_measured_as_the_same_samples_alone(tmp_path: Path) -> None:
    samples = noise(80_000)
    path = media_factory.wav(tmp_path / "long.wav", samples)
    outcome = ComParE()([clip(path, start=1.5, end=3.25)])[0]
    assert outcome.vector is not None
    np.testing.assert_array_equal(outcome.vector, functionals(samples[24_000:52_000]))


def test_it_travels_to_another_process_and_keeps_its_fingerprint(tmp_path: Path) -> None:
    path = media_factory.wav(tmp_path / "a.wav", noise(16_000))
    before = vector(path)  # openSMILE is loaded by now, and does not travel
    copy = pickle.loads(pickle.dumps(ComParE()))
    assert isinstance(copy, Extractor)
    assert copy.fingerprint == ComParE().fingerprint
    assert copy.settings["opensmile"] == opensmile.__version__
    np.testing.assert_array_equal(copy([clip(path)])[0].vector, before)


def test_opensmile_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    extract(media_factory.wav(tmp_path / "a.wav", noise(960)))
    extract(media_factory.damaged(tmp_path / "b.mp4", share=0.01))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_memory_stays_flat_over_five_hundred_clips(tmp_path: Path) -> None:
    path = media_factory.write(tmp_path / "a.mp4", sound=Sound(seconds=2.0))
    extractor = ComParE()
    extractor([clip(path)] * 50)
    before = resident_bytes()
    extractor([clip(path)] * 500)
    assert resident_bytes() - before < 20e6


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
