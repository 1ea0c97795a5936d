"""What `summer-tune` shows: lines while faces are aligned and while it tunes, then what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from extraction.video.clips.people import People, PeopleProgress, Person
from extraction.video.network.record import tuning_of
from extraction.video.network.training import TuningProgress
from extraction.video.tuning_folds import AligningProgress
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


def tuning_lines(console: Console) -> Callable[[str, TuningProgress], None]:
    """Lines on the tuning: one every half minute, and one per epoch; of folds each says which network."""
    last_line, last_epoch = [time.monotonic()], [("", 0)]

    def show(which: str, progress: TuningProgress) -> None:
        now, epoch = time.monotonic(), (which, len(progress.dev_scores))
        if now - last_line[0] > SECONDS_BETWEEN_LINES or epoch != last_epoch[0]:
            last_line[0], last_epoch[0] = now, epoch
            console.print(f"video: tuning, {which + ': ' if which else ''}{progress}", highlight=False)

    return show


def aligning_lines(console: Console) -> Callable[[str, AligningProgress], None]:
    """Lines on the reading of rows by which networks are aligned: one every half minute, and the last."""
    last_line = [time.monotonic()]

    def show(which: str, progress: AligningProgress) -> None:
        now = time.monotonic()
        if now - last_line[0] > SECONDS_BETWEEN_LINES or progress.finished == progress.total:
            last_line[0] = now
            console.print(f"video: {which}: {progress}", highlight=False)

    return show


def print_tuned(console: Console, made: Weights) -> None:
    """Say how it went, where the weights are, and how they are used."""
    record = tuning_of(made) or {}
    networks: Mapping[str, Mapping[str, Any]] = record.get("networks", {"": record})
    for name, network in networks.items():
        scores = ", ".join(f"{score:.3f}" for score in network.get("dev_scores", ()))
        console.print(
            f"video: {name + ', ' if name else ''}dev {record.get('score')} by epoch {scores}; epoch "
            f"{network.get('best_epoch')} is kept",
            highlight=False,
        )
    console.print(
        f"{escape(str(made.path))}\n"
        f"use it: summer-extract --modality video -o video.weights={escape(str(made.path))}",
        highlight=False,
    )
