"""Manifests: own clips, spans of long files, and every row that cannot be used."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from extraction.corpora import Corpus, CorpusError, open_corpus
from extraction.extractor import LEFT_HALF, RIGHT_HALF, Region
from tests.extraction.corpora.trees import manifest_row, touch, write_csv


def opened(folder: Path, *rows: dict[str, str], encoding: str = "utf-8") -> Corpus:
    return open_corpus(str(write_csv(folder / "manifest.csv", rows, encoding=encoding)), None, {})


def test_rows_become_clips_in_order_of_split_dialogue_and_turn(tmp_path: Path) -> None:
    corpus = opened(
        tmp_path,
        manifest_row("t1", split="test", dialogue="talk", turn="0"),
        manifest_row("b1", dialogue="b", turn="5"),
        manifest_row("b0", dialogue="b", turn="2"),
        manifest_row("a0", dialogue="a", turn="0"),
        manifest_row("d0", split="dev", dialogue="talk", turn="7", label="joy"),
    )
    assert [clip.utterance.id for clip in corpus.clips] == ["b0", "b1", "a0", "d0", "t1"]
    assert [len(clip.dialogue.utterances) for clip in corpus.clips] == [2, 2, 1, 1, 1]
    assert [clip.utterance.label for clip in corpus.clips] == ["", "", "", "joy", ""]


def test_spans_of_one_long_file_are_kept_as_given(tmp_path: Path) -> None:
    touch(tmp_path / "long.mp4")
    corpus = opened(
        tmp_path,
        manifest_row("a", dialogue="x", turn="0", media="long.mp4")
        | {"start_seconds": "0", "end_seconds": "2.5"},
        manifest_row("b", dialogue="x", turn="1", media="long.mp4")
        | {"start_seconds": "2.5", "end_seconds": ""},
    )
    spans = [clip.video for clip in corpus.clips]
    assert [(span.start_seconds, span.end_seconds) for span in spans if span] == [(0.0, 2.5), (2.5, None)]
    assert corpus.clips[0].audio == corpus.clips[0].video
    assert corpus.clips[0].utterance.end_seconds == 2.5


@pytest.mark.parametrize("name", ["a b/cliß.mp4", "日本/対話 1.mp4", "it's 100%.mp4", "café.mp4"])
def test_media_names_may_hold_spaces_and_any_letter(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "own clips" / name)
    (clip,) = opened(tmp_path / "own clips", manifest_row("a", media=name)).clips
    assert clip.video is not None
    assert clip.video.path.is_file()


def test_letters_that_an_archive_took_apart_are_still_found(tmp_path: Path) -> None:
    touch(tmp_path / normalize("NFD", "café.mp4"))
    (clip,) = opened(tmp_path, manifest_row("a", media=normalize("NFC", "café.mp4"))).clips
    assert clip.video is not None


def test_a_missing_file_is_a_problem_and_no_media_is_a_choice(tmp_path: Path) -> None:
    corpus = opened(tmp_path, manifest_row("a"), manifest_row("b", media=" "), manifest_row("c" * 300))
    assert [(problem.where, problem.kind, problem.known) for problem in corpus.problems] == [
        ("a", "missing", False),
        ("b", "missing", True),
        ("c" * 300, "missing", False),
    ]
    assert [clip.remark for clip in corpus.clips[:2]] == ["no file a.mp4", "the manifest names no media"]


def test_a_path_that_leaves_the_folder_is_taken_as_it_is_but_must_exist(tmp_path: Path) -> None:
    outside = touch(tmp_path / "films" / "a.mp4")
    folder = tmp_path / "lists"
    for media in ("../films/a.mp4", str(outside)):
        (clip,) = opened(folder, manifest_row("a", media=media)).clips
        assert clip.video is not None
        assert clip.video.path.resolve() == outside
    for media in ("../films/b.mp4", str(tmp_path / "b.mp4"), "x/../../films/b.mp4"):
        with pytest.raises(
            CorpusError, match=r"line 2: media is .*no such file, and the path leaves .*correct"
        ):
            opened(folder, manifest_row("a", media=media))


def test_root_is_where_media_are_relative_to(tmp_path: Path) -> None:
    touch(tmp_path / "films" / "a.mp4")
    path = write_csv(tmp_path / "lists" / "own.csv", [manifest_row("a")])
    corpus = open_corpus(str(path), tmp_path / "films", {})
    assert corpus.clips[0].video is not None
    assert corpus.name == "own"
    assert opened(tmp_path / "lists", manifest_row("a")).name == "lists"
    with pytest.raises(CorpusError, match=r"no folder .*nowhere.*correct --root"):
        open_corpus(str(path), tmp_path / "nowhere", {})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            {"train": "joy", "test": "fear"},
            ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
        ),
        ({"train": "zest", "dev": "zest"}, ("zest",)),
        ({"dev": "zest", "test": "awe"}, ("awe", "zest")),
        ({"train": "", "test": "zest"}, ("zest",)),
    ],
)
def test_the_label_set_follows_the_rows(
    tmp_path: Path, labels: dict[str, str], expected: tuple[str, ...]
) -> None:
    rows = [manifest_row(split, split=split, label=label) for split, label in labels.items()]
    assert opened(tmp_path, *rows).labels.names == expected


def test_a_label_that_only_dev_or_test_has_is_a_problem_and_scored_all_the_same(tmp_path: Path) -> None:
    labels = {"train": "zest", "dev": "awe", "test": "awe"}
    rows = [manifest_row(split, split=split, label=label, media="") for split, label in labels.items()]
    corpus = opened(tmp_path, *rows)
    assert corpus.labels.names == ("awe", "zest")
    [problem] = [problem for problem in corpus.problems if not problem.known]
    assert (problem.kind, problem.where) == ("unlearnable", "dev")
    assert problem.what == "line 3: no row of train has label 'awe'"


def test_a_label_that_looks_like_a_slip_is_an_error(tmp_path: Path) -> None:
    rows = [manifest_row("a", label="zest"), manifest_row("b", split="test", label="zset")]
    with pytest.raises(
        CorpusError, match=r"line 3: label is 'zset'; the train split has only zest; .*'zest'"
    ):
        opened(tmp_path, *rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "first"}, r"id is 'first'; it stands in line 2 already; give each row"),
        ({"id": ""}, r"id is ''; ids name files"),
        ({"id": "../up"}, r"id is '\.\./up'; ids name files below a folder"),
        ({"id": "a/../../up"}, r"id is 'a/\.\./\.\./up'; ids name files below a folder"),
        ({"id": "/etc/passwd"}, r"id is '/etc/passwd'; ids name files below a folder"),
        ({"id": "a//b"}, r"id is 'a//b'; ids name files"),
        ({"id": "a\\b"}, r"id is .*no backslash"),
        ({"id": "a\x07b"}, r"id is .*use printable characters"),
        ({"split": "valid"}, r"split is 'valid'; splits are train, dev, test"),
        ({"dialogue": " "}, r"dialogue is ' '; name the conversation"),
        ({"turn": "1.0"}, r"turn is '1\.0'; give a whole number"),
        ({"turn": "-1"}, r"turn is '-1'; give a whole number"),
        ({"dialogue": "first"}, r"turn is '0'; line 2 has the same turn of dialogue 'first'"),
        (
            {"start_seconds": "2", "end_seconds": "2"},
            r"end_seconds is '2'; it must be later than start_seconds, 2",
        ),
        ({"end_seconds": "0"}, r"end_seconds is '0'; it must be later than start_seconds, 0"),
        ({"start_seconds": "-1"}, r"start_seconds is '-1'; give seconds"),
        ({"start_seconds": "nan"}, r"start_seconds is 'nan'; give seconds"),
        ({"end_seconds": "00:00:02"}, r"end_seconds is '00:00:02'; give seconds"),
    ],
)
def test_a_wrong_value_is_an_error_with_file_line_and_remedy(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    times = {"start_seconds": "", "end_seconds": ""}
    rows = [manifest_row("first") | times, manifest_row("second") | times | changes]
    with pytest.raises(CorpusError, match=r"manifest\.csv, line 3: " + message):
        opened(tmp_path, *rows)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("", None),
        ("left", LEFT_HALF),
        (" right ", RIGHT_HALF),
        ("0.5 0 1 1", RIGHT_HALF),
        ("0.25, 0, 0.75, 0.5", Region(0.25, 0.0, 0.75, 0.5)),
    ],
)
def test_a_row_may_say_where_in_the_picture_its_speaker_is(
    tmp_path: Path, region: str, expected: Region | None
) -> None:
    touch(tmp_path / "a.mp4")
    (clip,) = opened(tmp_path, manifest_row("a") | {"region": region}).clips
    assert clip.video is not None
    assert clip.video.region == expected
    assert clip.audio is not None
    assert clip.audio.region is None


@pytest.mark.parametrize(
    "region", ["middle", "0.5", "0 0 1", "0 0 0 1", "0.5 0 0.25 1", "-0.1 0 1 1", "0 0 1 x"]
)
def test_a_region_that_is_none_is_an_error(tmp_path: Path, region: str) -> None:
    with pytest.raises(CorpusError, match=r"line 2: region is .*; give left or right, or four shares"):
        opened(tmp_path, manifest_row("a") | {"region": region})


def test_all_defects_of_all_rows_are_told_at_once(tmp_path: Path) -> None:
    rows = [
        manifest_row("a", dialogue="x", label="joy"),
        manifest_row("b", dialogue="x"),
        manifest_row("c", dialogue="x", turn="00"),
        manifest_row("d", split="valid", turn="last", media="../none.mp4"),
        manifest_row("a", dialogue="y", label="zest"),
        manifest_row("e", split="test", label="jou"),
    ]
    rows = [row | {"start_seconds": "", "end_seconds": "", "region": ""} for row in rows]
    rows[1] |= {"end_seconds": "0", "region": "middle"}
    with pytest.raises(CorpusError) as caught:
        opened(tmp_path, *rows)
    title, *told = str(caught.value).splitlines()
    assert title == f"{tmp_path / 'manifest.csv'} has 9 defects"
    assert sorted(line.partition(", ")[2].partition(";")[0] for line in told) == [
        "line 3: end_seconds is '0'",
        "line 3: region is 'middle'",
        "line 3: turn is '0'",
        "line 4: turn is '00'",
        "line 5: media is '../none.mp4'",
        "line 5: split is 'valid'",
        "line 5: turn is 'last'",
        "line 6: id is 'a'",
        "line 7: label is 'jou'",
    ]


def test_of_very_many_defects_the_first_are_told_and_all_counted(tmp_path: Path) -> None:
    rows = [manifest_row(f"{number}", turn="x", dialogue=f"{number}") for number in range(250)]
    with pytest.raises(CorpusError, match=r"(?s)has 250 defects\n.*line 101: .*\nand 150 more$"):
        opened(tmp_path, *rows)


def test_the_digest_follows_rows_and_named_media(tmp_path: Path) -> None:
    digest = opened(tmp_path / "one", manifest_row("a")).digest
    assert opened(tmp_path / "two", manifest_row("a")).digest == digest
    assert opened(tmp_path / "two", manifest_row("a", media="b.mp4")).digest != digest
    assert opened(tmp_path / "two", manifest_row("a", text="Hm?")).digest != digest
    assert opened(tmp_path / "two", manifest_row("a") | {"region": ""}).digest == digest
    assert opened(tmp_path / "two", manifest_row("a") | {"region": "left"}).digest != digest
    assert opened(tmp_path / "two", manifest_row("a") | {"end_seconds": "1"}).digest != digest


@pytest.mark.real
def test_the_six_acted_clips_are_a_corpus(shared: Path, tmp_path: Path) -> None:
    films = sorted((shared / "media" / "crema_d").glob("*.flv"))
    rows = [manifest_row(film.stem, media=str(film), label=film.stem[9:12]) for film in films]
    corpus = opened(tmp_path, *rows)
    assert corpus.labels.names == ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    assert all(clip.video for clip in corpus.clips)
    assert not corpus.problems
