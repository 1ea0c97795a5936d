"""IEMOCAP: ids, speakers, halves, splits, protocols, and what its files look like when they are odd."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from extraction.corpora import Corpus, CorpusError, open_corpus
from extraction.corpora.iemocap.dialogues import IemocapQuirks
from extraction.corpora.iemocap.files import RatedTurn, read_evaluation, read_transcription
from extraction.corpora.iemocap.reader import label_of, speaker_half
from extraction.corpora.quirks import load_quirks
from extraction.extractor import Half
from summer.corpus import Split
from tests.extraction.corpora.trees import touch, write_iemocap

AGREED = "C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Sadness;\t()"
HAPPY_TWICE = "C-E2:\tHappiness;\t()\nC-E3:\tExcited; Happiness;\t()\nC-M1:\tHappiness; Other;\t(glad)"
HAPPY_ONCE = "C-E2:\tHappiness;\t()\nC-E3:\tExcited; Happiness;\t()\nC-E4:\tSurprise;\t()"
TURNS = [
    ("F000", "neu", AGREED),
    ("M000", "xxx", HAPPY_TWICE),
    ("M001", "xxx", HAPPY_ONCE),
    ("F001", "sur", AGREED),
    ("F002", "exc", AGREED),
]


@pytest.fixture(scope="module")
def quirks() -> IemocapQuirks:
    return load_quirks(IemocapQuirks, "iemocap", None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One dialogue of each split."""
    release = tmp_path / "IEMOCAP_full_release"
    write_iemocap(release / "Session5", "Ses05M_script01_1b", TURNS)
    write_iemocap(release / "Session3", "Ses03M_impro05a", TURNS)
    write_iemocap(release / "Session1", "Ses01F_impro01", TURNS)
    return tmp_path


def kinds(corpus: Corpus) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for problem in corpus.problems:
        found.setdefault(problem.kind, []).append((problem.where, problem.known))
    return found


def test_a_turn_becomes_a_clip_of_the_films_span_and_the_sentences_file(root: Path) -> None:
    corpus = open_corpus("iemocap", root, {})
    clip = corpus.clips[0]
    assert (clip.utterance.id, clip.utterance.text) == ("Ses03M_impro05a_F000", "Words of F000.")
    assert (clip.utterance.speaker, clip.utterance.label) == ("Ses03F", "neu")
    assert (clip.utterance.start_seconds, clip.utterance.end_seconds) == (0.25, 1.25)
    session = root / "IEMOCAP_full_release" / "Session3"
    assert clip.video is not None
    assert clip.video.path == session / "dialog" / "avi" / "DivX" / "Ses03M_impro05a.avi"
    assert (clip.video.start_seconds, clip.video.end_seconds, clip.video.half) == (0.25, 1.25, Half.RIGHT)
    assert clip.audio is not None
    assert clip.audio.path == session / "sentences" / "wav" / "Ses03M_impro05a" / "Ses03M_impro05a_F000.wav"
    assert (clip.audio.start_seconds, clip.audio.end_seconds, clip.remark) == (None, None, "")


def test_splits_are_by_session_and_by_the_listed_dialogues(root: Path) -> None:
    corpus = open_corpus("iemocap", root, {})
    splits = list(dict.fromkeys((clip.utterance.split, clip.utterance.dialogue) for clip in corpus.clips))
    assert splits == [
        (Split.TRAIN, "Ses03M_impro05a"),
        (Split.DEV, "Ses01F_impro01"),
        (Split.TEST, "Ses05M_script01_1b"),
    ]


def test_the_listed_dev_dialogues_are_twelve_training_dialogues(quirks: IemocapQuirks) -> None:
    names = quirks.dev_dialogues
    assert len(set(names)) == 12
    assert [sum(name.startswith(f"Ses0{session}") for name in names) for session in range(1, 6)] == [
        3,
        3,
        3,
        3,
        0,
    ]
    assert sum(name[5] == "F" for name in names) == 6


@pytest.mark.parametrize(
    ("turn", "half"),
    [
        ("Ses01F_impro01_F000", Half.LEFT),
        ("Ses01F_impro01_M000", Half.RIGHT),
        ("Ses05M_script01_1b_M012", Half.LEFT),
        ("Ses03M_impro08b_F001", Half.RIGHT),
    ],
)
def test_who_wears_the_markers_sits_left(turn: str, half: Half) -> None:
    assert speaker_half(turn) is half


