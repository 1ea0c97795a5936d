"""Annotation tables: CSV in UTF-8, read whole, with errors that name file, line, value and remedy."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from extraction.corpora.corpus import CorpusError
from summer.durable import is_no_file

MOST_TOLD = 100  # defects of one table
MOST_COLUMNS = 1000
MOST_DIGITS = 9  # of a number that counts; a store keeps 18
WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, and the line of the file where it ends (a quoted cell may hold line breaks)."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def error(self, column: str, remedy: str) -> CorpusError:
        """An error that says which value of this row is wrong and what to do."""
        return CorpusError(f"{self.path}, line {self.line}: {column} is {self.cells[column]!r}; {remedy}")

    def whole_number(self, column: str) -> int:
        """The value of a column that counts from 0.

        Raises:
            CorpusError: it is not a whole number.
        """
        value = self.cells[column].strip()
        if not (value.isascii() and value.isdigit() and len(value.lstrip("0")) <= MOST_DIGITS):
            raise self.error(column, "give a whole number such as 0 or 12")
        return int(value)


class Defects:
    """What is wrong with a table, gathered over all its rows and told at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[CorpusError] = []

    def __len__(self) -> int:
        return len(self._found)

    def note(self, error: CorpusError) -> None:
        """Keep an error; reading goes on."""
        self._found.append(error)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep the error that the block raises, if it does."""
        try:
            yield
        except CorpusError as error:
            self.note(error)

    def refuse(self) -> None:
        """Say all that was found.

        Raises:
            CorpusError: anything was; of very many the first, and how many there are.
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            lines = [str(error) for error in self._found[:MOST_TOLD]]
            if len(self._found) > MOST_TOLD:
                lines.append(f"and {len(self._found) - MOST_TOLD} more")
            raise CorpusError("\n".join([f"{self._path} has {len(self._found)} defects", *lines]))


def read_table(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> list[Row]:
    """Read a CSV file.

    Args:
        path: UTF-8, with or without a byte order mark; comma separated; first line the header.
        columns: that must be there; others are allowed and left out, unless they are
        optional: kept where the file has them, "" where it has not.

    Returns:
        Rows in file order; blank lines are skipped.

    Raises:
        CorpusError: the file is absent, empty, not UTF-8, not CSV, lacks a column or has ragged rows.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rows, defects = [], Defects(path)
    try:
        header = next(reader)
        _check_header(path, header, columns)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                found = f"{len(cells)} cells where the header has {len(header)}, beginning {cells[0]!r}"
                remedy = "quote cells that hold commas or quotes"
                defects.note(CorpusError(f"{path}, line {reader.line_num}: {found}; {remedy}"))
                continue
            named = dict(zip(header, cells, strict=True))
            kept = {column: named[column] for column in columns}
            kept |= {column: named.get(column, "") for column in optional}
            rows.append(Row(path=path, line=reader.line_num, cells=kept))
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {reader.line_num}: not CSV: {error}; quote cells that hold commas or quotes"
        ) from error
    defects.refuse()
    if not rows:
        raise CorpusError(f"{path}, line {reader.line_num}: a header but no rows; copy or download it again")
    return rows


def _text(path: Path) -> str:
    if is_no_file(path):
        raise CorpusError(f"{path} is a folder, a pipe or a device; give a table")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror}; check the path and its rights"
        ) from error
    if not content.strip():
        raise CorpusError(
            f"{path}, line 1: the file is empty ({len(content)} bytes); copy or download it again"
        )
    if content[:2] in WIDE_MARKS:
        encoding = WIDE_MARKS[content[:2]]
        raise CorpusError(
            f"{path}, line 1: byte order mark {content[:2].hex()} of {encoding}; save it as "
            f"UTF-8, for instance: iconv -f {encoding} -t UTF-8"
        )
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise CorpusError(
            f"{path}, line {line}: a null byte: it is no text, or UTF-16 without its mark; save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} at offset {error.start} is not UTF-8; "
            "mostly it is Windows-1252: convert it with iconv -f WINDOWS-1252 -t UTF-8, or take the file of "
            "the corpus' own repository"
        ) from error


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    if len(header) > MOST_COLUMNS:
        raise CorpusError(
            f"{path}, line 1: {len(header):,} columns, more than {MOST_COLUMNS:,}; give a table of utterances"
        )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise CorpusError(f"{path}, line 1: column {twice[0]!r} is there twice; keep one")
    for column in columns:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
            hint = f"rename {near[0]!r}, the nearest there is" if near else "add it"
            if len(header) == 1 and ";" in header[0]:
                hint = "separate cells by commas, not semicolons"
            raise CorpusError(
                f"{path}, line 1: column {column!r} is missing among {', '.join(header)}; {hint}"
            )
