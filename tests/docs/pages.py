"""The fenced blocks of README.md, CONTRIBUTING.md and docs/, as a reader of CommonMark sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt

from tests.places import REPOSITORY

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")),
)
SHELL = ("", "bash", "sh", "console")  # a block without a language is one of commands
TITLE = re.compile(r"# (\S+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block.

    Args:
        page: such as "docs/report.md".
        line: of its first fence, from 1.
        language: such as "python"; "" where none is named.
        text: what stands between the fences.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def title(self) -> str:
        """The file that it stands for, if its first line names one as `# extraction/a.py`; else ""."""
        found = TITLE.match(self.text)
        return found[1] if found else ""

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands."""
        return self.language in SHELL

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}, {self.text.partition(chr(10))[0]!r}"


@cache
def fenced(page: str) -> Sequence[Block]:
    """All fenced blocks of a page, in its order.

    Directives of the site, such as ```{toctree}, are left out: what they do is seen when it is built.
    """
    tokens = MarkdownIt().parse((REPOSITORY / page).read_text(encoding="utf-8"))
    return tuple(
        Block(page=page, line=token.map[0] + 1, language=token.info.strip(), text=token.content)
        for token in tokens
        if token.type == "fence" and token.map and not token.info.startswith("{")
    )


@cache
def code_spans(page: str) -> Sequence[str]:
    """What stands between backticks in the text of a page."""
    tokens = MarkdownIt().enable("table").parse((REPOSITORY / page).read_text(encoding="utf-8"))
    inner = [child for token in tokens for child in token.children or []]
    return tuple(child.content for child in inner if child.type == "code_inline")


def blocks(page: str) -> dict[str, str]:
    """The titled blocks of a page of docs/, in its order.

    Args:
        page: name of a file in docs/, such as "add-a-corpus.md".

    Returns:
        The code by the path in its first line, `# extraction/corpora/tiny/reader.py`; that line is kept.
        Blocks without such a line are left out.

    Raises:
        ValueError: two blocks stand for one file, or none for any.
    """
    found: dict[str, str] = {}
    for block in fenced(f"docs/{page}"):
        if block.title in found:
            raise ValueError(f"docs/{page} has two blocks of {block.title}; make them one")
        if block.title:
            found[block.title] = block.text
    if not found:
        raise ValueError(f"docs/{page} has no block that begins with a path, such as # data/a.py; add it")
    return found
