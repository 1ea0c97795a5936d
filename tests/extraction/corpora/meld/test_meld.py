"""MELD: its layouts, its policies, its quirks, its counts, and what cannot be read."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from extraction.corpora import Corpus, CorpusError, open_corpus
from extraction.corpora.meld.parts import seconds
from summer.corpus import Split
from tests.extraction.corpora.trees import MELD_FOLDERS, meld_row, touch, write_csv, write_meld
from tests.places import DEMO

KEYS = {"train": [(0, 0), (0, 1), (2, 0)], "dev": [(0, 0)], "test": [(0, 0), (0, 1)]}


def problems(corpus: Corpus, kind: str) -> dict[str, bool]:
    return {problem.where: problem.known for problem in corpus.problems if problem.kind == kind}


def media_of(corpus: Corpus, identifier: str) -> Path | None:
    (clip,) = (clip for clip in corpus.clips if clip.utterance.id == identifier)
    assert clip.audio == clip.video
    return clip.video.path if clip.video else None


def test_clips_stand_in_order_of_split_dialogue_and_turn(tmp_path: Path) -> None:
    root = write_meld(tmp_path, {**KEYS, "train": [(10, 0), (2, 11), (2, 3), (0, 0)]})
    corpus = open_corpus("meld", root, {})
    assert [clip.utterance.id for clip in corpus.clips] == [
        *("train/dia0_utt0", "train/dia2_utt3", "train/dia2_utt11", "train/dia10_utt0"),
        *("dev/dia0_utt0", "test/dia0_utt0", "test/dia0_utt1"),
    ]
    second = corpus.clips[1]
    assert [member.turn for member in second.dialogue.utterances] == [3, 11]
    assert second.dialogue.split is Split.TRAIN
    assert corpus.labels.names == ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


@pytest.mark.parametrize(
    ("annotations", "clips"),
    [
        ("", ""),
        ("", "{short}"),
        ("annotations", "MELD.Raw"),
        ("MELD/data/MELD", "MELD.Raw/{short}"),
        ("{short}", "{short}"),
        ("a b/ünïcode", "a b/ünïcode"),
    ],
)
def test_every_layout_seen_in_the_wild_is_read(tmp_path: Path, annotations: str, clips: str) -> None:
    for split, folder in MELD_FOLDERS.items():
        write_csv(tmp_path / annotations.format(short=split) / f"{split}_sent_emo.csv", [meld_row(0, 0)])
        touch(tmp_path / clips.format(short=split) / folder / "dia0_utt0.mp4")
    corpus = open_corpus("meld", tmp_path, {})
    assert [clip.video is not None for clip in corpus.clips] == [True] * 3
    assert not problems(corpus, "missing")


def test_a_folder_unpacked_into_itself_is_read(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    shutil.move(tmp_path / "train_splits", tmp_path / "inner")
    shutil.move(tmp_path / "inner", touch(tmp_path / "train_splits" / ".keep").parent / "train_splits")
    path = media_of(open_corpus("meld", tmp_path, {}), "train/dia0_utt0")
    assert path == tmp_path / "train_splits" / "train_splits" / "dia0_utt0.mp4"


def test_two_folders_of_clips_are_an_error_that_names_both(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    touch(tmp_path / "old" / "train_splits" / "dia0_utt0.mp4")
    with pytest.raises(
        CorpusError, match=r"is there twice, .*/train_splits and .*/old/train_splits; remove one"
    ):
        open_corpus("meld", tmp_path, {})


def test_annotations_that_are_there_twice_must_be_the_same(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    other = tmp_path / "MELD" / "data" / "MELD" / "train_sent_emo.csv"
    other.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "train_sent_emo.csv", other)
    assert len(open_corpus("meld", tmp_path, {}).clips) == 6
    write_csv(other, [meld_row(0, 0)])
    with pytest.raises(CorpusError, match=r"twice, .*train_sent_emo\.csv and .*MELD/train_sent_emo\.csv"):
        open_corpus("meld", tmp_path, {})


def test_appledouble_files_are_never_media(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    (tmp_path / "train_splits" / "dia2_utt0.mp4").unlink()
    touch(tmp_path / "train_splits" / "._dia2_utt0.mp4")
    touch(tmp_path / "__MACOSX" / "train_splits" / "dia2_utt0.mp4")
    corpus = open_corpus("meld", tmp_path, {})
    assert media_of(corpus, "train/dia2_utt0") is None
    assert problems(corpus, "appledouble") == {"train_splits": True}


def test_corrected_twins_are_taken_by_default_and_left_by_policy(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    folder = tmp_path / MELD_FOLDERS["test"]
    twin = touch(folder / "final_videos_testdia0_utt1.mp4")
    default = open_corpus("meld", tmp_path, {})
    plain = open_corpus("meld", tmp_path, {"test_clips": "plain"})
    assert media_of(default, "test/dia0_utt1") == twin
    assert media_of(default, "test/dia0_utt0") == folder / "dia0_utt0.mp4"
    assert media_of(plain, "test/dia0_utt1") == folder / "dia0_utt1.mp4"
    assert (default.protocol, plain.protocol) == ("test_clips=corrected", "test_clips=plain")
    assert problems(default, "twin") == {"test/dia0_utt1": True}
    assert problems(plain, "mis-cut") == {"test/dia0_utt1": True}


def test_a_missing_clip_keeps_its_row_and_is_new_unless_listed(tmp_path: Path) -> None:
    write_meld(tmp_path, {"dev": [(0, 0), (110, 6), (110, 7)]})
    for name in ("dia0_utt0", "dia110_utt7"):
        (tmp_path / MELD_FOLDERS["dev"] / f"{name}.mp4").unlink()
    corpus = open_corpus("meld", tmp_path, {})
    found = problems(corpus, "missing")
    assert found.pop("train_sent_emo.csv") is found.pop("test_sent_emo.csv") is False
    assert found == {"dev/dia0_utt0": False, "dev/dia110_utt7": True}
    assert "no file dia0_utt0.mp4" in corpus.clips[0].remark
    assert corpus.clips[1].remark == ""


def test_a_known_corrupt_clip_is_kept_with_a_remark(tmp_path: Path) -> None:
    corpus = open_corpus("meld", write_meld(tmp_path, {"train": [(125, 2), (125, 3)]}), {})
    assert media_of(corpus, "train/dia125_utt3") is not None
    assert [clip.remark for clip in corpus.clips] == ["", "the release's file cannot be opened"]
    assert problems(corpus, "corrupt") == {"train/dia125_utt3": True}


def test_clips_without_a_row_are_orphans(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    folder = tmp_path / MELD_FOLDERS["test"]
    for name in ("dia93_utt5.mp4", "final_videos_testdia7_utt7.mp4", "poster.mp4"):
        touch(folder / name)
    corpus = open_corpus("meld", tmp_path, {})
    assert problems(corpus, "orphan") == {
        f"{folder.name}/dia93_utt5.mp4": True,
        f"{folder.name}/final_videos_testdia7_utt7.mp4": False,
    }
    assert problems(corpus, "stray") == {f"{folder.name}/poster.mp4": False}


def test_text_can_be_read_without_any_clip(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    digest = open_corpus("meld", tmp_path, {}).digest
    for folder in MELD_FOLDERS.values():
        shutil.rmtree(tmp_path / folder)
    corpus = open_corpus("meld", tmp_path, {})
    assert [clip.video for clip in corpus.clips] == [None] * 6
    assert problems(corpus, "missing") == {"train": False, "dev": False, "test": False}
    assert corpus.digest == digest  # whether media are there decides nothing about the annotations


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("00:16:21,731", 981.731),
        ("0:05:11,82", 311.82),  # the clip lasts 6.17 s: hundredths, not thousandths
        ("1:00:00.5", 3600.5),
        (" 00:00:01,000 ", 1.0),
        ("16:21,731", None),
        ("", None),
    ],
)
def test_times_are_read_as_the_release_writes_them(time: str, expected: float | None) -> None:
    assert seconds(time) == expected


@pytest.mark.parametrize("end", ["0:00:01,000", "0:00:00,500", "soon"])
def test_times_that_are_no_interval_are_left_unknown(tmp_path: Path, end: str) -> None:
    write_csv(tmp_path / "test_sent_emo.csv", [meld_row(155, 3, EndTime=end), meld_row(155, 4, EndTime=end)])
    corpus = open_corpus("meld", tmp_path, {})
    assert {clip.utterance.start_seconds for clip in corpus.clips} == {None}
    assert problems(corpus, "mis-timed") == {"test/dia155_utt3": True, "test/dia155_utt4": False}


def test_times_are_those_of_the_episode_and_the_clip_is_a_whole_file(tmp_path: Path) -> None:
    clip = open_corpus("meld", write_meld(tmp_path, KEYS), {}).clips[0]
    assert (clip.utterance.start_seconds, clip.utterance.end_seconds) == (1.0, 2.0)
    assert clip.video is not None
    assert (clip.video.start_seconds, clip.video.end_seconds, clip.video.region) == (None, None, None)


def test_other_counts_than_the_release_has_are_told(tmp_path: Path) -> None:
    corpus = open_corpus("meld", write_meld(tmp_path, KEYS), {})
    told = [problem.what for problem in corpus.problems if problem.where == "test_sent_emo.csv"]
    assert told == ["2 utterances, the release has 2610", "1 dialogues, the release has 280"]
    assert problems(corpus, "count")[MELD_FOLDERS["test"]] is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Emotion": "Joy"}, r"line 3: Emotion is 'Joy'; labels are neutral, .*did you mean 'joy'"),
        ({"Dialogue_ID": "x"}, r"line 3: Dialogue_ID is 'x'; give a whole number"),
        ({"Utterance_ID": "0"}, r"line 3: Utterance_ID is '0'; dia0_utt0 stands in line 2 already"),
    ],
)
def test_a_wrong_value_is_an_error_with_file_line_and_remedy(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    write_csv(tmp_path / "dev_sent_emo.csv", [meld_row(0, 0), meld_row(0, 1, **changes)])
    with pytest.raises(CorpusError, match=r"dev_sent_emo\.csv, " + message):
        open_corpus("meld", tmp_path, {})


def test_a_root_without_annotations_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds none of train_sent_emo\.csv, .*give --root the folder"):
        open_corpus("meld", tmp_path, {})


def test_lines_shared_with_the_training_split_are_told(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    train = [meld_row(0, 0, Utterance="Hi!"), meld_row(0, 1, Utterance="Hi!", Episode="2")]
    write_csv(tmp_path / "train_sent_emo.csv", train)
    test = [meld_row(0, n, Utterance="Hi!", Episode=episode) for n, episode in enumerate("1233")]
    write_csv(tmp_path / "test_sent_emo.csv", test)
    corpus = open_corpus("meld", tmp_path, {})
    (told,) = (problem for problem in corpus.problems if problem.kind == "shared")
    assert (told.where, told.known, told.what.split()[0]) == ("test_sent_emo.csv", True, "2")


def test_the_digest_follows_the_annotations_and_not_the_place(tmp_path: Path) -> None:
    here, there = (open_corpus("meld", write_meld(tmp_path / n, KEYS), {}) for n in ("here", "there"))
    assert here.digest == there.digest
    digests = {here.digest}
    changes = {"Utterance": "Hm.", "Speaker": "Ross", "Emotion": "joy", "Utterance_ID": "1"}
    changes |= {"StartTime": "0:00:00,500", "EndTime": "0:00:01,500"}
    row = meld_row(0, 0, Utterance="dev (0, 0)")
    for column, value in changes.items():
        write_csv(tmp_path / "there" / "dev_sent_emo.csv", [row | {column: value}])
        digests.add(open_corpus("meld", tmp_path / "there", {}).digest)
    assert len(digests) == 1 + len(changes)
    write_csv(tmp_path / "there" / "dev_sent_emo.csv", [row | {"Sentiment": "positive"}])
    assert open_corpus("meld", tmp_path / "there", {}).digest == here.digest  # a column that nobody reads


def test_the_demo_corpus_is_read_by_the_same_reader_and_holds_nothing_new() -> None:
    corpus = open_corpus("demo", DEMO, {})
    assert corpus.name == "demo"
    assert [problem for problem in corpus.problems if not problem.known] == []
    assert problems(corpus, "missing") == {"dev/dia0_utt3": True}
    assert len(corpus.clips) == sum(
        len((DEMO / f"{split}_sent_emo.csv").read_text("utf-8").splitlines()) - 1 for split in MELD_FOLDERS
    )


@pytest.mark.real
def test_the_real_annotations_have_the_numbers_that_are_listed(shared: Path) -> None:
    corpus = open_corpus("meld", shared / "data" / "meld", {})
    utterances = [clip.utterance for clip in corpus.clips]
    assert Counter(u.split for u in utterances) == {"train": 9989, "dev": 1109, "test": 2610}
    dialogues = Counter(split for split, _ in {(u.split, u.dialogue) for u in utterances})
    assert dialogues == {"train": 1038, "dev": 114, "test": 280}
    assert ("train", "60") not in {(u.split, u.dialogue) for u in utterances}
    assert {u.speaker for u in utterances} >= {"All", "Both", "Joey and Ross"}
    assert max(len(clip.dialogue.speakers) for clip in corpus.clips) == 9
    assert max(len(clip.dialogue.utterances) for clip in corpus.clips) == 33
    assert [u.id for u in utterances if u.start_seconds is None] == ["test/dia155_utt3"]
    assert any("’" in u.text for u in utterances)
    shared_lines = [problem for problem in corpus.problems if problem.kind == "shared"]
    assert [problem.what.split()[0] for problem in shared_lines] == ["14", "54"]
    assert all(problem.known for problem in shared_lines)
    assert not problems(corpus, "count")


@pytest.mark.real
def test_the_real_test_annotations_with_a_few_real_clips_are_a_corpus(shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "data" / "meld" / "test_sent_emo.csv", tmp_path)
    films = sorted((shared / "media").glob("*.mp4"))
    for number, film in enumerate(films):
        clip = touch(tmp_path / "test" / MELD_FOLDERS["test"] / f"dia2_utt{number}.mp4")
        clip.write_bytes(film.read_bytes())
    corpus = open_corpus("meld", tmp_path, {})
    with (tmp_path / "test_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["Utterance"] for row in csv.DictReader(file)]
    assert [clip.utterance.text for clip in corpus.clips] == texts
    present = [clip.utterance.id for clip in corpus.clips if clip.video]
    assert present == [f"test/dia2_utt{number}" for number in range(len(films))]
    missing = [where for where in problems(corpus, "missing") if where.startswith("test/")]
    assert len(missing) == 2610 - len(films)
