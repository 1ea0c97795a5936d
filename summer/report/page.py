"""A page of text, tables and pictures: Markdown, and the same as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from summer.report.tables import Table

PICTURE = re.compile(r'<img src="(?P<name>[^":]+\.png)"')
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --page: #ffffff; --line: #c9c9c9; --band: #f4f4f4; --link:
#0b57a4 } @media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --page: #161616; --line: #4a4a4a; --band: #222222; --link: #8ab8ff }
  img { background: #ffffff; border-radius: 6px }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
padding: 1rem; max-width: 78rem } h1, h2 { line-height: 1.2 } a { color: var(--link) } .wide { overflow-x:
auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums } th, td { padding: .25rem .6rem;
border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap } th:first-child, td:first-child
{ text-align: left } tbody tr:nth-child(even) { background: var(--band) } img { max-width: 100%; height: auto
} pre { overflow-x: auto; background: var(--band); padding: .6rem } code { font-size: .9em; overflow-wrap:
anywhere }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Blocks of Markdown under a title."""

    title: str
    blocks: tuple[str, ...]

    def markdown(self) -> str:
        """All of it."""
        return "\n\n".join([f"# {self.title}", *(block.strip() for block in self.blocks)]) + "\n"

    def html(self, pictures: Path) -> str:
        """The same as one file: pictures are inside, light and dark follow the reader's screen.

        Args:
            pictures: the folder of the pictures that the Markdown names.

        Raises:
            FileNotFoundError: one of them is not there.
        """
        body = html_of(self.markdown(), pictures)
        body = body.replace("<table>", '<div class="wide" tabindex="0"><table>')
        body = body.replace("</table>", "</table></div>")
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n"
            f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )


def html_of(markdown: str, pictures: Path) -> str:
    """Markdown as HTML in which the pictures are; HTML in it is shown as text.

    Args:
        pictures: the folder of the pictures that it names.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return PICTURE.sub(lambda found: f'<img src="{_inside(pictures / found["name"])}"', body)


def section(title: str, *blocks: str | Table) -> str:
    """A heading and what stands under it."""
    texts = [block.markdown() if isinstance(block, Table) else block for block in blocks]
    return "\n\n".join([f"## {title}", *texts])


def picture(name: str, says: str) -> str:
    """A picture beside the page, and what it says to those who do not see it."""
    return f"![{says}]({name})"


def listed(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"* {line}" for line in lines)


def _inside(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
