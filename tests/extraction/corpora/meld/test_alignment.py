"""MELD-FAIR: pieces of clips, by position in the dialogue; what is not to be had says so."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from extraction.corpora import Corpus, CorpusError, check_corpus, open_corpus
from extraction.corpora.meld.alignment import read_alignment
from extraction.corpora.meld.parts import MeldQuirks, Part, read_part
from extraction.corpora.quirks import load_quirks
from extraction.extractor import Clip
from summer.corpus import Split
from tests.extraction.corpora.trees import MELD_FOLDERS, meld_row, touch, write_csv, write_film, write_meld

HEADER = "Split,Dialogue ID,Utterance ID,Original Dialogue ID,Original Utterance ID,Start Time,End Time"
KEYS = {"train": [(0, 0), (0, 1), (0, 4), (0, 5)], "test": [(0, 0), (0, 1)]}  # train lacks numbers 2 and 3
PIECES = [
    "train,0,0,0,0,0.5,2.25",
    "train,0,1,0,1,0.0,1.0",
    "train,0,2,0,1,1.25,2.0",  # the third row, number 4, begins in the second's clip
    "train,0,2,0,4,0.0,0.75",
    "test,0,0,0,0,0.0,1.5",
]


def aligned(root: Path, *pieces: str, **policy: str) -> Corpus:
    path = root / "pieces.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *pieces]) + "\n", "utf-8")
    return open_corpus("meld", root, {"alignment": "meld-fair", "alignment_file": str(path), **policy})


def clip_of(corpus: Corpus, name: str) -> Clip:
    (clip,) = (clip for clip in corpus.clips if clip.utterance.id == name)
    return clip


def pieces_of(corpus: Corpus, name: str) -> list[tuple[str, float | None, float | None]]:
    clip = clip_of(corpus, name)
    assert clip.video is not None
    assert clip.audio == clip.video
    return [(piece.path.name, piece.start_seconds, piece.end_seconds) for piece in clip.video.pieces]


def test_a_clip_is_the_pieces_in_which_its_words_are_spoken(tmp_path: Path) -> None:
    corpus = aligned(write_meld(tmp_path, KEYS), *PIECES)
    assert pieces_of(corpus, "train/dia0_utt0") == [("dia0_utt0.mp4", 0.5, 2.25)]
    assert pieces_of(corpus, "train/dia0_utt4") == [
        ("dia0_utt1.mp4", 1.25, 2.0),
        ("dia0_utt4.mp4", 0.0, 0.75),
    ]
    assert clip_of(corpus, "train/dia0_utt4").remark == ""


def test_a_row_without_pieces_falls_back_on_its_own_clip_and_says_so(tmp_path: Path) -> None:
    corpus = aligned(write_meld(tmp_path, KEYS), *PIECES)
    assert pieces_of(corpus, "train/dia0_utt5") == [("dia0_utt5.mp4", None, None)]
    assert clip_of(corpus, "train/dia0_utt5").remark == (
        "the alignment has no piece of it: its own clip is used whole"
    )
    told = {problem.where: problem.known for problem in corpus.problems if problem.kind == "unaligned"}
    assert told == {"train/dia0_utt5": True, "test/dia0_utt1": True}


def test_a_row_whose_pieces_lie_in_a_file_that_is_not_there_says_which(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    (tmp_path / MELD_FOLDERS["train"] / "dia0_utt1.mp4").unlink()
    corpus = aligned(tmp_path, *PIECES)
    assert pieces_of(corpus, "train/dia0_utt4") == [("dia0_utt4.mp4", None, None)]
    assert clip_of(corpus, "train/dia0_utt4").remark == (
        "its pieces lie in dia0_utt1.mp4, which is not there: its own clip is used whole"
    )
    assert clip_of(corpus, "train/dia0_utt1").video is None
    assert clip_of(corpus, "train/dia0_utt1").remark == "no file dia0_utt1.mp4"
    told = {problem.where: problem.known for problem in corpus.problems if problem.kind == "unaligned"}
    assert told["train/dia0_utt4"] is False


def test_a_row_whose_own_clip_is_missing_is_found_in_its_neighbours(tmp_path: Path) -> None:
    write_meld(tmp_path, {"dev": [(110, 6), (110, 7)]})
    (tmp_path / MELD_FOLDERS["dev"] / "dia110_utt7.mp4").unlink()
    corpus = aligned(tmp_path, "dev,110,0,110,6,0,0.5", "dev,110,1,110,6,0.5,2")
    assert pieces_of(corpus, "dev/dia110_utt7") == [("dia110_utt6.mp4", 0.5, 2.0)]
    assert clip_of(corpus, "dev/dia110_utt7").remark == ""
    assert "missing" not in {problem.kind for problem in corpus.problems if problem.where.startswith("dev/")}


def test_pieces_are_of_the_plain_clips_of_test_and_whole_clips_are_corrected(tmp_path: Path) -> None:
    write_meld(tmp_path, KEYS)
    for number in (0, 1):
        touch(tmp_path / MELD_FOLDERS["test"] / f"final_videos_testdia0_utt{number}.mp4")
    corpus = aligned(tmp_path, *PIECES)
    assert pieces_of(corpus, "test/dia0_utt0") == [("dia0_utt0.mp4", 0.0, 1.5)]
    assert pieces_of(corpus, "test/dia0_utt1") == [("final_videos_testdia0_utt1.mp4", None, None)]
    twins = [problem.where for problem in corpus.problems if problem.kind == "twin"]
    assert twins == ["test/dia0_utt1"]


def test_what_is_known_of_whole_clips_is_no_remark_on_pieces(tmp_path: Path) -> None:
    write_meld(tmp_path, {"train": [(309, 0), (309, 1)]})
    corpus = aligned(tmp_path, "train,309,0,309,0,3,5")
    assert clip_of(corpus, "train/dia309_utt0").remark == ""  # a giant by itself


def test_protocol_and_digest_tell_aligned_corpora_apart(tmp_path: Path) -> None:
    root = write_meld(tmp_path, KEYS)
    plain, one = open_corpus("meld", root, {}), aligned(root, *PIECES)
    other = aligned(root, *PIECES[:-1], "test,0,0,0,0,0.0,1.25")
    assert plain.protocol == "test_clips=corrected"
    assert one.protocol == other.protocol == "test_clips=corrected, alignment=meld-fair"
    assert len({plain.digest, one.digest, other.digest}) == 3
    (root / MELD_FOLDERS["train"] / "dia0_utt1.mp4").unlink()
    assert aligned(root, *PIECES).digest == one.digest


def test_splits_and_dialogues_that_were_left_out_are_no_error(tmp_path: Path) -> None:
    root = write_meld(tmp_path, {"train": KEYS["train"]})
    corpus = aligned(root, *PIECES, "train,9,0,9,0,0,1", "dev,0,0,0,0,0,1")
    assert pieces_of(corpus, "train/dia0_utt0") == [("dia0_utt0.mp4", 0.5, 2.25)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "train,0,4,0,4,0,1",
            r"Utterance ID is '4'; dialogue 0 has 4 rows; take the annotations of MELD's own",
        ),
        ("train,0,0,0,x,0,1", r"Original Utterance ID is 'x'; give a whole number"),
        ("train,0,0,0,0,zero,1", r"Start Time is 'zero'; give seconds"),
        ("train,0,0,0,0,1,1", r"End Time is '1'; it must be later than Start Time, 1"),
        ("train,0,0,0,0,-1,1", r"End Time is '1'; it must be later than Start Time, -1"),
        ("train,0,0,0,0,0,inf", r"End Time is 'inf'"),
    ],
)
def test_a_row_that_is_none_is_an_error(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(CorpusError, match=rf"pieces\.csv, line 3: {message}"):
        aligned(write_meld(tmp_path, KEYS), PIECES[0], row)


def test_all_wrong_rows_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"(?s)has 2 defects.*line 2: .*line 4: "):
        aligned(write_meld(tmp_path, KEYS), "train,0,9,0,0,0,1", PIECES[0], "train,0,1,0,0,2,1")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"alignment": "meld-fair"}, r"policy alignment=meld-fair has no file; give alignment_file=PATH"),
        (
            {"alignment_file": "x.csv"},
            r"alignment_file=x\.csv says nothing by itself; give alignment=meld-fair",
        ),
        ({"alignment": "fair"}, r"policy alignment = 'fair' of meld: allowed is none or meld-fair"),
        ({"alignment": "meld-fair", "alignment_file": "none.csv"}, r"none\.csv cannot be read"),
    ],
)
def test_an_alignment_goes_with_its_file(tmp_path: Path, policy: dict[str, str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        open_corpus("meld", write_meld(tmp_path, KEYS), policy)


def test_the_check_probes_every_file_that_pieces_lie_in_once(tmp_path: Path) -> None:
    """Files of a dialogue that is listed are known; a piece far past the end of its file is told."""
    write_csv(tmp_path / "test_sent_emo.csv", [meld_row(184, number) for number in range(3)])
    for number in range(3):
        path = tmp_path / MELD_FOLDERS["test"] / f"dia184_utt{number}.mp4"
        write_film(path, frames=25, rate=25, size=(496, 384), layout="stereo")
    corpus = aligned(
        tmp_path,
        *("test,184,0,184,0,0,0.3", "test,184,1,184,0,0.3,0.4", "test,184,1,184,1,0,1.12"),
        *("test,184,2,184,1,0.5,0.9", "test,184,2,184,2,0,1.5"),
    )
    probed: list[tuple[int, int]] = []
    found = check_corpus(corpus, tmp_path, workers=1, on_progress=lambda *done: probed.append(done))
    assert probed[-1] == (3, 3)
    new = {(problem.where, problem.kind): problem.known for problem in found[len(corpus.problems) :]}
    folder = MELD_FOLDERS["test"]
    assert new == {
        (f"{folder}/dia184_utt0.mp4", "picture"): True,
        (f"{folder}/dia184_utt1.mp4", "picture"): True,
        ("test/dia184_utt2", "picture"): True,
        ("test/dia184_utt2", "mis-cut"): False,
    }


def real_parts(shared: Path) -> list[Part]:
    quirks = load_quirks(MeldQuirks, "meld", None)
    parts = [read_part(split, [shared / "data" / "meld"], quirks) for split in Split]
    return [part for part in parts if part is not None]


@pytest.mark.real
def test_the_real_file_fits_melds_annotations_by_position(shared: Path) -> None:
    """13,625 of 13,708 utterances have pieces, in clips that the annotations know."""
    path = shared / "data" / "meld_fair" / "MELD_video_realignment_timestamps.csv"
    parts = real_parts(shared)
    alignment = read_alignment(path, parts)
    keys = {f"{part.split}/dia{d}_utt{u}" for part in parts for d, u in part.rows}
    assert len(keys) == 13_708
    assert len(alignment) == 13_625
    assert alignment.keys() <= keys
    clips = {
        f"{name.split('/')[0]}/{piece}".split(" ")[0] for name, own in alignment.items() for piece in own
    }
    assert clips <= keys
    assert sum(map(len, alignment.values())) == 18_203
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_number = {f"{row['Split']}/dia{row['Dialogue ID']}_utt{row['Utterance ID']}" for row in rows}
    assert len(by_number - keys) == 91  # what the numbers would name, were they MELD's
    # Of a dialogue with a gap: rows 6 to 8, of which two are spoken in a neighbour's clip, too.
    assert [str(piece) for piece in alignment["dev/dia49_utt8"]] == [
        "dia49_utt7 0.205-0.5005",
        "dia49_utt8 0-0.525",
    ]
