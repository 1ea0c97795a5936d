"""What `summer-tune` shows: lines while faces are aligned and while it tunes, then what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape

from extraction.video.clips.people import People, PeopleProgress, Person
from extraction.video.network.training import TuningProgress
from extraction.video.network.tuned import tuning_of
from extraction.weights import Weights

SECONDS_BETWEEN_LINES = 30.0
MOST_LISTED = 20


def people_lines(console: Console) -> Callable[[PeopleProgress], None]:
    """Lines on the alignment: one every half minute, and the last."""
    last_line = [time.monotonic()]

    def show(progress: PeopleProgress) -> None:
        now = time.monotonic()
        if now - last_line[0] > SECONDS_BETWEEN_LINES or progress.finished == progress.total:
            last_line[0] = now
            console.print(
                f"faces: {progress.finished} of {progress.total} persons, "
                f"{progress.skipped} pictures skipped",
                highlight=False,
            )

    return show


def print_people(console: Console, people: People, found: Sequence[Person]) -> None:
    """Say what is tuned on, and name the first pictures and persons that are left out."""
    console.print(", ".join(f"{count} {what}" for what, count in people.counts.items()), highlight=False)
    skipped = [(f"{person.name}/{file}", why) for person in found for file, why in person.skipped]
    for name, why in skipped[:MOST_LISTED]:
        console.print(f"  {escape(name)}: {escape(why)}", highlight=False)
    if len(skipped) > MOST_LISTED:
        console.print(f"  and {len(skipped) - MOST_LISTED} more: see person.json of each", highlight=False)
    if people.too_few:
        console.print(
            f"  too few pictures: {escape(', '.join(people.too_few[:MOST_LISTED]))}", highlight=False
        )


def tuning_lines(console: Console) -> Callable[[TuningProgress], None]:
    """Lines on the tuning: one every half minute, and one per epoch."""
    last_line, epochs = [time.monotonic()], [0]

    def show(progress: TuningProgress) -> None:
        now = time.monotonic()
        if now - last_line[0] > SECONDS_BETWEEN_LINES or len(progress.dev_scores) != epochs[0]:
            last_line[0], epochs[0] = now, len(progress.dev_scores)
            console.print(f"video: tuning, {progress}", highlight=False)

    return show


def print_tuned(console: Console, made: Weights) -> None:
    """Say how it went, where the weights are, and how they are used."""
    record = tuning_of(made) or {}
    scores = ", ".join(f"{score:.3f}" for score in record.get("dev_scores", ()))
    console.print(
        f"video: dev {record.get('score')} by epoch {scores}; epoch {record.get('best_epoch')} is kept\n"
        f"{escape(str(made.path))}\n"
        f"use it: summer-extract --modality video -o video.weights={escape(str(made.path))}",
        highlight=False,
    )
