"""What the commands of `summer-data` print."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from extraction.corpora import Corpus, Problem
from extraction.tuned_text import tuned_from
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
        rows, labels = store.rows, store.header.labels
        console.print(_contents(store))
    for split in dict.fromkeys(utterance.split for utterance in rows.utterances):
        of_split = [row for row, utterance in enumerate(rows.utterances) if utterance.split is split]
        told = utterances_told([rows.utterances[row] for row in of_split])
        statuses = Counter(rows.statuses[row] for row in of_split)
        named = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        console.print(f"{split}: {told}: {named}", highlight=False)
        counts = Counter(rows.utterances[row].label for row in of_split)
        numbers = ", ".join(f"{counts[label]} {label}" for label in labels)
        console.print(f"  {numbers}", highlight=False, markup=False)
    if failed:
        for utterance, status, reason in zip(rows.utterances, rows.statuses, rows.reasons, strict=True):
            if status is not Status.OK:
                console.print(f"{utterance.id}  {status}: {reason}", highlight=False, markup=False)
    return FINE


def _contents(store: FeatureStore) -> Table:
    """What the store as a whole holds, and how it was made."""
    header = store.header
    table = Table("", Column("", overflow="fold"), show_header=False, title=escape(str(store.path)))
    table.add_row("corpus", escape(f"{header.corpus} ({header.protocol})"))
    table.add_row("modality", header.modality)
    table.add_row("rows", f"{len(store.rows)}{'' if header.complete else ' (not all of the corpus)'}")
    table.add_row("raw", f"{header.dim} wide")
    table.add_row("reduced", f"{store.reduced_width} wide" if store.reduced_width else "not reduced")
    table.add_row("labels", escape(", ".join(header.labels)))
    if (head := store.head) is not None:
        table.add_row("head", f"the encoder's own, {len(head.bias)} classes over the raw vectors")
    table.add_row("words", "kept" if store.rows.has_words else "not kept")
    needed = ", ".join(f"{role} {where}" for role, where in header.assets.items())
    table.add_row("assets", escape(needed) or "none named")
    if begun := _tuned_from(store):
        table.add_row("tuned from", escape(begun))
    table.add_row("fingerprint", header.fingerprint)
    for name, value in (*header.settings.items(), *header.reduction.items()):
        table.add_row(f"  {name}", escape(value))
    return table


def _tuned_from(store: FeatureStore) -> str:
    """The pre-trained encoders of those that lie beside the store; "" where none says so."""
    folders = [store.path.parent / where for where in store.header.assets.values()]
    return ", ".join(sorted({name for folder in folders if (name := tuned_from(folder))}))


def print_sheet(console: Console, out: Path, sheet: Sheet) -> None:
    """Say where the contact sheet is and what it shows."""
    verdicts = ", ".join(f"{sheet.counts.verdicts[verdict]:,} {verdict}" for verdict in Verdict)
    console.print(f"wrote {out}: {sheet.counts.rows:,} rows: {verdicts}", highlight=False, markup=False)
    console.print(sheet.shown, highlight=False, markup=False)
    for trouble, number in sheet.troubles.items():
        console.print(f"{number:,} of the shown rows: {trouble}", highlight=False, markup=False)


def print_differences(
    console: Console, stores: tuple[Path, Path], found: Sequence[Difference], *, each_row: bool
) -> None:
    """Print in what two stores differ: a line for each thing, of rows one for all that differ alike."""
    if not found:
        console.print("the stores hold the same")
        return
    for letter, path in zip("AB", stores, strict=True):
        console.print(f"{letter}  {path}", highlight=False, markup=False)
    whole = [one for one in found if each_row or one.kind == "store"]
    rows = [] if each_row else [one for one in found if one.kind != "store"]
    lines = (*(f"{one.where}: A {one.first!r}, B {one.second!r}" for one in whole), *_of_rows(rows))
    for line in lines:
        console.print(line, highlight=False, markup=False)
    if rows:
        console.print("--rows lists each of them", highlight=False)


def _of_rows(found: Sequence[Difference]) -> Iterator[str]:
    """Rows that one store lacks, words, statuses by what they were and are, and vectors."""
    alike: dict[tuple[str, ...], list[Difference]] = defaultdict(list)
    for one in found:
        alike[(one.kind, one.first, one.second) if one.kind in ("row", "status") else (one.kind,)].append(one)
    for (kind, *_), members in alike.items():
        first = members[0]
        counted = f"{len(members):,} row{'s' if len(members) > 1 else ''}"
        match kind:
            case "row":
                yield f"{counted} only in {'A' if first.first == 'present' else 'B'}, the first {first.row}"
            case "status":
                yield f"status of {counted}: A {first.first}, B {first.second}; the first {first.row}"
            case "words":
                yield f"words of {counted}; the first {first.row}: A {first.first!r}, B {first.second!r}"
            case _:
                least = min(members, key=lambda one: one.cosine)
                yield f"vectors of {counted}; the least alike {least.row}: cosine {least.cosine:.6f}"


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
