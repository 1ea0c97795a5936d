"""The page on reports has every option of the command; tests/docs/test_blocks.py runs its commands."""

from __future__ import annotations

import re

from pipelines.report.command import ReportOrder
from tests.places import REPOSITORY


def test_the_page_lists_every_option() -> None:
    page = (REPOSITORY / "docs" / "report.md").read_text(encoding="utf-8")
    options = set(ReportOrder.__dataclass_fields__) - {"things"}
    assert options == set(re.findall(r"^\| `--(\w+)", page, re.MULTILINE))
