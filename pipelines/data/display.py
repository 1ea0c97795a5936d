"""What the commands of `summer-data` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from extraction.corpora import Corpus, Problem
from extraction.video.sheet.cells import Sheet, Verdict
from pipelines.console import utterances_told, where_shown
from summer.corpus import Status
from summer.store import FeatureStore
from summer.store.comparison import Difference
from summer.store.imports.imported import ImportedStore

FINE = 0
MOST_OF_A_KIND = 10
MOST_REASONS = 5


@contextmanager
def probing_bar(console: Console, files: int) -> Iterator[Callable[[int, int], None]]:
    """A bar of the files probed so far, of all; nothing in a log file."""
    with Progress(console=console, **where_shown(console)) as bar:
        task = bar.add_task("probing", total=files)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_problems(console: Console, corpus: Corpus, found: Sequence[Problem]) -> None:
    """Print the problems of a raw corpus by kind, known ones first."""
    told = utterances_told([clip.utterance for clip in corpus.clips])
    console.print(f"{corpus.name} ({corpus.protocol}): {told}", highlight=False)
    for title, known in (("known", True), ("NEW", False)):
        problems = [problem for problem in found if problem.known is known]
        console.print(f"\n{title} problems: {len(problems)}", highlight=False)
        _print_kinds(console, problems)


def _print_kinds(console: Console, problems: Sequence[Problem]) -> None:
    for kind, count in Counter(problem.kind for problem in problems).most_common():
        members = [problem for problem in problems if problem.kind == kind]
        console.print(f"  {kind} ({count}): {members[0].remedy}", highlight=False, markup=False)
        for problem in members[:MOST_OF_A_KIND]:
            console.print(f"    {problem.where}: {problem.what}", highlight=False, markup=False)
        if count > MOST_OF_A_KIND:
            console.print(f"    and {count - MOST_OF_A_KIND} more", highlight=False)


def report_info(path: Path, *, failed: bool) -> int:
    """Print what a store holds."""
    console = Console(soft_wrap=True)
    with FeatureStore(path) as store:
        header, rows = store.header, store.rows
        table = Table(show_header=False, title=str(path))
        table.add_row("corpus", f"{header.corpus} ({header.protocol})")
        table.add_row("modality", header.modality)
        table.add_row("rows", f"{len(rows)}{'' if header.complete else ' (not all of the corpus)'}")
        table.add_row("raw", f"{header.dim} wide")
        table.add_row("reduced", f"{store.reduced_width} wide" if store.reduced_width else "not reduced")
        table.add_row("labels", ", ".join(header.labels))
        if (head := store.head) is not None:
            table.add_row("head", f"the encoder's own, {len(head.bias)} classes over the raw vectors")
        table.add_row("words", "kept" if rows.has_words else "not kept")
        needed = ", ".join(f"{role} {where}" for role, where in header.assets.items())
        table.add_row("assets", escape(needed) or "none named")
        table.add_row("fingerprint", header.fingerprint)
        for name, value in (*header.settings.items(), *header.reduction.items()):
            table.add_row(f"  {name}", escape(value))
        console.print(table)
        for split in dict.fromkeys(utterance.split for utterance in rows.utterances):
            told = utterances_told([utterance for utterance in rows.utterances if utterance.split is split])
            statuses = Counter(
                status
                for utterance, status in zip(rows.utterances, rows.statuses, strict=True)
                if utterance.split is split
            )
            named = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
            console.print(f"{split}: {told}: {named}", highlight=False)
        if failed:
            for utterance, status, reason in zip(rows.utterances, rows.statuses, rows.reasons, strict=True):
                if status is not Status.OK:
                    console.print(f"{utterance.id}  {status}: {reason}", highlight=False, markup=False)
    return FINE


def print_sheet(console: Console, out: Path, sheet: Sheet) -> None:
    """Say where the contact sheet is and what it shows."""
    verdicts = ", ".join(f"{sheet.counts.verdicts[verdict]:,} {verdict}" for verdict in Verdict)
    console.print(f"wrote {out}: {sheet.counts.rows:,} rows: {verdicts}", highlight=False, markup=False)
    console.print(sheet.shown, highlight=False, markup=False)
    for trouble, number in sheet.troubles.items():
        console.print(f"{number:,} of the shown rows: {trouble}", highlight=False, markup=False)


def print_differences(
    console: Console, first: Path, second: Path, shown: Sequence[Difference], *, more: int
) -> None:
    """Print in what two stores differ, and how many differences more there are."""
    if not shown:
        console.print("the stores hold the same")
        return
    table = Table("what", str(first), str(second))
    for difference in shown:
        table.add_row(escape(difference.where), escape(difference.first), escape(difference.second))
    console.print(table)
    if more:
        console.print(f"and {more} more differences", highlight=False)


def print_export(console: Console, out: Path) -> None:
    """Say where the exported file is."""
    console.print(f"wrote {out}", highlight=False, markup=False)


def print_notes(console: Console, stores: Sequence[ImportedStore]) -> None:
    """Print what the user should know of an import, each note once."""
    for note in dict.fromkeys(note for store in stores for note in store.notes):
        console.print(f"note: {note}", highlight=False, markup=False)


def print_imported(console: Console, store: ImportedStore, target: Path) -> None:
    """Print what a store made of an imported file holds, and why rows are missing."""
    header, statuses = store.header, store.rows.statuses
    counts = ", ".join(f"{count} {status}" for status, count in Counter(statuses).most_common())
    splits = ", ".join(
        f"{count} {split}" for split, count in Counter(u.split for u in store.rows.utterances).items()
    )
    console.print(
        f"wrote {target}: {header.modality} of {header.corpus}, {header.dim} wide",
        highlight=False,
        markup=False,
    )
    console.print(f"  {len(store.rows)} rows ({splits}): {counts}", highlight=False, markup=False)
    for reason, count in _commonest_reasons(statuses, store.rows.reasons):
        console.print(f"    {count}: {reason}", highlight=False, markup=False)


def print_next_step(console: Console, target: Path) -> None:
    """Say how to look at an imported store."""
    console.print(f"next: summer-data info {target} --failed", highlight=False, markup=False)


def _commonest_reasons(statuses: Sequence[Status], reasons: Sequence[str]) -> list[tuple[str, int]]:
    failed = [reason for status, reason in zip(statuses, reasons, strict=True) if status is not Status.OK]
    return Counter(failed).most_common(MOST_REASONS)
