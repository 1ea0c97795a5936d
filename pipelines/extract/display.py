"""What `summer-extract` shows: a bar while it works, then statuses, the failed and how to retry them."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from extraction.corpora import Corpus
from extraction.corrections import corrections_since
from extraction.plan import Job, finished_sources, finished_statuses, pending_blocks, stored_rows
from extraction.run import Progress, Report
from extraction.text.options import TuningProgress
from pipelines.console import same_command, typed_again, utterances_told, where_shown
from pipelines.extractors import Setting
from summer.corpus import Modality, Split, Status

MOST_LISTED = 20
MOST_PROBLEMS = 5
SECONDS_BETWEEN_LINES = 30.0


def print_corpus(console: Console, corpus: Corpus) -> None:
    """Say what the corpus holds, and the first of its problems that are not known yet."""
    new = [problem for problem in corpus.problems if not problem.known]
    told = utterances_told([clip.utterance for clip in corpus.clips])
    console.print(
        f"{corpus.name} ({corpus.protocol}): {told}; "
        f"{len(corpus.problems) - len(new)} known problems, {len(new)} new",
        highlight=False,
    )
    for problem in new[:MOST_PROBLEMS]:
        console.print(f"  {problem.where}: {problem.what}; {problem.remedy}", highlight=False, markup=False)
    if len(new) > MOST_PROBLEMS:
        console.print(f"  and {len(new) - MOST_PROBLEMS} more: summer-data check lists all", highlight=False)


@contextmanager
def progress_bar(console: Console, modality: str) -> Iterator[Callable[[Progress], None]]:
    """A bar with rate, time left and failures so far; in a log file one line every half minute."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
    )
    with Bar(*columns, console=console, **where_shown(console)) as bar:
        task = bar.add_task(modality, total=None, rate="", failures="")
        started, first, last_line = time.monotonic(), [-1], [time.monotonic()]

        def show(progress: Progress) -> None:
            if first[0] < 0:
                first[0] = progress.finished
            now = time.monotonic()
            rate = (progress.finished - first[0]) / max(now - started, 1e-9)
            failures = f"{progress.failed} failed" if progress.failed else ""
            text = f"{rate:.1f} clips/s" if rate else ""
            bar.update(task, total=progress.total, completed=progress.finished, rate=text, failures=failures)
            if not console.is_terminal and now - last_line[0] > SECONDS_BETWEEN_LINES:
                last_line[0] = now
                console.print(f"{modality}: {progress.finished} of {progress.total}, {text} {failures}")

        yield show


def tuning_lines(console: Console) -> Callable[[str, TuningProgress], None]:
    """Lines on the fine-tuning of the text encoder: one every half minute, and one per epoch."""
    last_line = [time.monotonic()]
    last_score: list[float | None] = [None]

    def show(what: str, progress: TuningProgress) -> None:
        now = time.monotonic()
        if now - last_line[0] > SECONDS_BETWEEN_LINES or progress.dev_weighted_f1 != last_score[0]:
            last_line[0], last_score[0] = now, progress.dev_weighted_f1
            console.print(f"text: fine-tuning, {what}{progress}", highlight=False)

    return show


def print_plan(console: Console, job: Job, workers: int | None) -> None:
    """Say what a run would do; `workers` None: as many as a cluster has room for."""
    by_whom = "as many actors as there is room for" if workers is None else f"{workers} worker processes"
    corrections = None if job.overwrite else corrections_since(job, stored_rows(job))
    finished = finished_statuses(finished_sources(job)) if not job.overwrite else {}
    pending = sum(len(block.rows) for block in pending_blocks(job, finished))
    failed = sum(status.is_failure for status in finished.values())
    console.print(
        f"{job.extractor.modality}: would extract {pending} of {len(job.corpus.clips)} utterances with "
        f"{by_whom} into {job.store}\n"
        f"  finished before: {len(finished)}, of these not ok: {failed}\n"
        f"  fingerprint {job.extractor.fingerprint[:12]}, {job.extractor.dim} wide",
        highlight=False,
    )
    if corrections is not None:
        console.print(f"  since the store was made: {corrections}", highlight=False)
    for name, value in job.extractor.settings.items():
        console.print(f"  {name} = {escape(value)}", highlight=False)


