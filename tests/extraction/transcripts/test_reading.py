"""Transcripts of all four formats: the words, the speakers, the times, and what is odd about them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from extraction.transcripts import Line, Transcript, TranscriptError, read_transcript

SRT = """1
00:00:01,000 --> 00:00:02,500
ROSS: I told you, <i>twice</i>.

2
00:00:03,000 --> 00:01:04,250
JOEY: {\\an8}How you
doin'?

"""
VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE no words
00:00:00.000 --> 00:00:01.000 is not read here

intro
00:01.000 --> 00:02.500 line:0 align:left
<v.loud Ross>I told you, <c.big>twice</c> &amp; <00:01.700>more.

01:00:03.000 --> 01:00:05.000
<v Rachel Green>No.</v> <v Ross>But&nbsp;yes!</v>
"""


def read(tmp_path: Path, name: str, content: str | bytes) -> Transcript:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(path)


def said(transcript: Transcript) -> list[tuple[str, str, float | None, float | None]]:
    return [(line.speaker, line.text, line.start_seconds, line.end_seconds) for line in transcript.lines]


def test_subrip_has_names_before_the_words_and_no_markup(tmp_path: Path) -> None:
    expected = [("ROSS", "I told you, twice.", 1.0, 2.5), ("JOEY", "How you doin'?", 3.0, 64.25)]
    assert said(read(tmp_path, "a.srt", SRT)) == expected
    assert said(read(tmp_path, "b.SRT", SRT.replace("\n", "\r\n"))) == expected
    assert said(read(tmp_path, "c.srt", SRT.encode("utf-8-sig"))) == expected
    assert said(read(tmp_path, "d.srt", SRT.encode("utf-16"))) == expected


def test_webvtt_has_voices_and_blocks_without_words(tmp_path: Path) -> None:
    first, second, third = said(read(tmp_path, "a.vtt", VTT))
    assert first == ("Ross", "I told you, twice & more.", 1.0, 2.5)
    assert second[:3] == ("Rachel Green", "No.", 3603.0)
    assert third == ("Ross", "But yes!", second[3], 3605.0)
    assert second[3] == pytest.approx(3603 + 2 * len("No.") / len("No.But yes!"))


def test_rows_with_dashes_are_two_who_answer_each_other_and_one_dash_is_none(tmp_path: Path) -> None:
    two = "1\n00:00:00,000 --> 00:00:04,000\n- Hi.\n- Hello there,\nyou.\n"
    (first, second) = said(read(tmp_path, "two.srt", two))
    assert (first[1], second[1]) == ("Hi.", "Hello there, you.")
    assert 0 == first[2] < first[3] == second[2] < second[3] == 4  # type: ignore[operator]
    one = "1\n00:00:00,000 --> 00:00:04,000\n- I was\nso sure.\n"
    assert [line[1] for line in said(read(tmp_path, "one.srt", one))] == ["- I was so sure."]


@pytest.mark.parametrize(
    ("rows", "speakers"),
    [
        (["Listen: it is over.", "I know.", "Do you?"], ["", "", ""]),
        (["Ross: it is over.", "Joey: I know.", "Do you?"], ["Ross", "Joey", ""]),
        (["ROSS: it is over.", "I know.", "Do you?", "Well."], ["ROSS", "", "", ""]),
        (["It is 10:30 now.", "http://a.example", "Come at 9: sharp"], ["", "", ""]),
        (["[ROSS]: it is over.", "Mr. No, listen: yes.", "x"], ["ROSS", "", ""]),
    ],
)
def test_a_name_before_the_words_is_one_in_capitals_or_where_it_is_usual(
    rows: list[str], speakers: list[str], tmp_path: Path
) -> None:
    entries = [{"text": row} for row in rows]
    assert [line.speaker for line in read(tmp_path, "a.json", json.dumps(entries)).lines] == speakers


@pytest.mark.parametrize("wrap", [None, "segments", "utterances", "lines"])
def test_json_is_a_list_or_holds_one(wrap: str | None, tmp_path: Path) -> None:
    entries = [
        {"text": " Hello\n there ", "start": 0.5, "end": "00:01.500", "speaker": "A"},
        {"words": "yes", "start_time": 2, "end_time": 3},
    ]
    content = json.dumps(entries if wrap is None else {wrap: entries, "language": "en"})
    assert said(read(tmp_path, "a.json", content)) == [("A", "Hello there", 0.5, 1.5), ("", "yes", 2.0, 3.0)]


