"""What a hub did not have, remembered for a day: a run that does without waits for the same refusal once.

$SUMMER_CACHE/refused/<file>    what was said, written when it was
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from extraction.weights.memory import cache_folder
from extraction.weights.upstream import SourceError, may_ask
from summer.durable import DiskError, write_aside

FOLDER = "refused"
SECONDS_UNTIL_ASKED_AGAIN = 24 * 3600


@contextmanager
def asked_daily(file: str) -> Iterator[None]:
    """Let the block ask hubs for a file, unless they refused it within the last day.

    Raises:
        SourceError: they did, or do now.
    """
    note = cache_folder() / FOLDER / file
    if may_ask() and _is_of_today(note):
        raise SourceError("it was asked within the last day and refused; `summer-data weights` asks again")
    try:
        yield
    except SourceError as problem:
        if may_ask():
            with suppress(OSError, DiskError):  # then it is asked again, and nothing else
                write_aside(note, f"{problem}\n".encode())
        raise


def forget_refusals() -> None:
    """Ask again whatever was refused."""
    shutil.rmtree(cache_folder() / FOLDER, ignore_errors=True)


def _is_of_today(note: Path) -> bool:
    """Whether it was written within the last day; one of the future is of a clock that went back."""
    try:
        return 0 <= time.time() - note.stat().st_mtime < SECONDS_UNTIL_ASKED_AGAIN
    except OSError:
        return False
