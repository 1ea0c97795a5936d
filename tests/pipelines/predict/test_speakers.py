"""Speakers without names: guessed when asked for, marked wherever they stand, never in place of a name."""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.corpora import Corpus
from extraction.transcripts import Line, Media, Transcript, conversation, read_transcript
from extraction.video.faces.crops import crop_folder
from extraction.weights import WeightsUnavailable
from extraction.weights.voice import voice_model
from pipelines.predict import speakers
from pipelines.predict.features import Read
from pipelines.predict.speakers import name_speakers
from summer.corpus import LabelSet, Modality, Status
from tests.media_factory import Sound, write
from tests.pipelines.extract.small_corpus import SmallCorpus, said
from tests.pipelines.predict.test_predict import home, predict, table
from tests.places import DEMO
from tests.summer.report.conversation.test_view import Reader

TURNS = (300.0, 700.0, 300.0, 700.0)  # Hz: who speaks in each second


class Tones:
    """An encoder that knows a voice by its pitch."""

    @staticmethod
    def vector(_: object, samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
        if not samples.any():
            return None
        loudest = np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples)
        return np.eye(2, dtype=np.float32)[int(loudest > 500)]


@pytest.fixture
def _tones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "voice_model", lambda: None)
    monkeypatch.setattr(speakers, "load_voice_encoder", lambda _: None)
    monkeypatch.setattr(speakers, "voice_vector", Tones.vector)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices in turn, a second each."""
    folder = tmp_path_factory.mktemp("talk")
    parts = [
        write(folder / f"{k}.wav", sound=Sound(seconds=1.0, rate=16_000, hertz=(hertz,), codec="pcm_s16le"))
        for k, hertz in enumerate(TURNS)
    ]
    return joined(parts, folder / "talk.wav")


def joined(parts: Sequence[Path], path: Path) -> Path:
    with wave.open(str(path), "wb") as out:
        for number, part in enumerate(parts):
            with wave.open(str(part), "rb") as one:
                if number == 0:
                    out.setparams(one.getparams())
                out.writeframes(one.readframes(one.getnframes()))
    return path


def lines(folder: Path, names: Sequence[str]) -> Path:
    told = [
        {"speaker": name, "text": f"line {k}", "start": float(k), "end": k + 0.9}
        for k, name in enumerate(names)
    ]
    path = folder / "words.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


@pytest.mark.usefixtures("_tones")
def test_guesses_are_marked_in_every_file_and_a_second_command_extracts_nothing(
    corpus: SmallCorpus, talk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = lines(tmp_path, ["", "", "", ""])
    typed = (talk, "--transcript", words, "--run", home(corpus) / "both", "--out", out, "--guess-speakers")
    shown = said(predict(*typed))
    assert "4 of 4 lines have a guessed speaker, one of 2, by voice and 0 faces; 0 of them" in shown
    assert "Speaker 2 (guessed)" in shown
    assert [row["speaker"] for row in table(out)] == ["Speaker 1", "Speaker 2", "Speaker 1", "Speaker 2"]
    assert {row["speaker_guessed"] for row in table(out)} == {"yes"}
    told = json.loads((out / "timeline.json").read_text(encoding="utf-8"))["utterances"]
    assert [(one["speaker"], one["speaker_guessed"]) for one in told[:1]] == [("Speaker 1", True)]
    assert "<v Speaker 2 (guessed)>line 1" in (out / "timeline.vtt").read_text(encoding="utf-8")
    page = json.loads(next(iter(Reader((out / "conversation.html").read_text("utf-8")).data.values())))
    assert [one["guessed"] for one in page["conversations"][0]["utterances"]] == [1, 1, 1, 1]
    assert [said(predict(*typed)).count("all of it before")] == [2]


def test_without_asking_lines_stay_as_they_are(corpus: SmallCorpus, talk: Path, tmp_path: Path) -> None:
    words = lines(tmp_path, ["", "Ada", "", ""])
    typed = (talk, "--transcript", words, "--run", home(corpus) / "words", "--out", tmp_path / "out")
    assert "guessed" not in said(predict(*typed))
    assert [(row["speaker"], row["speaker_guessed"]) for row in table(tmp_path / "out")][:2] == [
        ("", ""),
        ("Ada", ""),
    ]


@pytest.mark.usefixtures("_tones")
def test_names_stay_and_their_other_lines_are_marked(corpus: SmallCorpus, talk: Path, tmp_path: Path) -> None:
    words = lines(tmp_path, ["", "Ada", "", ""])
    typed = (talk, "--transcript", words, "--run", home(corpus) / "words", "--out", tmp_path / "out")
    said(predict(*typed, "--guess-speakers"))
    found = [(row["speaker"], row["speaker_guessed"]) for row in table(tmp_path / "out")]
    assert found == [("Speaker 1", "yes"), ("Ada", ""), ("Speaker 1", "yes"), ("Ada", "yes")]


@pytest.mark.usefixtures("_tones")
def test_words_alone_and_names_alone_are_said_to_give_nothing_to_guess(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    for number, (names, says) in enumerate(
        ((["", ""], "2 of 2 lines have no speaker; none is guessed"), (["Ada"], "none was guessed"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        typed = ("--transcript", lines(folder, names), "--run", home(corpus) / "words", "--out", folder / "o")
        assert says in said(predict(*typed, "--guess-speakers"))


def talked(media: Media | None, count: int = 4) -> tuple[Transcript, Corpus]:
    """Lines without names, a second each."""
    told = tuple(
        Line(speaker="", text="a", start_seconds=float(k), end_seconds=k + 0.9) for k in range(count)
    )
    transcript = Transcript(lines=told)
    labels = LabelSet(("joy",))
    return transcript, conversation(
        transcript, media, labels=labels, name="talk", most_utterances=99, pause_seconds=60.0
    )


@pytest.mark.usefixtures("_tones")
def test_a_face_that_is_surely_the_speakers_tells_apart_and_a_doubtful_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Colours:
        @staticmethod
        def embed(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            colours = crops.mean(axis=(1, 2)).astype(np.float32)
            return colours / np.linalg.norm(colours, axis=1, keepdims=True)

    monkeypatch.setattr(speakers, "vggface2", lambda: None)
    monkeypatch.setattr(speakers, "load_backbone", lambda *_: Colours())
    transcript, corpus = talked(None)
    for clip, colour in zip(corpus.clips, ((0, 0, 255), (0, 255, 0), (0, 0, 255), (0, 255, 0)), strict=True):
        place = crop_folder(tmp_path, clip.utterance.id)
        place.mkdir(parents=True)
        cv2.imwrite(str(place / "000000.png"), np.full((160, 160, 3), colour, dtype=np.uint8))
    read = Read()
    read.statuses[Modality.VIDEO] = [(Status.OK, "")] * 3 + [(Status.OK, "no face surely talks")]
    named = name_speakers(transcript, corpus, read, crops=tmp_path, device="cpu")
    assert [line.speaker for line in named.transcript.lines] == ["Speaker 1", "Speaker 2", "Speaker 1", ""]
    assert "and 1 stay without a name" in named.transcript.notes[-1]


@pytest.mark.weights
def test_the_two_made_up_voices_of_the_demo_are_told_apart(tmp_path: Path) -> None:
    try:
        voice_model()
    except WeightsUnavailable as problem:
        pytest.skip(str(problem))
    given = read_transcript(DEMO / "conversation.vtt")
    blank = replace(given, lines=tuple(replace(line, speaker="") for line in given.lines))
    media = Media.opened(DEMO / "conversation.mp4")
    corpus = conversation(
        blank, media, labels=LabelSet(("joy",)), name="talk", most_utterances=99, pause_seconds=60.0
    )
    named = name_speakers(blank, corpus, Read(), crops=tmp_path, device="cpu")
    found = [line.speaker for line in named.transcript.lines]
    assert all(found)
    assert len(set(found)) >= 2