def test_csv_has_columns_by_several_names_and_times_may_be_left_out(tmp_path: Path) -> None:
    content = 'Speaker,Text,Start,End\nA,"Well, yes",1:02,63.5\nB,No,,\n'
    assert said(read(tmp_path, "a.csv", content)) == [("A", "Well, yes", 62.0, 63.5), ("B", "No", None, None)]


def test_html_in_words_is_text_where_the_format_has_no_markup(tmp_path: Path) -> None:
    content = json.dumps([{"text": "<script>alert(1)</script> & <b>"}])
    assert read(tmp_path, "a.json", content).lines[0].text == "<script>alert(1)</script> & <b>"


def test_what_is_odd_is_told_and_nothing_with_words_is_lost(tmp_path: Path) -> None:
    entries = [
        {"text": "late", "start": 9, "end": 10},
        {"text": "early", "start": 1, "end": 4},
        {"text": "", "start": 2, "end": 3},
        {"text": "at once", "start": 3, "end": 5},
        {"text": "backwards", "start": 8, "end": 7},
    ]
    transcript = read(tmp_path, "a.json", json.dumps(entries))
    assert {line.text for line in transcript.lines} == {"late", "early", "at once", "backwards"}
    assert [line.text for line in transcript.lines if line.is_timed] == ["early", "at once", "late"]
    told = " ".join(transcript.notes)
    assert "lines without words: 1, left out" in told
    assert "lines whose end is not after their start: 1, read without times" in told
    assert "out of order" in told
    assert "lines that begin before an earlier one ends: 1, kept as they are" in told


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    transcript = read(tmp_path, "a.srt", SRT.replace("twice", "à mon café").encode("cp1252"))
    assert "à mon café" in transcript.lines[0].text
    assert any("read as Windows-1252" in note for note in transcript.notes)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "Hello", r"give .srt, .vtt, .csv, .json"),
        ("a.srt", "", "is empty"),
        ("a.srt", "Hello there\n", "no line of times such as"),
        ("a.srt", "1\n00:00:01,000 --> soon\nHi\n", "line 2: '00:00:01,000 --> soon' is no line of times"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n\n", "no line with words"),
        ("a.vtt", b"W\0E\0B\0", "null bytes"),
        ("a.csv", "speaker;text\na;b\n", "separate cells by commas"),
        ("a.csv", "speaker,said\na,b\n", "no column named text among speaker, said"),
        ("a.csv", "speaker,text\na\n", "line 2: 1 cells where the header has 2"),
        ("a.csv", "text,start\nhi,soon\n", "line 2: start is 'soon'"),
        ("a.csv", "text,start\nhi,-3\n", "line 2: start is '-3'"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"a": 1}', "has no list of lines"),
        ("a.json", "[1]", "entry 1 has no text"),
        ("a.json", '[{"text": "a", "start": true}]', "entry 1: start is 'True'"),
        ("a.json", '[{"text": "a", "start": NaN, "end": 2}]', "entry 1: start is 'nan'"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", "[]", "no line with words"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place_and_remedy(
    name: str, content: str | bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(TranscriptError, match=says):
        read(tmp_path, name, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="cannot be read: No such file"):
        read_transcript(tmp_path / "none.srt")


def test_a_line_knows_whether_there_is_something_to_hear() -> None:
    assert Line(speaker="", text="a", start_seconds=0.0, end_seconds=1.0).is_timed
    assert not Line(speaker="", text="a").is_timed


@pytest.mark.parametrize("digits", [7, 400, 6000])
def test_a_time_of_too_many_digits_is_no_time(digits: int, tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="is no line of times"):
        read(tmp_path, "a.srt", f"1\n{'9' * digits}:00:00,000 --> 00:00:01,000\nHi.\n")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.srt")
    with pytest.raises(TranscriptError, match="a folder, a pipe or a device"):
        read_transcript(tmp_path / "pipe.srt")


def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="nested too deeply"):
        read(tmp_path, "deep.json", "[" * 100_000)
