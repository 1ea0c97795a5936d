"""The transcript of a recording that has none, by weights that are looked up."""

from __future__ import annotations

from extraction.transcripts import Hearing, Media, Transcript, heard
from extraction.weights import speech_model
from pipelines.predict.command import PredictionOrder
from pipelines.predict.watching import Watcher
from summer.threads import cores

SECONDS_OF_A_MINUTE = 60


def listened(order: PredictionOrder, media: Media, device: str, watcher: Watcher) -> Transcript | None:
    """Hear what is said; None if the user stopped it.

    Raises:
        ValueError: no weights, no faster-whisper, no sound, nobody who speaks.
    """
    hearing = Hearing(
        weights=speech_model(order.asr_model),
        language=order.language or ("en" if order.asr_model.endswith(".en") else None),
        device=device,
        threads=cores(),
    )
    minutes = media.seconds / SECONDS_OF_A_MINUTE
    with watcher.listening(minutes) as watch:
        return heard(
            media,
            hearing,
            folder=order.out,
            on_progress=lambda seconds: watch.show(seconds / SECONDS_OF_A_MINUTE, minutes, 0),
            should_stop=watch.should_stop,
        )
