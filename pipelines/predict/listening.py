"""The transcript of a recording that has none: found weights, a bar, a stop between two stretches."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from extraction.transcripts import Hearing, Media, Transcript, heard
from extraction.weights import speech_model
from pipelines.console import clean_stop, where_shown
from pipelines.predict.command import PredictionOrder

SECONDS_OF_A_MINUTE = 60


def listened(order: PredictionOrder, media: Media, device: str, console: Console) -> Transcript | None:
    """Hear what is said; None if the user stopped it.

    Raises:
        ValueError: no weights, no faster-whisper, no sound, nobody who speaks.
    """
    hearing = Hearing(
        weights=speech_model(order.asr_model),
        language=order.language or ("en" if order.asr_model.endswith(".en") else None),
        device=device,
        threads=len(os.sched_getaffinity(0)),
    )
    columns = (TextColumn("listening"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with (
        clean_stop(lambda: None) as should_stop,
        Bar(*columns, console=console, **where_shown(console)) as bar,
    ):
        task = bar.add_task("", total=media.seconds, at="")

        def show(seconds: float) -> None:
            minutes = f"{seconds / SECONDS_OF_A_MINUTE:.0f} of {media.seconds / SECONDS_OF_A_MINUTE:.0f} min"
            bar.update(task, completed=seconds, at=minutes)

        return heard(media, hearing, folder=order.out, on_progress=show, should_stop=should_stop)
