"""What `summer-predict` shows: what was read, what was odd, who felt what, and where it is written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from extraction.run import Report
from summer.corpus import Modality, Status
from summer.report.timeline import Timeline

MOST_LISTED = 5


def print_read(console: Console, modality: Modality, report: Report) -> None:
    """How many utterances a modality was read of, and why not of the others."""
    read, total = report.statuses.get(Status.OK, 0), sum(report.statuses.values())
    again = "" if report.extracted else ", all of it before"
    console.print(f"{modality}: {read} of {total} utterances read{again}", highlight=False)
    for name, status, reason in report.failed[:MOST_LISTED]:
        console.print(f"  {escape(name)}  {status}: {escape(reason)}", highlight=False)
    if len(report.failed) > MOST_LISTED:
        console.print(f"  and {len(report.failed) - MOST_LISTED} more: timeline.csv has all", highlight=False)
    for error in report.errors:
        console.print(f"[red]error:[/red] {escape(error)}", highlight=False)


def print_timeline(console: Console, timeline: Timeline, out: Path, files: tuple[str, ...]) -> None:
    """Notes, emotions by speaker, and the files."""
    for note in timeline.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    console.print(_by_speaker(timeline))
    console.print(f"{', '.join(files)}: {escape(str(out))}", highlight=False)


def _by_speaker(timeline: Timeline) -> Table:
    model = timeline.models[-1]
    counts: dict[str, Counter[str]] = {}
    for row in timeline.rows:
        name = f"{row.utterance.speaker or '?'}{' (guessed)' if row.speaker_guessed else ''}"
        counts.setdefault(name, Counter())[timeline.guess(row, model)[0]] += 1
    told = [label for label in timeline.labels.names if any(of[label] for of in counts.values())]
    table = Table("speaker", *told, title=f"utterances by emotion, as the {model} has it")
    for speaker, of in sorted(counts.items(), key=lambda one: -one[1].total()):
        table.add_row(escape(speaker), *(str(of[label] or "") for label in told))
    return table
