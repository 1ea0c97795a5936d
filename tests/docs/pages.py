"""The code of a page of docs/: each fenced block whose first line names the file that it stands for."""

from __future__ import annotations

import re

from tests.places import REPOSITORY

FENCED = re.compile(r"^```\w+\n(# (?P<path>\S+)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """The titled blocks of a page, in its order.

    Args:
        page: name of a file in docs/, such as "add-a-corpus.md".

    Returns:
        The code by the path in its first line, `# extraction/corpora/tiny/reader.py`; that line is kept.
        Blocks without such a line are left out.

    Raises:
        ValueError: two blocks stand for one file, or none for any.
    """
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for match in FENCED.finditer(text):
        if match["path"] in found:
            raise ValueError(f"docs/{page} has two blocks of {match['path']}; make them one")
        found[match["path"]] = match[1]
    if not found:
        raise ValueError(f"docs/{page} has no block that begins with a path, such as # data/a.py; add it")
    return found
