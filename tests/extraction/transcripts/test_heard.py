"""What is heard where there is no transcript: stretches, words cut into utterances, going on after a stop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from extraction import weights
from extraction.transcripts import Hearing, Media, TranscriptError, heard
from extraction.weights import Weights, WeightsUnavailable
from tests.media_factory import Sound, write
from tests.places import SHARED

HEARD = sys.modules["extraction.transcripts.heard"]
WEIGHTS = Weights(path=Path("none"), sha256="0" * 64, source="given", name="made up")


@dataclass
class Heard:
    """A word, as Whisper gives it."""

    word: str
    start: float
    end: float


class Whisper:
    """Hears one word per second of sound, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def transcribe(self, samples: np.ndarray, **_: object) -> tuple[Iterator[SimpleNamespace], None]:
        seconds = len(samples) / 16_000
        self.asked.append(seconds)
        words = [Heard(f" word{k}.", k + 0.2, k + 0.8) for k in range(int(seconds))]
        return iter([SimpleNamespace(words=words), SimpleNamespace(words=None)]), None


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> Whisper:
    """In place of the real one; stretches are three seconds long."""
    made = Whisper()
    monkeypatch.setattr(HEARD, "_loaded", lambda _: made)
    monkeypatch.setattr(HEARD, "STRETCH_SECONDS", 3.0)
    monkeypatch.setattr(HEARD, "SEARCH_SECONDS", 1.0)
    return made


@pytest.fixture
def talk(tmp_path: Path) -> Media:
    tone = Sound(seconds=8.0, rate=16_000, hertz=(300.0,), codec="pcm_s16le")
    return Media.opened(write(tmp_path / "talk.wav", sound=tone))


def listen(
    talk: Media, folder: Path, *, stop_after: int = 99
) -> tuple[list[tuple[str, float]] | None, list[float]]:
    told: list[float] = []
    found = heard(
        talk,
        Hearing(weights=WEIGHTS),
        folder=folder,
        on_progress=told.append,
        should_stop=lambda: len(told) > stop_after,
    )
    return None if found is None else [(line.text, line.start_seconds or 0.0) for line in found.lines], told


def test_stretches_follow_each_other_and_times_are_those_of_the_recording(
    whisper: Whisper, talk: Media, tmp_path: Path
) -> None:
    lines, told = listen(talk, tmp_path)
    assert lines is not None
    assert sum(whisper.asked) == pytest.approx(8.0, abs=0.01)
    assert max(whisper.asked) <= 4.0
    assert told[0] == 0.0
    assert told[-1] == pytest.approx(8.0)
    ends = np.cumsum([0.0, *whisper.asked])
    starts = [
        end + k + 0.2 for end, asked in zip(ends, whisper.asked, strict=False) for k in range(int(asked))
    ]
    assert [start for _, start in lines] == pytest.approx(starts, abs=0.01)


def test_a_stop_keeps_what_was_heard_and_the_next_run_goes_on(
    whisper: Whisper, talk: Media, tmp_path: Path
) -> None:
    whole, _ = listen(talk, tmp_path / "whole")
    count = len(whisper.asked)
    stopped, _ = listen(talk, tmp_path / "stopped", stop_after=1)
    assert stopped is None
    assert len(whisper.asked) == count + 1
    again, _ = listen(talk, tmp_path / "stopped")
    assert again == whole
    assert len(whisper.asked) == 2 * count
    listen(talk, tmp_path / "stopped")
    assert len(whisper.asked) == 2 * count  # all is known


def test_a_stretch_ends_where_it_is_quiet(whisper: Whisper, tmp_path: Path) -> None:
    import wave

    samples = np.full(8 * 16_000, 8000, dtype="<i2")
    samples[int(2.4 * 16_000) : int(2.5 * 16_000)] = 0
    with wave.open(str(tmp_path / "pause.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    listen(Media.opened(tmp_path / "pause.wav"), tmp_path)
    assert 2.4 <= whisper.asked[0] <= 2.5


def test_words_are_cut_at_the_ends_of_sentences_and_at_pauses() -> None:
    spoken = [
        Heard(" I", 0.0, 0.1),
        Heard(" know", 0.1, 0.4),
        Heard(' it."', 0.4, 0.6),
        Heard(" Do", 0.6, 0.7),
        Heard(" you", 0.7, 0.8),
        Heard(" well", 1.4, 1.6),
    ]
    cut = ["".join(word.word for word in words).strip() for words in HEARD.utterances_of(spoken)]
    assert cut == ['I know it."', "Do you", "well"]
    assert list(HEARD.utterances_of([])) == []


def test_nobody_speaking_no_sound_and_no_faster_whisper_are_said(
    whisper: Whisper, talk: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "transcribe", lambda *_, **__: (iter(()), None))
    with pytest.raises(TranscriptError, match="nobody is heard to speak"):
        listen(talk, tmp_path)
    silent = Media(path=talk.path, seconds=1.0, has_sound=False, has_picture=True)
    with pytest.raises(TranscriptError, match="has no sound to listen to"):
        listen(silent, tmp_path)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(TranscriptError, match=r"install it with pip install 'summer-merc\[asr\]'"):
        listen(talk, tmp_path / "other")


@pytest.mark.real
@pytest.mark.weights
def test_real_speech_is_understood(tmp_path: Path) -> None:
    clip = SHARED / "media" / "crema_d" / "1001_DFA_NEU_XX.wav"
    if not clip.is_file():
        pytest.skip(f"no real input: {clip} is absent (set SUMMER_SHARED to its place)")
    try:
        found = weights.speech_model("tiny.en")
    except WeightsUnavailable as reason:
        pytest.skip(str(reason))
    pytest.importorskip("faster_whisper")
    hearing = Hearing(weights=found, language="en")
    transcript = heard(
        Media.opened(clip), hearing, folder=tmp_path, on_progress=lambda _: None, should_stop=lambda: False
    )
    assert transcript is not None
    assert "don't forget a jacket" in " ".join(line.text for line in transcript.lines).lower()