def test_the_protocols_differ_by_undecided_turns_that_two_call_happy(root: Path) -> None:
    field = open_corpus("iemocap", root, {})
    clean = open_corpus("iemocap", root, {"protocol": "majority7380"})
    labels = {clip.utterance.id[-4:]: clip.utterance.label for clip in field.clips}
    assert labels == {"F000": "neu", "M000": "hap", "F002": "exc"}
    assert {clip.utterance.id[-4:] for clip in clean.clips} == {"F000", "F002"}
    assert (field.protocol, clean.protocol) == ("erc7433", "majority7380")
    assert field.labels.names == ("hap", "sad", "neu", "ang", "exc", "fru")
    assert [len(clip.dialogue.utterances) for clip in clean.clips] == [2] * 6  # other turns are no context
    assert [clip.utterance.turn for clip in clean.clips[:2]] == [0, 4]


def test_the_speakers_own_rating_counts_and_second_labels_do_not(quirks: IemocapQuirks) -> None:
    turn = RatedTurn(
        id="t", start_seconds=0.0, end_seconds=1.0, label="xxx", ratings=("Happiness", "Happiness")
    )
    assert label_of(turn, quirks, "erc7433") == "hap"
    assert label_of(replace(turn, ratings=("Happiness", "Excited")), quirks, "erc7433") == ""
    assert label_of(replace(turn, label="sur"), quirks, "erc7433") == ""
    assert label_of(turn, quirks, "majority7380") == ""


def test_the_listed_counts_add_up_to_the_protocols_names(quirks: IemocapQuirks) -> None:
    assert sum(quirks.turns.values()) == 10039
    six = sum(quirks.turns[label] for label in quirks.labels)
    assert six == 7380
    assert six + 53 == quirks.erc7433.published_turns
    assert six + 52 == quirks.erc7433.turns


def test_an_evaluation_gives_the_first_label_of_each_evaluator(root: Path) -> None:
    path = root / "IEMOCAP_full_release" / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    turns = read_evaluation(path)
    assert [turn.label for turn in turns] == ["neu", "xxx", "xxx", "sur", "exc"]
    assert turns[0].ratings == ("Neutral", "Neutral")
    assert turns[1].ratings == ("Happiness", "Excited", "Happiness")


def test_a_damaged_evaluation_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_text("% head\n\n[6.2901 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n", "utf-8")
    with pytest.raises(CorpusError, match=r"Ses01F_impro01\.txt, line 3: '\[6\.2901 8.* restore"):
        read_evaluation(path)
    path.write_text("% head\n", "utf-8")
    with pytest.raises(CorpusError, match="holds no turn"):
        read_evaluation(path)


def test_odd_lines_of_a_transcription_are_passed_over_and_told(root: Path) -> None:
    notes = "M: [LAUGHTER]\nSes01F_impro01_FXX0 [010.0000-011.0000]: Okay.\nnonsense\n"
    write_iemocap(root / "IEMOCAP_full_release" / "Session1", "Ses01F_impro01", TURNS, notes)
    corpus = open_corpus("iemocap", root, {})
    where = "IEMOCAP_full_release/Session1/dialog/transcriptions/Ses01F_impro01.txt"
    assert kinds(corpus)["unparsable"] == [(where, True), (where, False)]
    assert kinds(corpus)["unrated"] == [(where, True)]
    (new,) = (problem for problem in corpus.problems if problem.kind == "unparsable" and not problem.known)
    assert "line 8" in new.what
    assert "nonsense" in new.what


def test_a_transcription_that_is_not_utf8_is_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_bytes("Ses01F_impro01_F000 [006.2901-008.2357]: It’s me.\r\n".encode("cp1252"))
    read = read_transcription(path)
    assert read.texts == {"Ses01F_impro01_F000": "It’s me."}
    assert read.encoding == "cp1252"


def test_without_its_sentence_a_turn_takes_the_sound_of_the_film(root: Path) -> None:
    folder = root / "IEMOCAP_full_release" / "Session3" / "sentences" / "wav" / "Ses03M_impro05a"
    (folder / "Ses03M_impro05a_F000.wav").rename(folder / "._Ses03M_impro05a_F000.wav")
    corpus = open_corpus("iemocap", root, {})
    clip = corpus.clips[0]
    assert clip.audio is not None
    assert clip.audio.path.suffix == ".avi"
    assert (clip.audio.start_seconds, clip.audio.end_seconds, clip.audio.half) == (0.25, 1.25, None)
    assert clip.remark == "no sentence Ses03M_impro05a_F000.wav, sound of the film"
    assert kinds(corpus)["missing"] == [("Ses03M_impro05a_F000", False)]
    (appledouble,) = kinds(corpus)["appledouble"]
    assert appledouble[1]


