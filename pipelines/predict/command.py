"""`summer-predict`: what a trained model says of one's own recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command, same_command
from summer.threads import ask_for

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

MEDIA = "a video or a sound file; left out, there are words alone"
TRANSCRIPT = "what is said: .srt, .vtt, .csv or .json, with speakers as NAME: words, <v NAME>, or a column"
RUN = "folder that summer-train --out has written"
OUT = "folder of the timeline: timeline.csv, timeline.json, timeline.vtt, conversation.html, and the features"
MODELS = "model of the run; may be repeated [default: all that it has]"
SEED = "of which seed [default: the run's first]"
ASR = "without a transcript: hear what is said, by Whisper (needs the extra asr)"
ASR_MODEL = "tiny.en, base, small, ..., a Hugging Face id, or a folder"
LANGUAGE = "of the speech, two letters such as en [default: told from the sound; tiny.en knows en alone]"
GUESS_SPEAKERS = "guess who says the lines without a speaker, by voice and face; marked as guessed"
PAUSE = "silence after which another conversation begins"
DEVICE = "auto (a GPU if there is one, else the CPU), cpu or cuda:N"
THREADS = "threads that each process computes with [default: OMP_NUM_THREADS, else by the size of the work]"
WORKERS = "processes [default: as many as the machine can feed; 0: none but this one]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOrder:
    """Say what is felt in a recording, utterance by utterance, by a run and the extractors of its features.

    Interrupted or killed at any point, the same command goes on; on a finished folder it extracts nothing.

    Exit status: 0 done; 1 some rows could not be extracted for a fault of this program; 2 a mistake that the
    message names; 130 interrupted.
    """

    media: Annotated[Path | None, typer.Argument(metavar="[VIDEO]", help=MEDIA)] = None
    run: Annotated[Path, typer.Option(help=RUN)]
    out: Annotated[Path, typer.Option(help=OUT)]
    transcript: Annotated[Path | None, typer.Option(help=TRANSCRIPT)] = None
    asr: Annotated[bool, typer.Option("--asr", help=ASR)] = False
    asr_model: Annotated[str, typer.Option(help=ASR_MODEL)] = "tiny.en"
    language: Annotated[str | None, typer.Option(help=LANGUAGE, show_default=False)] = None
    guess_speakers: Annotated[bool, typer.Option("--guess-speakers", help=GUESS_SPEAKERS)] = False
    models: Annotated[tuple[str, ...], typer.Option("--model", metavar="NAME", help=MODELS)] = ()
    seed: Annotated[int | None, typer.Option(help=SEED, show_default=False)] = None
    pause_seconds: Annotated[float, typer.Option(min=0.1, help=PAUSE)] = 60.0
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="extract everything anew")] = False
    workers: Annotated[int | None, typer.Option(min=0, help=WORKERS, show_default=False)] = None
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS, show_default=False)] = None


def _predict(order: PredictionOrder) -> int:
    ask_for(order.threads)
    from pipelines.predict.run import carry_out  # imports torch: not for --help

    return carry_out(order)


add_command(app, PredictionOrder, _predict, how_to_go_on=same_command)


def main() -> None:
    """Entry point of the console script."""
    app()
