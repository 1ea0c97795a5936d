"""The check: what probing finds, what of it is known, and that nothing stops it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from extraction.corpora import Corpus, Problem, check_corpus, open_corpus
from tests import media_factory
from tests.extraction.corpora.trees import (
    MELD_FOLDERS,
    manifest_row,
    meld_row,
    touch,
    write_csv,
    write_film,
    write_iemocap,
)
from tests.media_factory import Picture, Sound
from tests.places import DEMO

TEST = MELD_FOLDERS["test"]
# One second of what MELD's files are like.
USUAL = {"frames": 25, "rate": 25, "size": (1280, 720), "layout": "stereo"}


def unheard(done: int, total: int) -> None:
    """Progress that nobody is told."""
    assert done <= total


def probed(corpus: Corpus, root: Path) -> list[Problem]:
    """What probing adds to what reading has found."""
    found = check_corpus(corpus, root, workers=2, on_progress=unheard)
    assert tuple(found[: len(corpus.problems)]) == corpus.problems
    return found[len(corpus.problems) :]


def kinds(problems: list[Problem]) -> dict[tuple[str, str], bool]:
    found = {(problem.where, problem.kind): problem.known for problem in problems}
    assert len(found) == len(problems), "a problem is told twice"
    return found


def meld(root: Path, rows: Mapping[tuple[int, int], Mapping[str, object] | None], **times: str) -> Corpus:
    """A test split whose clips are films of these properties; None leaves the file to the test."""
    write_csv(root / "test_sent_emo.csv", [meld_row(*key, **times) for key in rows])
    for (dialogue, utterance), film in rows.items():
        if film is not None:
            write_film(root / TEST / f"dia{dialogue}_utt{utterance}.mp4", **{**USUAL, **film})
    touch(root / TEST / "final_videos_testdia9_utt9.mp4")
    return open_corpus("meld", root, {})


def test_usual_clips_that_agree_with_their_annotations_are_no_problem(tmp_path: Path) -> None:
    assert probed(meld(tmp_path, {(0, 0): {}, (0, 1): {"layout": "5.1"}}), tmp_path) == []


@pytest.mark.parametrize("length_of_all", [False, True])
def test_a_clip_with_a_third_track_as_melds_have_is_no_problem(tmp_path: Path, length_of_all: bool) -> None:
    path = touch(tmp_path / TEST / "dia0_utt0.mp4")
    picture = Picture(width=1280, height=720)
    media_factory.chaptered(path, picture=picture, sound=Sound(layout="mono"), length_of_all=length_of_all)
    found = kinds(probed(meld(tmp_path, {(0, 0): None}), tmp_path))
    assert found == {("test/dia0_utt0", "sound"): False}  # mono, which MELD is not; nothing of its length


def test_every_trouble_of_a_clip_is_found_by_kind(tmp_path: Path) -> None:
    rows: dict[tuple[int, int], Mapping[str, object] | None] = {
        (0, 0): {"frames": 40},
        (0, 1): {"size": (64, 48)},
        (0, 2): {"sound": False},
        (0, 3): {"picture": False},
        (0, 4): {"layout": "mono", "sample_rate": 44100},
        (0, 5): None,
        (0, 6): None,
    }
    root = tmp_path / "a b"
    touch(root / TEST / "dia0_utt5.mp4")
    touch(root / TEST / "dia0_utt6.mp4").write_text("not a film\n" * 50)
    assert kinds(probed(meld(root, rows), root)) == {
        ("test/dia0_utt0", "mis-cut"): False,
        ("test/dia0_utt1", "picture"): False,
        ("test/dia0_utt2", "no-audio"): False,
        ("test/dia0_utt3", "no-video"): False,
        ("test/dia0_utt4", "sound"): False,
        ("test/dia0_utt5", "corrupt"): False,
        ("test/dia0_utt6", "corrupt"): False,
    }


def test_a_tiny_clip_is_known_where_its_annotation_is_equally_short(tmp_path: Path) -> None:
    corpus = meld(tmp_path, {(0, 0): {"frames": 4}}, EndTime="0:00:01,160")
    (tiny,) = probed(corpus, tmp_path)
    assert (tiny.kind, tiny.where, tiny.known) == ("tiny", "test/dia0_utt0", True)
    assert tiny.what == f"{TEST}/dia0_utt0.mp4: 4 frames in 0.160 s" or tiny.what.startswith(
        f"{TEST}/dia0_utt0"
    )
    long = meld(tmp_path, {(0, 0): {"frames": 4}})
    assert kinds(probed(long, tmp_path)) == {
        ("test/dia0_utt0", "mis-cut"): False,
        ("test/dia0_utt0", "tiny"): False,
    }


def test_listed_clips_and_dialogues_are_known(tmp_path: Path) -> None:
    corpus = meld(tmp_path, {(184, 0): {"size": (496, 384)}, (242, 2): {"frames": 60}, (38, 4): None})
    touch(tmp_path / TEST / "dia38_utt4.mp4")
    corpus = open_corpus("meld", tmp_path, {})
    found = check_corpus(corpus, tmp_path, workers=1, on_progress=unheard)
    (remedy,) = (problem.remedy for problem in found if problem.kind == "picture")
    assert remedy == next(entry.remedy for entry in corpus.quirks.known if entry.kind == "picture")
    of_clips = kinds([problem for problem in found if problem.where.startswith("test/dia")])
    assert of_clips == {
        ("test/dia38_utt4", "giant"): True,  # listed: told without probing
        ("test/dia38_utt4", "corrupt"): False,
        ("test/dia184_utt0", "picture"): True,
        ("test/dia242_utt2", "mis-cut"): True,
    }


def test_a_corrected_twin_is_what_is_probed_unless_the_policy_is_plain(tmp_path: Path) -> None:
    meld(tmp_path, {(0, 0): {"frames": 50}})
    write_film(tmp_path / TEST / "final_videos_testdia0_utt0.mp4", **USUAL)
    assert probed(open_corpus("meld", tmp_path, {}), tmp_path) == []
    plain = open_corpus("meld", tmp_path, {"test_clips": "plain"})
    assert probed(plain, tmp_path) == []  # mis-cut is told by reading already, as known
    assert [problem.known for problem in plain.problems if problem.kind == "mis-cut"] == [True]


def test_spans_are_held_against_the_length_of_their_file(tmp_path: Path) -> None:
    write_film(tmp_path / "long.mp4", frames=30, rate=10)
    times = [("0", "1"), ("2.5", "3.0"), ("2", "9"), ("1", "")]
    rows = [
        manifest_row(f"u{number}", dialogue="d", turn=str(number), media="long.mp4")
        | {"start_seconds": start, "end_seconds": end}
        for number, (start, end) in enumerate(times)
    ]
    corpus = open_corpus(str(write_csv(tmp_path / "manifest.csv", rows)), None, {})
    assert kinds(probed(corpus, tmp_path)) == {("u1", "tiny"): False, ("u2", "mis-cut"): False}


def test_a_file_of_many_utterances_is_named_once(tmp_path: Path) -> None:
    touch(tmp_path / "films" / "long.mp4")
    rows = [
        manifest_row(f"u{number}", dialogue="d", turn=str(number), media="films/long.mp4")
        | {"start_seconds": str(number), "end_seconds": str(number + 1)}
        for number in range(3)
    ]
    corpus = open_corpus(str(write_csv(tmp_path / "manifest.csv", rows)), None, {})
    assert kinds(probed(corpus, tmp_path)) == {("films/long.mp4", "corrupt"): False}


def test_iemocap_is_probed_by_film_and_by_sentence(tmp_path: Path) -> None:
    session, name = tmp_path / "Session1", "Ses01F_impro01"
    write_iemocap(session, name, [("F000", "neu", ""), ("M000", "ang", ""), ("F001", "sad", "")])
    write_film(session / "dialog" / "avi" / "DivX" / f"{name}.avi", frames=60, rate=30, size=(720, 480))
    for turn, frames in (("F000", 10), ("M000", 15)):
        path = session / "sentences" / "wav" / name / f"{name}_{turn}.wav"
        write_film(path, picture=False, frames=frames, sample_rate=16000)
    corpus = open_corpus("iemocap", tmp_path, {})
    assert kinds(probed(corpus, tmp_path)) == {
        (f"{name}_M000", "mis-cut"): False,  # a sentence of 1.5 s for a turn of 1 s
        (f"{name}_F001", "mis-cut"): False,  # its span ends after the film
        (f"{name}_F001", "corrupt"): False,  # its sentence is empty
    }


def test_progress_is_told_file_by_file(tmp_path: Path) -> None:
    corpus = meld(tmp_path, {(0, 0): {}, (0, 1): {}})
    told: list[tuple[int, int]] = []
    check_corpus(corpus, None, workers=2, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_file_that_went_away_is_missing(tmp_path: Path) -> None:
    corpus = meld(tmp_path, {(0, 0): {}})
    (tmp_path / TEST / "dia0_utt0.mp4").unlink()
    assert kinds(probed(corpus, tmp_path)) == {("test/dia0_utt0", "missing"): False}


def test_the_demo_corpus_holds_nothing_new() -> None:
    root = DEMO
    corpus = open_corpus("demo", root, {})
    found = check_corpus(corpus, root, workers=2, on_progress=unheard)
    assert [problem for problem in found if not problem.known] == []
    assert {problem.kind for problem in found} >= {"corrupt", "missing", "orphan", "tiny", "picture", "twin"}


@pytest.mark.real
def test_real_clips_are_probed_against_a_manifest(shared: Path, tmp_path: Path) -> None:
    films = sorted((shared / "media").glob("*.mp4")) + sorted((shared / "media" / "crema_d").glob("*.flv"))
    rows = [manifest_row(film.stem, media=str(film)) for film in films]
    corpus = open_corpus(str(write_csv(tmp_path / "manifest.csv", rows)), None, {})
    assert probed(corpus, tmp_path) == []
