"""What `summer-report` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

BYTES_PER_MB = 1e6


def print_written(
    console: Console, out: Path, *, size: int, stores: int, runs: int, notes: Sequence[str]
) -> None:
    """Say where the page is, what it is of, and what did not fit."""
    told = [
        f"{count} {noun}{'s' * (count != 1)}" for count, noun in ((stores, "store"), (runs, "run")) if count
    ]
    console.print(
        f"wrote {out}: {' and '.join(told)}, {size / BYTES_PER_MB:.1f} MB", highlight=False, markup=False
    )
    for note in notes:
        console.print(note, highlight=False, markup=False)