def test_text_can_be_read_without_film_and_sound(root: Path) -> None:
    digest = open_corpus("iemocap", root, {}).digest
    for session in (1, 3, 5):
        folder = root / "IEMOCAP_full_release" / f"Session{session}"
        shutil.rmtree(folder / "sentences")
        shutil.rmtree(folder / "dialog" / "avi")
    corpus = open_corpus("iemocap", root, {})
    assert {(clip.audio, clip.video) for clip in corpus.clips} == {(None, None)}
    assert [where for where, _ in kinds(corpus)["missing"]] == [
        "Session*/dialog/avi/DivX",
        "Session*/sentences/wav",
    ]
    assert corpus.digest == digest


def test_a_missing_film_or_transcription_costs_one_dialogue(root: Path) -> None:
    dialog = root / "IEMOCAP_full_release" / "Session5" / "dialog"
    (dialog / "avi" / "DivX" / "Ses05M_script01_1b.avi").unlink()
    (dialog / "transcriptions" / "Ses05M_script01_1b.txt").unlink()
    corpus = open_corpus("iemocap", root, {})
    assert [clip.video is None for clip in corpus.clips] == [False] * 6 + [True] * 3
    assert [clip.utterance.text for clip in corpus.clips[6:]] == [""] * 3
    assert "no film Ses05M_script01_1b.avi" in corpus.clips[-1].remark
    assert [Path(where).name for where, _ in kinds(corpus)["missing"]] == [
        "Ses05M_script01_1b.txt",
        "Ses05M_script01_1b.avi",
    ]


def test_times_that_are_no_interval_leave_the_sentence_but_no_picture(root: Path) -> None:
    path = root / "IEMOCAP_full_release" / "Session3" / "dialog" / "EmoEvaluation" / "Ses03M_impro05a.txt"
    path.write_text(path.read_text("utf-8").replace("[0.2500 - 1.2500]", "[0.2500 - 0.2500]"), "utf-8")
    corpus = open_corpus("iemocap", root, {})
    clip = corpus.clips[0]
    assert clip.video is None
    assert clip.audio is not None
    assert clip.utterance.start_seconds is None
    assert kinds(corpus)["mis-timed"] == [("Ses03M_impro05a_F000", False)]


def test_a_session_that_is_there_twice_is_an_error_that_names_both(root: Path) -> None:
    write_iemocap(root / "copy" / "Session1", "Ses01F_impro01", TURNS)
    with pytest.raises(CorpusError, match=r"Session1 is there twice, .*release/Session1 and .*copy/Session1"):
        open_corpus("iemocap", root, {})


def test_a_part_of_the_release_is_told_but_read(root: Path) -> None:
    corpus = open_corpus("iemocap", root / "IEMOCAP_full_release" / "Session1", {})
    assert len(corpus.clips) == 3
    told = [problem.what for problem in corpus.problems if problem.kind == "count"]
    assert told[0] == "1 dialogues, the release has 151"
    assert told[1].startswith("11 of the dialogues of the dev split are absent: Ses01M_impro07")


def test_a_root_without_sessions_says_what_belongs_there(tmp_path: Path) -> None:
    touch(tmp_path / "readme.txt")
    with pytest.raises(CorpusError, match=r"holds no Session\*/dialog/EmoEvaluation.*IEMOCAP_full_release"):
        open_corpus("iemocap", tmp_path, {})


@pytest.mark.parametrize(("recovered", "known"), [(52, True), (51, False)])
def test_a_whole_release_says_which_turns_of_published_work_it_lacks(
    tmp_path: Path, quirks: IemocapQuirks, recovered: int, known: bool
) -> None:
    """151 dialogues with the listed turns of each label, some of the undecided rated happy twice."""
    labels = [label for label, count in quirks.turns.items() for _ in range(count)]
    names = [*quirks.dev_dialogues, *(f"Ses{1 + n % 4:02d}F_extra{n:03d}" for n in range(108))]
    names += [f"Ses05M_extra{n:03d}" for n in range(31)]
    for number, name in enumerate(names):
        lines = []
        for turn, (row, label) in enumerate(list(enumerate(labels))[number :: len(names)]):
            lines.append(f"[{turn}.0 - {turn}.9]\t{name}_F{turn:03d}\t{label}\t[2.5, 2.5, 2.5]")
            lines += ["C-E2:\tHappiness;\t()"] * (2 if label == "xxx" and row < recovered else 1)
        folder = tmp_path / f"Session{int(name[3:5])}" / "dialog" / "EmoEvaluation"
        touch(folder / f"{name}.txt").write_text("\n".join(lines), "utf-8")
    corpus = open_corpus("iemocap", tmp_path, {})
    told = [(problem.what, problem.known) for problem in corpus.problems if problem.kind == "count"]
    assert told == [(f"{7380 + recovered} turns in erc7433, published work has 7433", known)]
    assert len(open_corpus("iemocap", tmp_path, {"protocol": "majority7380"}).clips) == 7380
