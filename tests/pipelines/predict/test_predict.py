"""`summer-predict` as a user types it: the run's own numbers again, whatever is missing, and mistakes."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipelines.predict.command import app
from pipelines.predict.page import beside
from summer.corpus import Split
from summer.report.conversation import ShownConversation
from summer.report.conversation.packing import packed
from summer.runs.reading import read_run
from summer.store import FeatureStore
from tests.media_factory import Sound, write
from tests.pipelines.extract.small_corpus import SmallCorpus, said
from tests.places import DEMO, REPOSITORY
from tests.summer.report.conversation.test_view import Reader


def home(corpus: SmallCorpus) -> Path:
    return corpus.folder.parent


def predict(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--device", "cpu", "--workers", "0"])


def table(out: Path) -> list[dict[str, str]]:
    with (out / "timeline.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def transcript(path: Path, rows: Sequence[dict[str, str]], times: Sequence[tuple[float, float]] = ()) -> Path:
    lines = [{"speaker": row["speaker"], "text": row["text"]} for row in rows]
    timed = [
        {**line, "start": start, "end": end}
        for line, (start, end) in zip(lines, times, strict=True)
    ] if times else lines  # fmt: skip
    path.write_text(json.dumps(timed), encoding="utf-8")
    return path


def test_a_transcript_of_the_test_split_gets_the_very_numbers_of_the_run(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    rows = [row for row in corpus.rows.values() if row["dialogue"] == "test1"]
    words = transcript(tmp_path / "words.json", rows)
    said(predict("--transcript", words, "--run", home(corpus) / "words", "--out", tmp_path / "out"))
    for one in read_run(home(corpus) / "words").predictions:
        if one.split is Split.TEST:
            wanted = dict(zip(one.ids, one.probabilities, strict=True))
            for row, shown in zip(rows, table(tmp_path / "out"), strict=True):
                found = [float(shown[f"{one.model}_{label}"]) for label in ("anger", "joy", "neutral")]
                labels = read_run(home(corpus) / "words").labels.names
                expected = [wanted[row["id"]][labels.index(label)] for label in ("anger", "joy", "neutral")]
                np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_sound_of_a_stretch_is_read_as_the_corpus_read_it(corpus: SmallCorpus, tmp_path: Path) -> None:
    row = corpus.rows["test0_1"]
    words = transcript(tmp_path / "words.json", [row], [(0.0, 99.0)])
    media = corpus.folder / row["media"]
    said(predict(media, "--transcript", words, "--run", home(corpus) / "both", "--out", tmp_path / "out"))
    with FeatureStore(tmp_path / "out" / "features" / "test0_1" / "audio.h5") as store:
        (found,) = store.features("raw")
    with FeatureStore(home(corpus) / "stores" / "clips" / "audio.h5") as store:
        ids = [utterance.id for utterance in store.rows.utterances]
        np.testing.assert_array_equal(found, store.features("raw")[ids.index("test0_1")])


def test_a_recording_gets_a_timeline_and_a_second_command_extracts_nothing(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    media = write(
        tmp_path / "talk.wav", sound=Sound(seconds=3.0, rate=16_000, hertz=(300.0,), codec="pcm_s16le")
    )
    rows = list(corpus.rows.values())[:3]
    words = transcript(tmp_path / "words.json", rows, [(0.0, 1.0), (0.5, 2.0), (5.0, 6.0)])
    typed = (media, "--transcript", words, "--run", home(corpus) / "both", "--out", tmp_path / "out")
    first = said(predict(*typed))
    assert "text: 3 of 3 utterances read" in first
    assert "audio: 2 of 3 utterances read" in first
    assert "past the end of the recording" in first
    assert "note: talk.wav has no picture" in first
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").glob("timeline.*"))}
    assert [path.suffix for path in before] == [".csv", ".json", ".vtt"]
    page = (tmp_path / "out" / "conversation.html").read_text(encoding="utf-8")
    assert "../talk.wav" in page
    assert all(row["text"] in page for row in rows)
    of_page = json.loads(next(iter(Reader(page).data.values())))
    looked = of_page["conversations"][0]["utterances"][1]["attends"]
    assert [one is not None for one in looked] == [True, True]
    assert all(looked[model][0] > 0 for model in range(2))
    again = said(predict(*typed))
    assert "text: 3 of 3 utterances read, all of it before" in again
    assert {path: path.read_bytes() for path in before} == before
    assert [row["audio_status"] for row in table(tmp_path / "out")] == ["ok", "ok", "missing"]


def test_the_page_names_the_recording_as_it_is_called_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    odd = "a film #1: 100 %?.mp4"
    assert beside(tmp_path / odd, tmp_path / "out") == f"../{odd}"
    inside = beside(tmp_path / "out" / odd, tmp_path / "out")
    assert inside == f"./{odd}"
    talk = ShownConversation(name="", labels=("joy",), utterances=(), film=inside)
    (drawn,) = packed([talk])["conversations"]
    assert unquote(drawn["film"]) == inside
    assert not set("#?: ") & set(drawn["film"])


def test_what_is_not_there_is_left_out_and_said(corpus: SmallCorpus, tmp_path: Path) -> None:
    words = transcript(tmp_path / "words.json", list(corpus.rows.values())[:2])
    typed = ("--transcript", words, "--run", home(corpus) / "both", "--out", tmp_path / "out")
    assert "note: audio is not read: there is no recording" in said(predict(*typed))
    assert set(table(tmp_path / "out")[0]) >= {"teacher", "student", "text_status"}
    one = said(predict(*typed, "--model", "teacher"))
    assert "as the teacher has it" in one


def test_another_run_in_the_same_folder_is_refused_until_it_may_overwrite(
    corpus: SmallCorpus, tmp_path: Path
) -> None:
    words = transcript(tmp_path / "words.json", list(corpus.rows.values())[:2])
    other = Path(shutil.copytree(home(corpus) / "words", tmp_path / "run"))
    typed = ("--transcript", words, "--out", tmp_path / "out")
    said(predict(*typed, "--run", other))
    features = other / "features" / "features.json"
    kept = json.loads(features.read_text())
    kept["text"]["settings"]["past_tokens"] = "7"
    features.write_text(json.dumps(kept))
    assert "--overwrite" in said(predict(*typed, "--run", other), exit_code=2)
    said(predict(*typed, "--run", other, "--overwrite"))


def test_an_extractor_that_is_another_is_refused_and_a_library_that_is_another_is_said(
    corpus: SmallCorpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = transcript(tmp_path / "words.json", list(corpus.rows.values())[:2])
    other = Path(shutil.copytree(home(corpus) / "words", tmp_path / "run"))
    features = other / "features" / "features.json"
    kept = json.loads(features.read_text())

    def typed(out: str, **settings: str) -> Result:
        changed = json.loads(json.dumps(kept))
        changed["text"]["settings"] |= settings
        features.write_text(json.dumps(changed))
        return predict("--transcript", words, "--run", other, "--out", tmp_path / out)

    assert "model another, here roberta" in said(typed("a", model="another"), exit_code=2)
    assert "has no alignment" in said(typed("b", fold_2="x, aligned by 123"), exit_code=2)
    said(typed("c", transformers="1.0"))
    assert "made by other versions than the run's: transformers 1.0, here" in caplog.text
    encoder = next((other / "features" / "text").iterdir())
    shutil.rmtree(encoder)
    assert "is gone" in said(typed("d"), exit_code=2)


def test_features_that_were_imported_are_left_out_and_said(corpus: SmallCorpus, tmp_path: Path) -> None:
    other = Path(shutil.copytree(home(corpus) / "both", tmp_path / "run"))
    features = other / "features" / "features.json"
    kept = json.loads(features.read_text())
    kept["audio"]["settings"] = {"source": "prosody.csv"}
    features.write_text(json.dumps(kept))
    media = corpus.folder / "test0_0.wav"
    words = transcript(tmp_path / "words.json", [corpus.rows["test0_0"]], [(0.0, 0.3)])
    shown = said(predict(media, "--transcript", words, "--run", other, "--out", tmp_path / "out"))
    assert "audio is not read: the run's audio features were imported (prosody.csv)" in shown


def test_mistakes_are_one_line_with_a_remedy(corpus: SmallCorpus, tmp_path: Path) -> None:
    words = transcript(tmp_path / "words.json", list(corpus.rows.values())[:2])
    run, out = home(corpus) / "words", tmp_path / "out"
    wrong = {
        "holds no run": ("--transcript", words, "--run", tmp_path, "--out", out),
        "what is said? Give --transcript": ("--run", run, "--out", out),
        "is no video or sound": (words, "--transcript", words, "--run", run, "--out", out),
        "not the stduent of seed 0": (
            "--transcript",
            words,
            "--run",
            run,
            "--out",
            out,
            "--model",
            "stduent",
        ),
        "not the teacher of seed 7": ("--transcript", words, "--run", run, "--out", out, "--seed", "7"),
    }
    for says, typed in wrong.items():
        assert says in said(predict(*typed), exit_code=2)
    assert not out.exists()


def test_the_command_and_the_program_of_the_page_run_as_they_stand(
    corpus: SmallCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (REPOSITORY / "docs" / "predict.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r"^summer-predict (.*)$", page, re.MULTILINE)
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home(corpus) / "both", "runs/demo")
    tone = Sound(seconds=3.0, rate=16_000, hertz=(300.0,), codec="aac")
    write(Path("holiday.mp4"), sound=tone)
    Path("holiday.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nROSS: I told you.\n")
    said(CliRunner().invoke(app, [*shlex.split(typed), "--device", "cpu", "--workers", "0"]))
    promised = re.findall(r"`holiday/(conversation\.html)`", page) + re.findall(r"`(timeline\.\w+)`", page)
    assert sorted(set(promised)) == sorted(path.name for path in Path("holiday").iterdir() if path.is_file())
    capsys.readouterr()
    exec(compile(program, "predict.md", "exec"), {})
    assert capsys.readouterr().out.startswith("ROSS I told you. (")


def test_the_first_program_of_the_readme_runs_as_it_stands(
    corpus: SmallCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    program = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0]
    assert "summer.predict(" in program
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home(corpus) / "both", "runs/demo")
    Path("data").mkdir()
    Path("data/demo").symlink_to(DEMO)
    capsys.readouterr()
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Mira Could you hold the ladder? (")
