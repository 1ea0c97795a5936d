"""A report as sections of blocks, and the one HTML page of it that needs nothing else.

What a block says is text and escaped by the template. Charts are data until the reader comes near them; only
then the library that draws them, which is in the page once, is run.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

from markupsafe import Markup

from summer.report.charts import Spec
from summer.report.conversation.packing import as_json
from summer.report.conversation.shown import picture_type
from summer.report.tables import Table
from summer.report.templates import as_script, asset, rendered

NUMBER = re.compile(r"[^\w]*\d|–?$")  # what a cell with a number begins with
GENERATOR = "summer-report"  # by which a page is known as one of ours
MARK = f'<meta name="generator" content="{GENERATOR}">'


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    words: str
    kind = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words; `is_warning` is for what a reader must not miss."""

    words: str
    is_warning: bool = False
    kind = "paragraph"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    pairs: Sequence[tuple[str, str]]
    kind = "facts"


@dataclass(frozen=True, slots=True)
class Command:
    """What a reader may type."""

    words: str
    kind = "command"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table to be sorted; numbers in its cells are sorted as numbers."""

    caption: str
    table: Table
    kind = "grid"

    @property
    def worded(self) -> frozenset[int]:
        """The columns that hold words and not numbers."""
        columns = enumerate(zip(*self.table.rows, strict=True))
        return frozenset(k for k, cells in columns if not all(map(NUMBER.match, cells)))


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Args:
        says: in words, for those who do not see it.
        table: its numbers, folded below it.
    """

    title: str
    says: str
    spec: Spec
    table: Table | None = None
    kind = "chart"

    @property
    def grid(self) -> Grid | None:
        """Its numbers, as a table to be sorted."""
        return None if self.table is None else Grid(self.title, self.table)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Args:
        content: PNG or JPEG.

    Raises:
        ValueError: it is neither.
    """

    title: str
    says: str
    content: bytes
    kind = "picture"

    def __post_init__(self) -> None:
        if picture_type(self.content) is None:
            raise ValueError(f"the picture {self.title!r} is neither PNG nor JPEG; draw it anew")

    @property
    def address(self) -> str:
        """The picture itself, as an address."""
        return f"data:{picture_type(self.content)};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class Face:
    """One row of a contact sheet.

    Args:
        title: whose face it is.
        chosen: pictures of the chosen face side by side; None where none is shown.
        others: a picture of each other face.
        edge: "ok", "remark" or "failed".
        lines: what is said of it.
    """

    title: str
    chosen: Picture | None
    others: Sequence[Picture]
    edge: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Faces:
    """A contact sheet."""

    faces: Sequence[Face]
    kind = "faces"


@dataclass(frozen=True, slots=True)
class Fragment:
    """HTML that a template has made, such as a conversation view."""

    html: Markup
    kind = "fragment"


Block = Heading | Paragraph | Facts | Command | Grid | Chart | Picture | Faces | Fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under a title."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Sections under a title."""

    title: str
    note: str
    sections: Sequence[Section]

    def html(self) -> str:
        """The page, one file, which asks for nothing from outside."""
        numbers = count()
        charts = {id(one): next(numbers) for s in self.sections for one in s.blocks if isinstance(one, Chart)}
        return rendered(
            "report.html",
            report=self,
            mark=Markup(MARK),
            number_of=lambda chart: charts[id(chart)],
            json_of=_json,
            library=charts_library() if charts else "",
            styles=[asset("theme.css"), asset("report.css")],
            scripts=[asset("theme.js"), asset("report.js")],
        )


@cache
def charts_library() -> Markup:
    """Vega, Vega-Lite and vega-embed as one program, which sets `vegaEmbed` of the window."""
    from vl_convert import javascript_bundle  # 30 MB of a compiler: not before a page is made

    program = javascript_bundle("window.vegaEmbed = vegaEmbed;")
    for ending in ("/script", "!--"):  # in a program these can stand in strings alone
        program = program.replace(f"<{ending}", f"<\\{ending}")
    return as_script(f"(() => {{{program}\n}})();")


def _json(spec: dict[str, Any]) -> Markup:
    return as_script(as_json(spec))
