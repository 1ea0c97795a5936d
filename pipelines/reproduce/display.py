"""What `summer-reproduce` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.reproduce.jobs import Ended, Ending, Job


def print_jobs(console: Console, jobs: Sequence[Job]) -> None:
    """The commands, in order, ready to be typed."""
    for job in jobs:
        console.print(job.command, highlight=False, markup=False)


def told(out: Path, ended: Sequence[Ended]) -> str:
    """How it ended, in one line."""
    done = sum(one.ending is Ending.DONE for one in ended)
    failed = [one.job.name for one in ended if one.ending is not Ending.DONE]
    page = f"{out / 'page.html'} and {out / 'page.md'}"
    if not failed:
        return f"{done} systems: {page}"
    return (
        f"{done} systems of {len(ended)}: {page}; not done: {', '.join(failed)}: the page has their logs, "
        "and the same command tries them again"
    )
