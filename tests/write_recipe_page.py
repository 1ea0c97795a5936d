"""Write the tables of docs/recipe.md: every key of a recipe, from the dataclasses that read it.

    python -m tests.write_recipe_page

What stands outside of the two marks is written by hand and stays.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from extraction.corpora.readers import QUIRKS, READERS
from pipelines.recipe import Recipe
from summer.baselines import BASELINES
from tests.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "recipe.md"
BEGIN, END = "<!-- keys: python -m tests.write_recipe_page -->", "<!-- end of keys -->"
OF_RIVALS = ("baselines", "trainings")  # fields of a recipe whose tables have the rivals' names
HEADER = ("| key | default | values | meaning |", "|---|---|---|---|")
ARGUMENT = re.compile(r"^    (?P<names>[a-z_][\w, ]*): (?P<words>.*(?:\n        .*)*)", re.MULTILINE)
WORDS = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text"}
LIMITS = {Ge: "from", Gt: "above", Le: "to", Lt: "below"}


def page_with(keys: str, page: str) -> str:
    """The page with its tables written anew.

    Raises:
        ValueError: the page has lost one of the two marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} must have the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{keys}\n{END}{after}"


def keys_of_recipes() -> str:
    """All tables, as Markdown."""
    return "\n".join([*_corpus(), *_tables(Recipe), *_rivals()])


def _corpus() -> Iterator[str]:
    yield from ("### `[corpus]`", "", "What of a corpus is read. A manifest has no such keys.", "")
    yield from ("| key | of | values, the default first |", "|---|---|---|")
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for corpus, reader in READERS.items():
        for name, values in reader.policies.items():
            keys[name, ", ".join(f"`{one}`" for one in values)].append(f"`{corpus}`")
        for name in (*reader.files, QUIRKS):
            keys[name, "path of a file"].append(f"`{corpus}`")
    for (name, allowed), corpora in keys.items():
        yield f"| `{name}` | {', '.join(corpora)} | {allowed} |"
    yield ""


def _tables(kind: type) -> Iterator[str]:
    """A section for each table; tables with the same keys and defaults share one."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, table, default in _named_tables(kind):
        values = tuple(_values(table, default))
        if values:
            alike[_opening(table), *values].append(f"`[{name}]`")
    for (opening, *values), names in alike.items():
        yield from (f"### {' and '.join(names)}", "", opening, "", *HEADER, *values, "")


def _named_tables(kind: type, prefix: str = "") -> Iterator[tuple[str, type, Any]]:
    """Each table below one, with its name and its default, and those below it."""
    for entry in fields(kind):
        table = _table_in(get_type_hints(kind)[entry.name])
        if table is not None and entry.name not in OF_RIVALS:
            yield f"{prefix}{entry.name}", table, _default(entry)
            yield from _named_tables(table, f"{prefix}{entry.name}.")


def _values(kind: type, default: Any) -> Iterator[str]:
    said = _arguments(kind)
    hints = get_type_hints(kind, include_extras=True)
    for entry in fields(kind):
        if _table_in(hints[entry.name]) is None:
            own = getattr(default, entry.name, _default(entry))
            limits = _limits(kind, entry.name)
            values = " ".join(filter(None, (_allowed(hints[entry.name]), limits)))
            yield f"| `{entry.name}` | {_toml(own)} | {values} | {said.get(entry.name, '')} |"


def _rivals() -> Iterator[str]:
    yield from ("### `[baselines.<name>]`", "")
    yield "Options of the rivals. How one is trained stands in `[<name>]`, with the keys of `[teacher]`."
    yield ""
    for name, rival in BASELINES.items():
        values = list(_values(rival.options, rival.options()))
        if values:
            yield from (f"#### `[baselines.{name}]`", "", *HEADER, *values, "")


def _table_in(hint: Any) -> type | None:
    """The dataclass that is a table of its own, also where it may be left out."""
    for one in (hint, *get_args(hint)):
        if isinstance(one, type) and is_dataclass(one):
            return one
    return None


def _default(entry: Field[Any]) -> Any:
    if entry.default_factory is not MISSING:
        return entry.default_factory()
    default = entry.default
    return default.get_default(call_default_factory=True) if hasattr(default, "get_default") else default


def _toml(value: Any) -> str:
    """A default as a recipe has it; nothing where there is none."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        listed = ", ".join(f'"{one}"' for one in value)
        return f"`[{listed}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _allowed(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (Union, UnionType):
        return " or ".join("left out" if one is NoneType else _allowed(one) for one in arguments)
    if origin is tuple:
        return f"list of {_allowed(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{one.value}`" for one in hint)
    return WORDS[hint]


def _limits(kind: type, name: str) -> str:
    known = getattr(kind, "__pydantic_fields__", {})
    found = known[name].metadata if name in known else ()
    return " ".join(
        f"{word} {getattr(limit, type(limit).__name__.lower())}"
        for limit in found
        if (word := LIMITS.get(type(limit)))
    )


def _opening(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _arguments(kind: type) -> dict[str, str]:
    """What the docstring says of each field."""
    text = (inspect.getdoc(kind) or "").partition("Args:\n")[2].partition("\n\n")[0]
    return {
        name.strip(): " ".join(found["words"].split())
        for found in ARGUMENT.finditer(text)
        for name in found["names"].split(",")
    }


def main(page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(page_with(keys_of_recipes(), page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