def print_tuning_plan(console: Console, setting: Setting) -> None:
    """Say what a run of the tuned text encoder would do; its fingerprint is not known before."""
    rows = Counter(clip.utterance.split for clip in setting.corpus.clips if clip.utterance.is_labelled)
    store = setting.folder / "text.h5"
    console.print(
        f"text: would fine-tune {setting.recipe.text.model} on {rows[Split.TRAIN]} training utterances"
        f"{_rounds(setting)} and choose the epoch on {rows[Split.DEV]} dev utterances, unless "
        f"that is done; then extract {len(setting.corpus.clips)} utterances into {store}",
        highlight=False,
    )


def _rounds(setting: Setting) -> str:
    """Of folds and rounds of the fine-tuning."""
    recipe = setting.recipe.text
    again = "" if recipe.tuning_again is None else " in two rounds"
    if not recipe.folds:
        return again
    and_on_all = " and on all of them" if recipe.new_rows == "whole" else ""
    return f"{again}, without each of {recipe.folds} folds{and_on_all},"


def print_report(console: Console, job: Job, report: Report, *, stopped: bool) -> None:
    """Say how a run ended: statuses, the failed rows, what to do next."""
    if not (report.extracted or report.built or report.missing_rows or report.not_reduced):
        finished = f"shard {job.shard.number}/{job.shard.count}" if job.shard else str(job.store)
        console.print(f"{job.extractor.modality}: nothing to do, {finished} is finished", highlight=False)
    elif report.built:
        console.print(f"{job.extractor.modality}: wrote {job.store}", highlight=False)
    if report.corrections is not None:
        console.print(f"{job.extractor.modality}: {report.corrections}", highlight=False)
    console.print(_status_table(job, report))
    for line in _failed_lines(job, report):
        console.print(line, highlight=False)
    if report.remarks:
        name, remark = report.remarks[0]
        counted = "1 row has" if len(report.remarks) == 1 else f"{len(report.remarks)} rows have"
        console.print(
            f"{counted} a remark; the first is {name}: {escape(remark)}",
            highlight=False,
        )
    for error in report.errors:
        console.print(f"[red]error:[/red] {escape(error)}", highlight=False)
    for line in _subset_lines(job, report) if not stopped else ():
        console.print(escape(line), highlight=False)
    if report.failed and not stopped:
        console.print(
            f"mend what you can, then run: {escape(typed_again('summer-extract', '--retry-failed'))}",
            highlight=False,
        )
    if stopped:
        console.print(f"stopped; {same_command()}")
    elif report.missing_rows:
        console.print(
            f"{report.missing_rows} utterances are still to do; {same_command()}",
            highlight=False,
        )
    elif job.shard:
        console.print(
            f"shard {job.shard.number}/{job.shard.count} is done; when all are, run without --shard to build "
            f"{job.store}",
            highlight=False,
        )


def _status_table(job: Job, report: Report) -> Table:
    table = Table("status", "utterances", title=f"{job.corpus.name} {job.extractor.modality}")
    for status in Status:
        if report.statuses.get(status):
            table.add_row(status.value, str(report.statuses[status]))
    return table


def _failed_lines(job: Job, report: Report) -> Sequence[str]:
    """The first failed rows, files that are merely missing last."""
    failed = sorted(report.failed, key=lambda row: row[1] is Status.MISSING)
    if report.statuses.get(Status.MISSING, 0) > MOST_LISTED:  # a subset; a line of its own tells
        failed = [row for row in failed if row[1] is not Status.MISSING]
    lines = [f"  {escape(name)}  {status}: {escape(why)}" for name, status, why in failed[:MOST_LISTED]]
    if len(failed) > MOST_LISTED:
        store = shlex.quote(str(job.store))
        lines.append(f"  and {len(failed) - MOST_LISTED} more: summer-data info {escape(store)} --failed")
    return lines


def _subset_lines(job: Job, report: Report) -> Iterator[str]:
    """One line where clips or words are not there, or where there are too few for the reducer."""
    rows, missing = sum(report.statuses.values()), report.statuses.get(Status.MISSING, 0)
    of_text = job.extractor.modality is Modality.TEXT
    what = "utterances have words" if of_text else "clips are there"
    there = f"{rows - missing:,} of {rows:,} {what}" if missing else ""
    if missing and missing == rows and not of_text:
        there += "; check --root"
    raw = f"{job.store} holds raw vectors, the reduction is left out: {report.not_reduced}"
    if report.not_reduced:
        modality = job.extractor.modality
        remedy = f"(-o reduction.{modality}.width=N, or reduction.{modality}.method=none)"
        yield f"{modality}: {there + '; ' if there else ''}{raw} {remedy}"
    elif there:
        yield f"{job.extractor.modality}: {there}, the other rows are marked missing"
