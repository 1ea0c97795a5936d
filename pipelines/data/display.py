"""What the commands of `summer-data` print."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from extraction.corpora import Problem, check_corpus, open_corpus
from pipelines.recipe import load_recipe, recipe_of_dataset
from summer.corpus import Status
from summer.store import FeatureStore
from summer.store.comparison import differences
from summer.store.exports import export_npz, export_pickle

FINE, DIFFERENT = 0, 1
MOST_DIFFERENCES = 40
MOST_OF_A_KIND = 10


def report_check(dataset: str, root: Path | None, overrides: Sequence[str], workers: int | None) -> int:
    """Print the problems of a raw corpus; 1 if any is new."""
    console = Console(soft_wrap=True)
    policy = load_recipe(recipe_of_dataset(dataset), [f"corpus.{override}" for override in overrides]).corpus
    corpus = open_corpus(dataset, root, policy)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("probing", total=len(corpus.clips))
        found = check_corpus(
            corpus,
            root,
            workers=workers or len(os.sched_getaffinity(0)),
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(f"{corpus.name} ({corpus.protocol}): {len(corpus.clips)} utterances", highlight=False)
    for title, known in (("known", True), ("NEW", False)):
        problems = [problem for problem in found if problem.known is known]
        console.print(f"\n{title} problems: {len(problems)}", highlight=False)
        _print_problems(console, problems)
    return DIFFERENT if any(not problem.known for problem in found) else FINE


def _print_problems(console: Console, problems: Sequence[Problem]) -> None:
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
        table.add_row("words", "kept" if rows.has_words else "not kept")
        needed = ", ".join(f"{role} {where}" for role, where in header.assets.items())
        table.add_row("assets", escape(needed) or "none named")
        table.add_row("fingerprint", header.fingerprint)
        for name, value in (*header.settings.items(), *header.reduction.items()):
            table.add_row(f"  {name}", escape(value))
        console.print(table)
        for split, count in Counter(utterance.split for utterance in rows.utterances).items():
            statuses = Counter(
                status
                for utterance, status in zip(rows.utterances, rows.statuses, strict=True)
                if utterance.split is split
            )
            named = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
            console.print(f"{split}: {count} utterances: {named}", highlight=False)
        if failed:
            for utterance, status, reason in zip(rows.utterances, rows.statuses, rows.reasons, strict=True):
                if status is not Status.OK:
                    console.print(f"{utterance.id}  {status}: {reason}", highlight=False, markup=False)
    return FINE


def report_diff(first: Path, second: Path) -> int:
    """Print in what two stores differ; 1 if they do."""
    console = Console(soft_wrap=True)
    with FeatureStore(first) as one, FeatureStore(second) as other:
        found = differences(one, other)
        shown = list(islice(found, MOST_DIFFERENCES))
        rest = sum(1 for _ in found)
    if not shown:
        console.print("the stores hold the same")
        return FINE
    table = Table("what", str(first), str(second))
    for difference in shown:
        table.add_row(escape(difference.where), escape(difference.first), escape(difference.second))
    console.print(table)
    if rest:
        console.print(f"and {rest} more differences", highlight=False)
    return DIFFERENT


def report_export(paths: Sequence[Path], out: Path, form: str) -> int:
    """Export stores and say where to."""
    if form not in ("npz", "pickle"):
        raise ValueError(f"format {form!r} is not npz or pickle")
    if form == "npz" and len(paths) != 1:
        raise ValueError(
            f"npz takes one store, {len(paths)} were given; export them one by one, or as pickle"
        )
    with ExitStack() as stack:
        stores = [stack.enter_context(FeatureStore(path)) for path in paths]
        if form == "npz":
            export_npz(stores[0], out)
        else:
            export_pickle(stores, out)
    Console(soft_wrap=True).print(f"wrote {out}", highlight=False)
    return FINE
