"""A CSV with one row per utterance: its id, and a vector in numeric columns.

UTF-8 with or without a byte order mark, comma separated, first line the header. The id stands in a column or
is built of several, as in `{split}/dia{dialogue}_utt{utterance}`. An empty cell is a value that is not known.
"""

from __future__ import annotations

import csv
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.durable import is_no_file
from summer.store.imports.imported import named
from summer.store.imports.keyed import KeyedFile
from summer.store.imports.unpickle import ImportFileError

ABOUT_THE_UTTERANCE = ("id", "index", "split", "dialogue", "dialogue_id", "utterance", "utterance_id", "turn")
ABOUT_ITS_CONTENT = ("speaker", "label", "emotion", "sentiment", "text", "sentence", "transcript", "media")
ABOUT_ITS_PLACE = ("season", "episode", "start_seconds", "end_seconds", "starttime", "endtime")
NEVER_FEATURES = frozenset((*ABOUT_THE_UTTERANCE, *ABOUT_ITS_CONTENT, *ABOUT_ITS_PLACE))


def read_keyed_csv(
    path: Path, *, id_column: str = "id", id_template: str | None = None, columns: Sequence[str] = ()
) -> KeyedFile:
    """Read ids and vectors.

    Args:
        id_template: names of columns in braces; takes the place of `id_column`.
        columns: of the vector, in this order; all numeric ones where empty, but those that describe the row.

    Raises:
        ImportFileError: no CSV in UTF-8; a column is not there; a cell is not a number; an id stands twice.
    """
    header = _header(path)
    identify, id_parts = _identifier(path, header, id_template or f"{{{id_column}}}")
    chosen = _chosen_columns(path, header, columns) or _numeric_columns(path, header, id_parts)
    positions = [header.index(name) for name in chosen]
    row_of: dict[str, int] = {}
    vectors: list[NDArray[np.float32]] = []
    for line, cells in _records(path):
        name = identify(cells)
        if name in row_of or not name:
            what = f"id {name!r} stands a second time" if name else "the id is empty"
            raise ImportFileError(
                f"{path}, line {line}: {what}; give each utterance one row, or build ids of more columns by "
                "--id-template"
            )
        row_of[name] = len(vectors)
        vectors.append(_vector(path, line, chosen, [cells[position] for position in positions]))
    if not vectors:
        raise ImportFileError(f"{path} has a header but no rows; copy or download it again")
    unused = [name for name in header if name not in chosen and name not in id_parts]
    return KeyedFile(
        path=path,
        columns=tuple(chosen),
        row_of=row_of,
        vectors=np.stack(vectors),
        options={
            "format": "csv",
            "id": id_template or f"{{{id_column}}}",
            "columns": ", ".join(chosen),
        },
        notes=(f"columns not taken: {named(unused)}",) if unused else (),
    )


def _records(path: Path, *, with_header: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank."""
    if is_no_file(path):
        raise ImportFileError(f"{path} is a folder, a pipe or a device; give a CSV file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            width = 0
            for cells in reader:
                if not cells:
                    continue
                if width and len(cells) != width:
                    raise ImportFileError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header has {width}; "
                        "quote cells that hold commas"
                    )
                if width or with_header:
                    yield reader.line_num, cells
                width = len(cells)
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}; check its path") from error
    except UnicodeDecodeError as error:
        raise ImportFileError(f"{path} is not UTF-8 ({error.reason}); save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise ImportFileError(f"{path} is not CSV: {error}; save it comma separated, in UTF-8") from error


def _header(path: Path) -> list[str]:
    for _, cells in _records(path, with_header=True):
        header = [cell.strip() for cell in cells]
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise ImportFileError(f"{path}: column {twice[0]!r} stands twice in the header; rename one")
        return header
    raise ImportFileError(f"{path} is empty; copy or download it again")


def _identifier(
    path: Path, header: Sequence[str], template: str
) -> tuple[Callable[[Sequence[str]], str], set[str]]:
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ImportFileError(
            f"id template {template!r} is not understood ({error}); write {{column}}"
        ) from error
    parts = [(text, name) for text, name, *_ in pieces]
    names = {name for _, name in parts if name is not None}
    absent = [name for name in names if name not in header]
    if absent or not names:
        raise ImportFileError(
            f"{path} has no column {absent[0] if absent else ''!r} to take ids from; its columns are "
            f"{', '.join(header[:20])}; name one by --id-column, or build the id by --id-template "
            "'{split}/dia{dialogue}_utt{utterance}'"
        )
    positions = [(text, None if name is None else header.index(name)) for text, name in parts]

    def identify(cells: Sequence[str]) -> str:
        return "".join(
            text + ("" if position is None else cells[position].strip()) for text, position in positions
        )

    return identify, names


def _chosen_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> list[str]:
    absent = [name for name in columns if name not in header]
    if absent:
        raise ImportFileError(
            f"{path} has no column {absent[0]!r}; its columns are {', '.join(header[:20])}; correct --columns"
        )
    return list(dict.fromkeys(columns))


def _numeric_columns(path: Path, header: Sequence[str], id_parts: set[str]) -> list[str]:
    """Columns whose first filled cell is a number."""
    open_ones = {
        position: name
        for position, name in enumerate(header)
        if name and name not in id_parts and name.lower() not in NEVER_FEATURES
    }
    numeric: set[int] = set()
    for _, cells in _records(path):
        filled = [position for position in open_ones if cells[position].strip()]
        numeric |= {position for position in filled if _is_number(cells[position])}
        for position in filled:
            del open_ones[position]
        if not open_ones:
            break
    if not numeric:
        raise ImportFileError(
            f"{path} has no numeric column among {', '.join(header[:20])}; name the vector's columns by "
            "--columns"
        )
    return [name for position, name in enumerate(header) if position in numeric]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _vector(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> NDArray[np.float32]:
    try:
        values = [float(cell) if cell.strip() else np.nan for cell in cells]
    except ValueError as error:
        column, cell = next(
            (c, v) for c, v in zip(columns, cells, strict=True) if v.strip() and not _is_number(v)
        )
        raise ImportFileError(
            f"{path}, line {line}: {column} is {cell!r}, not a number; leave the cell empty where the value "
            "is not known, or name the vector's columns by --columns"
        ) from error
    with np.errstate(over="ignore"):  # past float32's range: not finite, so missing
        return np.array(values, dtype=np.float32)
