"""A terminal that looks on while a prediction is made: bars, lines, and Ctrl-C to stop it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from extraction.engines import stop_workers_at_once
from extraction.run import Progress, Report
from pipelines.console import clean_stop, where_shown
from pipelines.extract.display import progress_bar
from pipelines.predict.display import print_read
from pipelines.predict.watching import Watch
from summer.corpus import Modality


@dataclass(frozen=True, slots=True)
class Terminal:
    """The watcher of a command line."""

    console: Console

    @contextmanager
    def listening(self, minutes: float) -> Iterator[Watch]:
        """A bar in minutes of the recording; a stop comes between two stretches."""
        columns = (
            TextColumn("listening"),
            BarColumn(),
            TextColumn("{task.fields[at]}"),
            TimeRemainingColumn(),
        )
        with (
            clean_stop(lambda: None) as should_stop,
            Bar(*columns, console=self.console, **where_shown(self.console)) as bar,
        ):
            task = bar.add_task("", total=minutes, at="")

            def show(done: float, total: float, _: int) -> None:
                bar.update(task, completed=done, at=f"{done:.0f} of {total:.0f} min")

            yield Watch(show=show, should_stop=should_stop)

    @contextmanager
    def reading(self, modality: Modality) -> Iterator[Watch]:
        """The bar of an extraction; a stop comes between two blocks."""
        with (
            clean_stop(stop_workers_at_once) as should_stop,
            progress_bar(self.console, modality.value) as shown,
        ):

            def show(done: float, total: float, failed: int) -> None:
                shown(Progress(int(total), int(done), failed))

            yield Watch(show=show, should_stop=should_stop)

    def was_read(self, modality: Modality, report: Report) -> None:
        """A line or more."""
        print_read(self.console, modality, report)
