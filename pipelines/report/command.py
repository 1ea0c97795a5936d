"""`summer-report`: what stores hold and what runs make of it, as one page that opens anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

THINGS = "stores (or a folder of them), runs of summer-train, folders of summer-reproduce"
OUT = "the page to write, an .html"
CROPS = "folder in which summer-extract --keep-crops left them [default: crops beside the store of video]"
FACES = "most faces of the contact sheet, the least certain first"
ATTENTION = "ask the models of the runs what they attended to; as slow as predicting, and needs the stores"
OVERWRITE = "replace OUT also where it is no report"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """Write one page that shows stores and runs, down to every conversation.

    Of stores: what is there, what failed and how to retry it, whose face was taken, sound, drift. Of runs:
    scores, confusions, training. Of both: each utterance beside what the models say of it.

    The page is one file, asks for nothing from a network, and opens with a double click. Runs must have been
    trained on the stores that are given; stores alone, or runs alone, will do.

    Exit status: 0 the page is written; 2 a mistake that the message names; 130 interrupted.
    """

    things: Annotated[tuple[Path, ...], typer.Argument(metavar="STORE... [RUN...]", help=THINGS)]
    out: Annotated[Path, typer.Option(help=OUT)]
    crops: Annotated[Path | None, typer.Option(help=CROPS)] = None
    faces: Annotated[int, typer.Option(min=0, help=FACES)] = 60
    attention: Annotated[bool, typer.Option("--attention", help=ATTENTION)] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE)] = False


def _report(order: ReportOrder) -> int:
    from pipelines.report.run import carry_out  # imports numpy and h5py: not for --help

    return carry_out(order)


add_command(app, ReportOrder, _report)


def main() -> None:
    """Entry point of the console script."""
    app()
