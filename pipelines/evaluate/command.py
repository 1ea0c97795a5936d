"""`summer-evaluate`: the scores of a run, or the comparison of two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import command_errors
from summer.corpus import Split

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

RUN = "folder that summer-train --out has written"
OTHER = "a second one: say whether it is better"
STAGE = "teacher or student of two runs [default: student where both have it]"


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=RUN)],
    other: Annotated[Path | None, typer.Argument(metavar="OTHER", help=OTHER)] = None,
    stage: Annotated[str | None, typer.Option(help=STAGE)] = None,
    split: Annotated[Split, typer.Option(help="which predictions to score")] = Split.TEST,
) -> None:
    """Print the paper's table of a run and test its student against its teacher; or test OTHER against RUN.

    Intervals are drawn over dialogues (bootstrap); p-values are of a paired permutation test, by dialogue.
    """
    with command_errors():
        from pipelines.evaluate.display import report_pair, report_run  # imports numpy: not for --help

        if other is None:
            raise typer.Exit(report_run(run, stage, split))
        raise typer.Exit(report_pair(run, other, stage, split))


def main() -> None:
    """Entry point of the console script."""
    app()
