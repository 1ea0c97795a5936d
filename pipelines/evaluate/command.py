"""`summer-evaluate`: the scores of a run, or the comparison of two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command
from summer.corpus import Split

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

RUN = "folder that summer-train --out has written"
OTHER = "a second run: say whether it is better"
MODEL = "which model of two runs is compared [default: student, or the last that both have]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOrder:
    """Print the paper's table of a run and test its student against its others; or test OTHER against RUN.

    Intervals and p-values count dialogues and seeds as drawn by chance (bootstrap; quasi-F and permutation).

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    run: Annotated[Path, typer.Argument(metavar="RUN", help=RUN)]
    other: Annotated[Path | None, typer.Argument(metavar="OTHER", help=OTHER)] = None
    model: Annotated[str | None, typer.Option(help=MODEL)] = None
    split: Annotated[Split, typer.Option(help="which predictions to score")] = Split.TEST


def _evaluate(order: EvaluationOrder) -> int:
    from pipelines.evaluate.run import carry_out  # imports numpy: not for --help

    return carry_out(order)


add_command(app, EvaluationOrder, _evaluate)


def main() -> None:
    """Entry point of the console script."""
    app()
