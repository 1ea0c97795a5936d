"""What the process that predicts makes of what people give: an answer without paths, or a sentence."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest

from pipelines.serve import child
from pipelines.serve.child import answered, check
from pipelines.serve.messages import FULL, NOT_YOURS
from pipelines.serve.questions import Answer, Question, Refusal, Setting, SpokenLine, Stage
from summer.durable import DiskError
from tests.media_factory import Sound, write
from tests.pipelines.serve.small_run import small_run

WORDS = (
    "WEBVTT\n\n00:00.000 --> 00:01.000\n<v Mira>I told you.\n\n00:01.000 --> 00:02.000\n<v Jonas>You did.\n"
)


class Pipe:
    """Keeps what is sent to the server."""

    def __init__(self) -> None:
        self.sent: list[Stage] = []

    def send(self, stage: Stage) -> None:
        self.sent.append(stage)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


def setting(run: Path, *, most_seconds: float = 60.0) -> Setting:
    return Setting(
        run=run,
        device="cpu",
        workers=0,
        asr_model=None,
        guesses_speakers=False,
        most_seconds=most_seconds,
        most_lines=2,
    )


def said_of(question: Question, run: Path, **limits: float) -> Answer | Refusal:
    return answered(question, setting(run, **limits), child.Reporter(Pipe()))  # type: ignore[arg-type]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "recording").mkdir()
    tone = Sound(seconds=3.0, rate=16_000, hertz=(300.0,), codec="pcm_s16le")
    return write(tmp_path / "recording" / "my talk.wav", sound=tone)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "transcript").mkdir()
    (tmp_path / "transcript" / "my words.vtt").write_text(WORDS)
    return tmp_path / "transcript" / "my words.vtt"


def test_a_recording_becomes_a_page_and_timelines_that_name_no_place(
    run: Path, film: Path, words: Path, tmp_path: Path
) -> None:
    pipe, out = Pipe(), tmp_path / "out"
    question = Question(recording=film, transcript=words, out=out)
    answer = answered(question, setting(run), child.Reporter(pipe))  # type: ignore[arg-type]
    said = (("Mira", "I told you."), ("Jonas", "You did."))
    assert answer == Answer(speakers={"Mira": 1, "Jonas": 1}, lines=tuple(SpokenLine(*one) for one in said))
    doings = list(dict.fromkeys(stage.doing for stage in pipe.sent))
    assert doings == ["reading the words", "reading the sound", "drawing the page"]
    assert Stage("reading the words", 2, 2) in pipe.sent
    for name in ("conversation.html", "timeline.csv", "timeline.json", "timeline.vtt"):
        content = (out / name).read_text(encoding="utf-8")
        assert str(tmp_path) not in content
        assert str(run) not in content
    page = (out / "conversation.html").read_text(encoding="utf-8")
    assert '"film":"recording"' in page
    assert "my talk.wav" in page


def test_corrected_names_are_what_the_models_are_asked_about(
    run: Path, film: Path, words: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said_of(Question(recording=film, transcript=words, out=out), run)
    renamed = Question(recording=film, transcript=words, out=out, names={"Jonas": "Yonas"})
    answer = said_of(renamed, run)
    assert isinstance(answer, Answer)
    assert answer.speakers == {"Mira": 1, "Jonas": 1}  # as the transcript has them
    assert [line.speaker for line in answer.lines] == ["Mira", "Yonas"]
    with (out / "timeline.csv").open(newline="", encoding="utf-8") as file:
        assert [row["speaker"] for row in csv.DictReader(file)] == ["Mira", "Yonas"]


def test_a_line_is_another_speakers_and_called_as_that_one_is(run: Path, words: Path, tmp_path: Path) -> None:
    names = {"Jonas": "Yonas"}
    question = Question(
        recording=None, transcript=words, out=tmp_path / "out", names=names, line_names={0: "Jonas"}
    )
    answer = said_of(question, run)
    assert isinstance(answer, Answer)
    assert answer.speakers == {"Jonas": 2}
    assert [line.speaker for line in answer.lines] == ["Yonas", "Yonas"]


def test_words_alone_will_do(run: Path, words: Path, tmp_path: Path) -> None:
    question = Question(recording=None, transcript=words, out=tmp_path / "out")
    assert isinstance(said_of(question, run), Answer)
    assert '"film"' not in (tmp_path / "out" / "conversation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("talk.mp4", b"hello\n" * 40, "talk.mp4 is no video or sound that can be read"),
        ("talk.mp4", b"", "talk.mp4 is no video or sound that can be read: it is empty"),
        ("talk.mp4", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "talk.mp4 is a picture"),
        ("talk.mp4", b"#EXTM3U\n/etc/passwd\n", "talk.mp4 is a playlist"),
        ("talk.m3u8", b"#EXTM3U\nhttp://a.example/x.ts\n", "talk.m3u8 is a playlist"),
        ("talk.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n", "talk.mp4 is a playlist"),
        ("talk.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "talk.sdp is a playlist"),
    ],
)
def test_what_is_no_recording_is_called_what_it_is(
    words: Path, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    wrong = tmp_path / name
    wrong.write_bytes(content)
    said = said_of(Question(recording=wrong, transcript=words, out=tmp_path / "out"), tmp_path / "no run")
    assert isinstance(said, Refusal)
    assert said.message.startswith(says)
    assert str(tmp_path) not in said.message
    assert not (tmp_path / "out").exists()


def test_what_is_too_long_or_has_too_many_lines_is_refused_with_the_limit(
    film: Path, words: Path, tmp_path: Path
) -> None:
    question = Question(recording=film, transcript=words, out=tmp_path / "out")
    said = said_of(question, tmp_path, most_seconds=2.0)
    assert said == Refusal(
        "my talk.wav lasts 3 seconds, and this server takes at most 2 seconds; give a piece of it"
    )
    words.write_text(WORDS + "\n00:02.000 --> 00:03.000\nAnd so on.\n")
    assert said_of(question, tmp_path) == Refusal(
        "my words.vtt has 3 lines, and this server takes at most 2; give a piece of it"
    )


def test_without_words_nothing_can_be_said(film: Path, tmp_path: Path) -> None:
    said = said_of(Question(recording=film, transcript=None, out=tmp_path / "out"), tmp_path)
    assert isinstance(said, Refusal)
    assert said.message.startswith("what is said? Give a transcript")
    said = said_of(Question(recording=None, transcript=None, out=tmp_path / "out"), tmp_path)
    assert isinstance(said, Refusal)
    assert said.message.startswith("there is nothing to read")


@pytest.mark.parametrize(
    "error",
    [
        DiskError("cannot write x: the disk is full; free some space"),
        OSError(errno.ENOSPC, "No space left", "/x"),
    ],
)
def test_a_full_disk_is_told(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(child, "predict", full)
    said = said_of(Question(recording=None, transcript=words, out=tmp_path / "out"), tmp_path)
    assert said == Refusal(FULL)


def test_what_is_wrong_with_the_run_is_for_the_log(words: Path, tmp_path: Path) -> None:
    said = said_of(Question(recording=None, transcript=words, out=tmp_path / "out"), tmp_path / "none")
    assert said == Refusal(NOT_YOURS)
    with pytest.raises(ValueError, match="holds no run"):
        check(setting(tmp_path / "none"))


def test_a_reporter_sends_how_far_it_is() -> None:
    pipe = Pipe()
    reporter = child.Reporter(pipe)  # type: ignore[arg-type]
    with reporter.listening(3.0) as watch:
        watch.show(1.5, 3.0, 0)
        assert not watch.should_stop()
    assert pipe.sent == [Stage("listening", 0, 3.0), Stage("listening", 1.5, 3.0)]
