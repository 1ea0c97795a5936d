"""Real recordings through `summer-predict`, with transcripts written for them and without."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer import Typer
from typer.testing import CliRunner

from extraction import weights
from pipelines.extract.command import app as extract_app
from pipelines.predict.command import app as predict_app
from pipelines.train.command import app as train_app
from tests.pipelines.predict.small_runs import SHORT
from tests.places import DEMO

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.weights]
SRT = """1
00:00:00,000 --> 00:00:01,500
ANN: Look at <i>that</i>!

2
00:00:01,000 --> 00:00:02,900
- What is it?
- I do not know.

3
00:10:00,000 --> 00:10:02,000
BOB: Long after the end.
"""
VTT = """WEBVTT

00:00.000 --> 00:01.500
<v Ann>Look at that!

00:01.500 --> 00:02.900
<v Bob>What is it?
"""
CSV = "speaker,text,start,end\nAnn,Look at that!,0,1.5\nBob,What is it?,1.5,2.9\n"
JSON = json.dumps(
    [
        {"speaker": "Ann", "text": "Look at that!", "start": 0, "end": 1.5},
        {"speaker": "Bob", "text": "What is it?", "start": 1.5, "end": 2.9},
    ]
)
WRITTEN = {
    "facenet_video.mp4": ("srt", SRT, 4),
    "pyfeat_WolfgangLanger_Pexels.mp4": ("vtt", VTT, 2),  # its sound track is digital silence
    "pyfeat_single_face.mp4": ("csv", CSV, 2),
    "short_hamilton_clip.mp4": ("json", JSON, 2),
    "crema_d/1001_DFA_ANG_XX.flv": ("vtt", VTT, 2),
    "crema_d/1001_DFA_ANG_XX.wav": ("srt", SRT, 4),
}
SPOKEN = {  # the least that is understood: tiny.en hears "a jacket" as "to check it"
    "short_hamilton_clip.mp4": "",
    "crema_d/1001_DFA_HAP_XX.flv": "don't forget",
    "crema_d/1001_DFA_SAD_XX.wav": "don't forget",
}


def typed(app: Typer, *words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def done(app: Typer, *words: str | Path) -> str:
    result = typed(app, *words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on words, sound and faces of the demo corpus."""
    folder = tmp_path_factory.mktemp("run")
    extract = (
        "--dataset",
        "demo",
        "--root",
        DEMO,
        "--out",
        folder,
        "--workers",
        "0",
        "-o",
        "text.mode=frozen",
    )
    done(extract_app, *extract)
    done(train_app, "--recipe", "demo", "--features", folder / "demo", "--out", folder / "run", *SHORT)
    return folder / "run"


def lines(out: Path) -> list[dict[str, str]]:
    with (out / "timeline.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def expected_statuses(name: str) -> dict[str, str]:
    """Of an utterance that is within the recording."""
    silent, without_picture = name.startswith("pyfeat_Wolf"), name.endswith(".wav")
    audio = {"audio_status": "no_audio" if silent else "ok", "text_status": "ok"}
    return audio if without_picture else {**audio, "video_status": "ok"}


@pytest.mark.parametrize("name", WRITTEN)
def test_real_clips_with_transcripts_written_for_them(
    name: str, run: Path, shared: Path, tmp_path: Path
) -> None:
    suffix, content, wanted = WRITTEN[name]
    transcript = tmp_path / f"words.{suffix}"
    transcript.write_text(content, encoding="utf-8")
    media = shared / "media" / name
    done(predict_app, media, "--transcript", transcript, "--run", run, "--out", tmp_path / "out")
    rows = lines(tmp_path / "out")
    assert len(rows) == wanted
    for row in rows:
        late = row["text"] == "Long after the end."
        statuses = {key: status for key, status in row.items() if key.endswith("_status")}
        if not late:
            assert statuses == expected_statuses(name), row
        assert sum(float(p) for key, p in row.items() if key.startswith("student_")) == pytest.approx(
            1, abs=1e-3
        )
    assert "Look at that!" in (tmp_path / "out" / "conversation.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "timeline.vtt").read_text(encoding="utf-8").startswith("WEBVTT")


@pytest.mark.parametrize("name", SPOKEN)
def test_real_clips_without_a_transcript_are_heard(
    name: str, run: Path, shared: Path, tmp_path: Path
) -> None:
    pytest.importorskip("faster_whisper")
    try:
        weights.speech_model("tiny.en")
    except weights.WeightsUnavailable as reason:
        pytest.skip(str(reason))
    done(predict_app, shared / "media" / name, "--asr", "--run", run, "--out", tmp_path / "out")
    heard = " ".join(row["text"] for row in lines(tmp_path / "out")).lower()
    assert heard
    assert SPOKEN[name] in heard
