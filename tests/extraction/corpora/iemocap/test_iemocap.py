"""IEMOCAP: ids, speakers, halves, splits, protocols, and what its files look like when they are odd."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from extraction.corpora import Corpus, CorpusError, open_corpus
from extraction.corpora.iemocap.dialogues import IemocapQuirks
from extraction.corpora.iemocap.files import RatedTurn, read_evaluation, read_transcription
from extraction.corpora.iemocap.reader import label_of, speaker_half
from extraction.corpora.quirks import load_quirks
from extraction.extractor import LEFT_HALF, RIGHT_HALF, Region
from summer.corpus import Split, context_of
from tests.extraction.corpora.trees import touch, write_iemocap

AGREED = "C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Sadness;\t()"
HAPPY_TWICE = "C-E2:\tHappiness;\t()\nC-E3:\tExcited; Happiness;\t()\nC-M1:\tHappiness; Other;\t(glad)"
TURNS = [
    ("F000", "neu", AGREED),
    ("M000", "xxx", HAPPY_TWICE),
    ("F017", "xxx", HAPPY_TWICE),  # of Ses03M_impro05a it is one of the listed 53
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
    assert (clip.video.start_seconds, clip.video.end_seconds, clip.video.region) == (0.25, 1.25, RIGHT_HALF)
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
        ("Ses01F_impro01_F000", LEFT_HALF),
        ("Ses01F_impro01_M000", RIGHT_HALF),
        ("Ses05M_script01_1b_M012", LEFT_HALF),
        ("Ses03M_impro08b_F001", RIGHT_HALF),
    ],
)
def test_who_wears_the_markers_sits_left(turn: str, half: Region) -> None:
    assert speaker_half(turn) is half


def test_the_protocols_differ_by_the_listed_turns(root: Path) -> None:
    field = open_corpus("iemocap", root, {})
    clean = open_corpus("iemocap", root, {"protocol": "majority7380"})
    of_field, of_clean = (
        {clip.utterance.id: clip.utterance.label for clip in corpus.clips} for corpus in (field, clean)
    )
    assert list(of_field) == list(of_clean)
    assert of_clean == of_field | {"Ses03M_impro05a_F017": ""}
    assert [of_field[f"Ses03M_impro05a_{turn}"] for turn, _, _ in TURNS] == ["neu", "", "hap", "", "exc"]
    assert [of_field[f"Ses01F_impro01_{turn}"] for turn, _, _ in TURNS] == ["neu", "", "", "", "exc"]
    assert (field.protocol, clean.protocol) == ("erc7433", "majority7380")
    assert field.labels.names == ("hap", "sad", "neu", "ang", "exc", "fru")
    assert field.digest != clean.digest


def test_turns_of_other_labels_are_said_and_stay_in_the_dialogue_as_context(root: Path) -> None:
    corpus = open_corpus("iemocap", root, {"protocol": "majority7380"})
    first = corpus.clips[0].dialogue
    assert [utterance.turn for utterance in first.utterances] == [0, 1, 2, 3, 4]
    assert [utterance.text for utterance in first.utterances][1] == "Words of M000."
    assert context_of(first.utterances) == 3
    context = corpus.clips[1]
    assert not context.utterance.is_labelled
    assert context.video is not None
    assert context.audio is not None


def test_only_an_undecided_turn_of_the_list_is_called_happy(quirks: IemocapQuirks) -> None:
    turn = RatedTurn(id="Ses05F_impro07_M010", start_seconds=0.0, end_seconds=1.0, label="xxx")
    assert label_of(turn, quirks, "erc7433") == "hap"
    assert label_of(replace(turn, id="Ses05F_impro07_M011"), quirks, "erc7433") == ""
    assert label_of(replace(turn, label="sur"), quirks, "erc7433") == ""
    assert label_of(replace(turn, label="sad"), quirks, "erc7433") == "sad"
    assert label_of(turn, quirks, "majority7380") == ""


def test_the_listed_counts_add_up_to_the_protocols_names(quirks: IemocapQuirks) -> None:
    assert sum(quirks.turns.values()) == 10039
    six = sum(quirks.turns[label] for label in quirks.labels)
    assert six == 7380
    assert len(set(quirks.erc7433.turns)) == len(quirks.erc7433.turns) == 53
    assert six + 53 == quirks.erc7433.rows
    assert sum(turn.startswith("Ses05") for turn in quirks.erc7433.turns) == 1  # 1622 + 1 of test


def test_an_evaluation_gives_the_majority_label_of_each_turn(root: Path) -> None:
    path = root / "IEMOCAP_full_release" / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    assert [turn.label for turn in read_evaluation(path)] == ["neu", "xxx", "xxx", "sur", "exc"]


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
    assert (clip.audio.start_seconds, clip.audio.end_seconds, clip.audio.region) == (0.25, 1.25, None)
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
    assert [clip.video is None for clip in corpus.clips] == [False] * 10 + [True] * 5
    assert [clip.utterance.text for clip in corpus.clips[10:]] == [""] * 5
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
    assert len(corpus.clips) == 5
    told = [problem.what for problem in corpus.problems if problem.kind == "count"]
    assert told[0] == "1 dialogues, the release has 151"
    assert told[1].startswith("11 of the dialogues of the dev split are absent: Ses01M_impro07")


def test_a_root_without_sessions_says_what_belongs_there(tmp_path: Path) -> None:
    touch(tmp_path / "readme.txt")
    with pytest.raises(CorpusError, match=r"holds no Session\*/dialog/EmoEvaluation.*IEMOCAP_full_release"):
        open_corpus("iemocap", tmp_path, {})


def write_whole_release(root: Path, quirks: IemocapQuirks, listed: Sequence[str]) -> None:
    """151 dialogues with the listed number of turns of each label; of `xxx` some have these ids."""
    names = dict.fromkeys([*(turn.rpartition("_")[0] for turn in listed), *quirks.dev_dialogues])
    names |= dict.fromkeys(f"Ses05M_extra{n:03d}" for n in range(30))
    names |= dict.fromkeys(f"Ses{1 + n % 4:02d}F_extra{n:03d}" for n in range(quirks.dialogues - len(names)))
    lines: dict[str, list[str]] = {name: [] for name in names}
    rest = [label for label, count in quirks.turns.items() for _ in range(count)]
    for _ in listed:
        rest.remove("xxx")
    others = [
        (f"{list(names)[n % len(names)]}_F{500 + n // len(names)}", label) for n, label in enumerate(rest)
    ]
    for turn, label in [*((turn, "xxx") for turn in listed), *others]:
        own = lines[turn.rpartition("_")[0]]
        own.append(f"[{len(own)}.0 - {len(own)}.9]\t{turn}\t{label}\t[2.5, 2.5, 2.5]")
    for name, own in lines.items():
        folder = root / f"Session{int(name[3:5])}" / "dialog" / "EmoEvaluation"
        touch(folder / f"{name}.txt").write_text("\n".join(own), "utf-8")


def test_of_a_whole_release_the_fields_protocol_counts_7433_turns_and_the_clean_one_7380(
    tmp_path: Path, quirks: IemocapQuirks
) -> None:
    write_whole_release(tmp_path, quirks, quirks.erc7433.turns)
    for protocol, labelled, happy in (("erc7433", 7433, 595 + 53), ("majority7380", 7380, 595)):
        corpus = open_corpus("iemocap", tmp_path, {"protocol": protocol})
        utterances = [clip.utterance for clip in corpus.clips]
        assert (len(utterances), len(utterances) - context_of(utterances)) == (10039, labelled)
        assert sum(utterance.label == "hap" for utterance in utterances) == happy
        assert [problem for problem in corpus.problems if problem.kind == "count"] == []


def test_a_release_that_lacks_a_listed_turn_is_told(tmp_path: Path, quirks: IemocapQuirks) -> None:
    write_whole_release(tmp_path, quirks, quirks.erc7433.turns[1:])
    corpus = open_corpus("iemocap", tmp_path, {})
    told = [(problem.what, problem.known) for problem in corpus.problems if problem.kind == "count"]
    assert told == [("7432 labelled turns in erc7433, published work has 7433", False)]
