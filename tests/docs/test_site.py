"""The pages of docs/ as a site and as files: each is in the table of contents, every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

import summer
from tests.docs.pages import PAGES
from tests.places import REPOSITORY

INDEX = REPOSITORY / "docs" / "index.md"
TEXTS = (*PAGES, "ARCHITECTURE.md", "CHANGELOG.md")
FETCHED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}


def tokens(path: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(path.read_text(encoding="utf-8"))


def links(path: Path) -> Iterator[str]:
    """Where the links and pictures of a Markdown file lead, but to other sites."""
    for token in tokens(path):
        for child in token.children or []:
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if target and not urlsplit(target).scheme:
                yield target


def anchors(path: Path) -> set[str]:
    """The anchors that a code host gives the headings of a Markdown file."""
    heads = [after.content for one, after in pairwise(tokens(path)) if one.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def contents() -> list[str]:
    """The pages in the tables of contents, as `{toctree}` has them."""
    trees = [token.content for token in tokens(INDEX) if token.info == "{toctree}"]
    return [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]


def test_every_page_is_in_the_table_of_contents() -> None:
    pages = {path.stem for path in INDEX.parent.glob("*.md")} - {INDEX.stem}
    missing = sorted(pages - {*contents()})
    assert not missing, "docs/index.md: name these in a {toctree}, and in the list above that"
    assert sorted(contents()) == sorted(pages), "docs/index.md names a page twice, or one that is gone"


def test_the_lists_of_the_index_are_its_tables_of_contents() -> None:
    listed = [target.removesuffix(".md") for target in links(INDEX) if target.endswith(".md")]
    assert listed[1:] == contents(), "the first link is that of the introduction"


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_to_a_file_and_a_heading_in_it(page: str) -> None:
    path = REPOSITORY / page
    broken = []
    for target in links(path):
        place, _, anchor = target.partition("#")
        found = (path.parent / unquote(place)).resolve() if place else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert not broken


def test_every_public_name_is_on_the_page_of_what_can_be_imported() -> None:
    page = (INDEX.parent / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\.\. auto\w+:: summer\.(\w+)$", page, re.MULTILINE)) == sorted(summer.__all__)


class Page(HTMLParser):
    """What a page of the site has: its ids, where its links lead, and what it has a browser fetch."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and (tag, name) == ("a", "href"):
                self.links.add(value)
            elif value and (tag, name) in FETCHED:
                self.fetched.add(value)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_every_link_and_anchor_in_it_resolves(tmp_path: Path) -> None:
    site = tmp_path / "site"
    environment = Path(sys.executable).parent.parent
    typed = ["make", "--old-file=install", "site", f"SITE={site}", f"VENV={environment}"]
    done = subprocess.run(typed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = {path: Page(path) for path in sorted(site.glob("*.html"))}
    assert {path.stem for path in pages} >= {*contents(), "index"}
    broken = [
        f"{path.name}: {target}"
        for path, page in pages.items()
        for target in page.links | page.fetched
        if not urlsplit(target).scheme and not leads_somewhere(path, target, pages)
    ]
    assert not broken
    fetched = {target for page in pages.values() for target in page.fetched if urlsplit(target).netloc}
    assert not fetched, "a page of the site may ask for nothing from a network"


def leads_somewhere(path: Path, target: str, pages: dict[Path, Page]) -> bool:
    """Whether a link of a page of the site leads to a file, and to an anchor where it names one."""
    split = urlsplit(target)
    found = (path.parent / unquote(split.path)).resolve() if split.path else path
    has_anchor = not split.fragment or found not in pages or unquote(split.fragment) in pages[found].ids
    return found.exists() and has_anchor
