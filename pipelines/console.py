"""What every command line shares: the console, errors without a traceback, a clean stop."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

INTERRUPTED = 130


@contextmanager
def command_errors() -> Iterator[None]:
    """Print what the user can mend as one line and exit 2; anything else is a bug and shows its traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("summer", "extraction", "pipelines"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        yield
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except BrokenPipeError as error:
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo(
            "stopped at once; what is finished is kept: the same command goes on from there (summer-train: "
            "with --resume)",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from error


@contextmanager
def clean_stop(at_once: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C or SIGTERM asked to stop; a second one calls `at_once` and interrupts."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            at_once()
            raise KeyboardInterrupt
        asked.append(number)
        sys.stderr.write("\nstopping: finishing what is under way (once more to stop at once)\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
