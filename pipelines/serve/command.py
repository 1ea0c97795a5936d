"""`summer-serve`: `summer-predict` for people with a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command
from pipelines.predict.command import ASR_MODEL, DEVICE, GUESS_SPEAKERS, RUN

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HOST = "address to listen on; whoever reaches another one than the default can use the server"
PORT = "0: any that is free"
MEGABYTES = "largest recording, in millions of bytes"
MINUTES = "longest recording"
WAITING = "people who may wait while one recording is read"
ASR = "hear what is said where no transcript is given, by Whisper (needs the extra asr)"
WORKERS = "processes [default: as many as the machine can feed; 0: no more than one]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOrder:
    """Say in a browser what is felt in a recording: drop a video and its transcript, see the conversation.

    Whatever is given is kept in a folder of its session, and removed when another takes its place, when the
    page is closed, half an hour after it was last used, and when the server ends. One recording is read at a
    time.

    It listens on this machine alone, and knows no passwords: docs/serve.md says how to let others in.

    Exit status: 1 the server failed; 2 a mistake that the message names; 130 interrupted, as by Ctrl-C,
    which ends it.
    """

    run: Annotated[Path, typer.Option(help=RUN)]
    host: Annotated[str, typer.Option(help=HOST)] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help=PORT)] = 7860
    most_megabytes: Annotated[int, typer.Option(min=1, help=MEGABYTES)] = 500
    most_minutes: Annotated[float, typer.Option(min=0.1, help=MINUTES)] = 30.0
    most_waiting: Annotated[int, typer.Option(min=0, help=WAITING)] = 8
    asr: Annotated[bool, typer.Option("--asr/--no-asr", help=ASR)] = False
    asr_model: Annotated[str, typer.Option(help=ASR_MODEL)] = "tiny.en"
    guess_speakers: Annotated[bool, typer.Option("--guess-speakers", help=GUESS_SPEAKERS)] = False
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto"
    workers: Annotated[int | None, typer.Option(min=0, help=WORKERS, show_default=False)] = None


def _serve(order: ServeOrder) -> int:
    from pipelines.serve.run import carry_out  # imports Gradio: not for --help

    return carry_out(order)


add_command(app, ServeOrder, _serve)


def main() -> None:
    """Entry point of the console script."""
    app()
