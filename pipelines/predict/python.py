"""`summer.predict`: the same from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.predict.command import PredictionOrder
from pipelines.predict.run import predict as carried_out
from pipelines.predict.run import write_timeline
from pipelines.predict.terminal import Terminal
from summer.report.timeline import Timeline


def predict(
    media: str | Path | None = None,
    *,
    run: str | Path,
    out: str | Path,
    transcript: str | Path | None = None,
    asr: bool = False,
    guess_speakers: bool = False,
    models: Sequence[str] = (),
    seed: int | None = None,
    device: str = "auto",
) -> Timeline:
    """What a trained model says of one's own recording, utterance by utterance.

    Args:
        media: a video or a sound file; None where there are words alone.
        run: folder that summer-train has written.
        out: folder of timeline.csv, .json and .vtt, conversation.html and the features; a later call goes on.
        transcript: .srt, .vtt, .csv or .json.
        asr: hear what is said instead (the extra asr).
        guess_speakers: guess who says the lines without a speaker, by voice and face.
        models: of the run; () for all that it has.
        seed: of the run; None for its first.
        device: "auto", "cpu" or "cuda:N".

    Raises:
        ValueError: anything that the user can mend; the message says how.
        KeyboardInterrupt: the user stopped it; what is finished is kept.
    """
    order = PredictionOrder(
        media=None if media is None else Path(media),
        run=Path(run),
        out=Path(out),
        transcript=None if transcript is None else Path(transcript),
        asr=asr,
        guess_speakers=guess_speakers,
        models=tuple(models),
        seed=seed,
        device=device,
    )
    found = carried_out(order, Terminal(Console(quiet=True)))
    if found is None:
        raise KeyboardInterrupt
    write_timeline(order.out, found)
    return found.timeline
