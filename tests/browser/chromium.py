"""A real Chromium, driven by Playwright: found on this machine, never fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("SUMMER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE_MS = (
    180_000  # a machine with other work takes long to start a browser; what is wrong is found at once
)
WHY_NOT = "no Chromium: install Debian's chromium, or name one by SUMMER_CHROMIUM"


@contextmanager
def opened(page: Path, *, width: int = 1440, colours: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """A page from the disk in a window of its own, with no network.

    Raises:
        RuntimeError: there is no Chromium.
    """
    if CHROMIUM is None:
        raise RuntimeError(WHY_NOT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )  # CI is root
        try:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=colours, offline=True
            )
            context.set_default_timeout(PATIENCE_MS)
            tab = context.new_page()
            tab.goto(page.absolute().as_uri())
            yield tab
        finally:
            browser.close()
