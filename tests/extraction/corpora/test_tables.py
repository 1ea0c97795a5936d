"""Tables: what is read as it is, and what cannot be read is told by file, line, value and remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from extraction.corpora import CorpusError
from extraction.corpora.tables import read_table


def table(folder: Path, content: bytes) -> Path:
    path = folder / "rows of ünïcode.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_cells_are_read_as_they_are_with_or_without_a_mark(tmp_path: Path, mark: bytes) -> None:
    content = 'id,extra,text\r\n1,x,"He said, ""it’s\r\nme"""\r\n\r\n2,y, two \r\n'
    rows = read_table(table(tmp_path, mark + content.encode()), ["id", "text"], optional=["more"])
    assert [dict(row.cells) for row in rows] == [
        {"id": "1", "text": 'He said, "it’s\r\nme"', "more": ""},
        {"id": "2", "text": " two ", "more": ""},
    ]
    assert [row.line for row in rows] == [3, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: the file is empty \(0 bytes\); copy or download"),
        (b" \n", r"line 1: the file is empty \(2 bytes\); copy or download"),
        (b"id,text\n", r"line 1: a header but no rows"),
        (b"id,tetx\n1,a\n", r"line 1: column 'text' is missing among id, tetx; rename 'tetx', the nearest"),
        (b"id,words\n1,a\n", r"line 1: column 'text' is missing among id, words; add it"),
        (b"id;text\n1;a\n", r"line 1: column 'id' is missing.*separate cells by commas, not semicolons"),
        (b"id,text\n1,a\n2,b\0\n", r"line 3: a null byte"),
        (b",".join(b"c%d" % k for k in range(1001)) + b"\n", r"line 1: 1,001 columns, more than 1,000"),
        (b"id,text,id\n1,a,2\n", r"line 1: column 'id' is there twice; keep one"),
        (b"id,text\n1,a\n2,b,c\n", r"line 3: 3 cells where the header has 2, beginning '2'; quote"),
        (b'id,text\n1,"a"b\n', r"line 2: not CSV: .*; quote cells"),
        (b'id,text\n1,"a\n', r"line 2: not CSV: .*; quote cells"),
        (
            b"id,text\n1,a\n2,it\x92s\n",
            r"line 3: byte 0x92 at offset 16 is not UTF-8; .*iconv -f WINDOWS-1252",
        ),
        ("id,text\n1,a\n".encode("utf-16"), r"line 1: byte order mark fffe of UTF-16; save it as UTF-8"),
    ],
)
def test_an_unreadable_table_is_an_error_with_file_line_and_remedy(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(CorpusError, match=r"rows of ünïcode\.csv, " + message):
        read_table(table(tmp_path, content), ["id", "text"])


def test_all_ragged_rows_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"(?s)has 2 defects\n.*line 2: 1 cells .*\n.*line 4: 3 cells"):
        read_table(table(tmp_path, b"id,text\n1\n2,b\n3,c,d\n"), ["id", "text"])


def test_an_absent_table_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.csv cannot be read: No such file.*check the path"):
        read_table(tmp_path / "none.csv", ["id"])
    with pytest.raises(CorpusError, match="is a folder, a pipe or a device"):
        read_table(tmp_path, ["id"])


def test_a_pipe_or_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(CorpusError, match="a folder, a pipe or a device"):
            read_table(path, ["id"])


def test_a_number_of_too_many_digits_is_refused(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path, b"id\n" + b"9" * 5000 + b"\n"), ["id"])
    with pytest.raises(CorpusError, match="give a whole number"):
        row.whole_number("id")
