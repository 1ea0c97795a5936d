"""`summer-report` as a user types it: what the page holds, and what every mistake says."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.attended import shown_attention
from pipelines.report import conversations
from pipelines.report.command import app
from pipelines.report.given import read_given
from summer.corpus import LabelSet, Modality
from summer.report.document import MARK
from summer.runs.model import load_model
from tests.pipelines.report.made_up_report import REASON, made_corpus, made_run, made_stores
from tests.pipelines.train.test_train import refusal
from tests.summer.report.conversation.made_up_talk import EVIL
from tests.summer.report.conversation.test_view import Reader


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_stores(tmp_path_factory.mktemp("data") / "made-up")


@pytest.fixture(scope="module")
def run(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("runs") / "tiny", stores)


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def written(out: Path, *words: str | Path) -> str:
    result = typed(*words, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"wrote {out}: " in result.output
    return out.read_text("utf-8")


def test_a_page_of_stores_and_a_run_has_every_section(stores: Path, run: Path, tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", stores, run)
    titles = re.findall(r"<h2 id=\"t\d+\">(.*?)</h2>", page)
    assert titles == [
        "What is there",
        "What is not ok",
        "Remarks",
        "Whose face",
        "Sound and other measures",
        "Drift between splits",
        "Run tiny",
        "Conversations",
    ]
    assert "Student Model" in page
    assert "phi of each attention" in page
    assert "tau of each SDMoE" in page
    assert "weight of each modality" in page
    assert "Test utterances by t-SNE, before and after student" in page


def test_the_command_that_retries_names_the_folder_that_the_store_came_from(
    stores: Path, tmp_path: Path
) -> None:
    page = written(tmp_path / "report.html", stores / "video.h5")
    command = f"--modality video --out {stores.parent} --retry-failed"
    assert f"summer-extract --dataset MANIFEST.csv {command}" in page


def test_words_names_and_reasons_with_tags_make_no_tag(stores: Path, run: Path, tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", stores, run)
    assert EVIL not in page
    assert REASON not in page
    found = Reader(page)
    assert len(found.ids) == len(set(found.ids))
    assert "alert(1)" in page  # it is there, as text
    assert not [tag for tag in found.tags if tag in ("iframe", "link", "object", "base")]


def test_a_page_names_no_address_of_a_network(stores: Path, run: Path, tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", stores, run)
    outside = page.partition('<script type="text/plain" id="charts">')[0]
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"", outside)
    assert "default-src 'none'" in outside


def test_the_same_input_makes_the_same_page(stores: Path, run: Path, tmp_path: Path) -> None:
    first = written(tmp_path / "first.html", stores, run)
    assert written(tmp_path / "second.html", stores, run) == first


def test_a_run_alone_and_stores_alone_will_do(stores: Path, run: Path, tmp_path: Path) -> None:
    assert "Scores on test" in written(tmp_path / "run.html", run)
    assert "Scores on test" not in written(tmp_path / "stores.html", stores / "text.h5", stores / "audio.h5")


def test_without_crops_it_says_how_to_keep_them(stores: Path, tmp_path: Path) -> None:
    shutil.copy(stores / "video.h5", tmp_path)
    page = written(tmp_path / "report.html", tmp_path / "video.h5")
    assert "--keep-crops --overwrite" in page
    assert 'class="sheet"' in written(
        tmp_path / "report.html", tmp_path / "video.h5", "--crops", stores / "crops"
    )


def test_the_least_certain_faces_are_shown_first_and_no_more_than_asked_for(
    stores: Path, tmp_path: Path
) -> None:
    page = written(tmp_path / "report.html", stores, "--faces", "3")
    sheet = page.partition('<ul class="sheet">')[2].partition("</ul>")[0]
    utterances = made_corpus().utterances
    # row 2 has a remark; of the others the detector was least sure of the last
    expected = [utterances[2].id, utterances[-1].id, utterances[-2].id]
    assert re.findall(r"<strong>(.*?)</strong>", sheet) == expected


def test_conversations_that_do_not_fit_are_counted(
    stores: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "MOST_BYTES", 1)
    result = typed(stores, run, "--out", tmp_path / "report.html")
    count = len({(one.split, one.dialogue) for one in made_corpus().utterances})
    assert f"1 of {count} conversations are shown" in result.output
    assert f"1 of {count} conversations are shown" in (tmp_path / "report.html").read_text("utf-8")


def test_test_conversations_come_first(stores: Path, run: Path) -> None:
    given = read_given([stores, run])
    assert [one.header.modality for one in given.stores] == list(Modality)
    found = conversations.shown(given, conversations.utterances_of(given), {})
    assert list(dict.fromkeys(talk.group for talk in found.conversations)) == ["test", "dev", "train"]
    first = found.conversations[0].utterances[0]
    of_run = next(
        one for one in given.runs[0].run.predictions if one.model == "student" and one.split == "test"
    )
    labels = given.runs[0].run.labels.names
    said = dict(zip(labels, of_run.probabilities[of_run.ids.index(first.id)].tolist(), strict=True))
    assert first.probabilities["student"] == pytest.approx(said)


def test_two_runs_are_told_apart_by_their_folders(stores: Path, run: Path, tmp_path: Path) -> None:
    other = made_run(tmp_path / "other", stores, models=["teacher"], projection=False)
    page = written(tmp_path / "report.html", stores, run, other)
    assert '"models":["tiny: teacher","tiny: student","other: teacher"]' in page


def test_a_report_is_replaced_and_nothing_else_is(stores: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert MARK in written(out, stores / "text.h5")
    written(out, stores / "text.h5")
    out.write_text("<!doctype html>my thesis")
    assert f"{out} is there and is no report" in refusal(typed(stores / "text.h5", "--out", out))
    assert out.read_text() == "<!doctype html>my thesis"
    assert MARK in written(out, stores / "text.h5", "--overwrite")


def test_every_mistake_is_one_line_and_writes_nothing(stores: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    text, folder = tmp_path / "notes.txt", tmp_path / "empty"
    text.write_text("no store")
    folder.mkdir()
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    shutil.copy(run / "run.json", unfinished)
    for words, says in (
        ([text], "notes.txt cannot be read as HDF5"),
        ([tmp_path / "gone"], "there is nothing at"),
        ([folder], "is no run, no folder of stores"),
        ([unfinished], "has no predictions yet: its training has not ended"),
        ([stores / "text.h5", stores, folder], "is no run"),
        ([stores, "--crops", folder / "gone"], "correct --crops"),
    ):
        assert says in refusal(typed(*words, "--out", out))
        assert not out.exists()
    assert "is a folder; give --out the name of a page" in refusal(typed(stores, "--out", folder))


def test_stores_of_two_corpora_are_refused(stores: Path, tmp_path: Path) -> None:
    made_stores(tmp_path / "other", corpus_digest="e" * 64)
    message = refusal(
        typed(stores / "text.h5", tmp_path / "other" / "audio.h5", "--out", tmp_path / "r.html")
    )
    assert "do not belong together: corpus_digest" in message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"corpus": "other"}, "its corpus is 'made-up'"),
        ({"protocol": "other"}, "its protocol is 'none'"),
        ({"corpus_digest": "e" * 64}, "it was trained on other annotations"),
        ({"fingerprint": "e" * 64}, "it was trained on other text features"),
        ({"labels": ("neutral", "joy", "anger", "fear")}, "its labels are neutral, joy, anger"),
    ],
)
def test_a_run_of_other_stores_is_refused(
    changes: dict[str, object], says: str, run: Path, tmp_path: Path
) -> None:
    other = made_stores(tmp_path / "other", **changes)
    message = refusal(typed(other, run, "--out", tmp_path / "report.html"))
    assert f"{run} does not belong to {other / 'text.h5'}: {says}" in message
    assert "give a report of each alone" in message


def test_runs_of_two_label_sets_are_refused(run: Path, tmp_path: Path) -> None:
    corpus = replace(made_corpus(), labels=LabelSet(("neutral", "joy", "anger", "fear")))
    other = made_run(
        tmp_path / "other", made_stores(tmp_path / "stores", corpus), models=["teacher"], projection=False
    )
    message = refusal(typed(run, other, "--out", tmp_path / "report.html"))
    assert f"{other} does not belong to {run}: its labels are neutral, joy, anger, fear" in message


def test_an_out_that_cannot_be_written_is_one_line(stores: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(typed(stores / "text.h5", "--out", tmp_path / "file" / "report.html"))
    assert "a file stands where a folder must be" in message


def test_a_folder_of_summer_reproduce_brings_its_page_as_a_leaderboard(
    stores: Path, run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(run, folder / "runs" / "summer")
    (folder / "reproduction.json").write_text("{}")
    assert "has no page yet" in refusal(typed(folder, "--out", tmp_path / "report.html"))
    (folder / "page.md").write_text(
        "# t\n\n## All systems\n\n| system | w-F1 |\n| :--- | ---: |\n| b<i>r | 1.5 |\n"
    )
    page = written(tmp_path / "report.html", stores, folder)
    assert "Leaderboard pages" in page
    assert "<h3>All systems</h3>" in page
    assert "b&lt;i&gt;r" in page
    assert "Run summer" in page


def test_attention_is_shown_where_it_is_asked_for(stores: Path, run: Path, tmp_path: Path) -> None:
    assert '"attends"' not in written(tmp_path / "plain.html", stores, run)
    page = written(tmp_path / "report.html", stores, run, "--attention")
    asked = load_model(run).attention_in_stores(list(stores.glob("*.h5")))
    assert asked is not None
    data = json.loads(Reader(page).data["test"])
    one = data["conversations"][0]["utterances"][0]
    student = one["attends"][data["models"].index("student")]
    expected = shown_attention(asked[one["id"]], [utterance.id for utterance in made_corpus().utterances])
    assert expected is not None
    assert student[0] == round(1000 * expected.itself)
    assert data["modalities"][student[3]] == expected.others[0].modality
    assert '"attends"' not in Reader(page).data["train"]  # of which no prediction is shown


def test_a_model_without_attention_is_named_and_shows_none(stores: Path, tmp_path: Path) -> None:
    plain = made_run(tmp_path / "plain", stores, models=["mlp"], projection=False)
    page = written(tmp_path / "report.html", stores, plain, "--attention")
    assert "The mlp does not tell what it attended to." in page
    assert '"attends"' not in page


def test_attention_needs_a_run_and_its_stores(stores: Path, run: Path, tmp_path: Path) -> None:
    for things in ([stores], [run]):
        message = refusal(typed(*things, "--attention", "--out", tmp_path / "r.html"))
        assert "give at least one of each, or leave it out" in message
