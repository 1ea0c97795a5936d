"""What every page must keep in a browser: no complaint, no break, nothing that axe finds serious."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

MOST_LOOKS, MILLISECONDS_BETWEEN_LOOKS = 400, 50
GRAVE = ("serious", "critical")


@dataclass
class Complaints:
    """What the console and the scripts of a page complained about."""

    said: list[str] = field(default_factory=list)

    def listen(self, tab: Page) -> None:
        """From now on."""
        tab.on("console", lambda message: self.said.append(message.text) if message.type != "log" else None)
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", self._note_request)

    def _note_request(self, request: object) -> None:
        address = str(getattr(request, "url", ""))
        if not address.startswith(("file:", "data:", "blob:")):
            self.said.append(f"asked for {address}")


def scroll_through(tab: Page) -> None:
    """Come near every part, so that it is drawn."""
    height = tab.evaluate("document.documentElement.scrollHeight")
    for place in range(0, height, 600):
        tab.evaluate(f"scrollTo(0, {place})")
        tab.wait_for_timeout(60)
    wait_until(tab, "[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")
    tab.evaluate("scrollTo(0, 0)")


def wait_until(tab: Page, expression: str) -> None:
    """Ask again and again; Playwright's own way is forbidden by the page's rules for scripts.

    Raises:
        TimeoutError: it does not come true.
    """
    for _ in range(MOST_LOOKS):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(MILLISECONDS_BETWEEN_LOOKS)
    raise TimeoutError(f"this did not come true: {expression}")


def is_within(tab: Page) -> bool:
    """Whether nothing sticks out to the right."""
    return bool(tab.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def grave_findings(tab: Page) -> Sequence[str]:
    """What axe-core calls serious or critical, with the places."""
    found = Axe().run(tab).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {[node['target'] for node in one['nodes']][:4]}"
        for one in found
        if one["impact"] in GRAVE
    ]
