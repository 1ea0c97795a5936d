"""`summer-train`: feature stores to trained models, honestly measured."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command, typed_again
from summer.threads import ask_for

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

RUN_OF_RECIPE = Path("runs/<recipe>")  # stands for no --out: the recipe's name takes its place

RECIPE = "manifest (small, for own clips), meld, meld-text-audio, iemocap, demo, or the path of a .toml"
FEATURES = "folder of the stores [default: data/stores/<recipe>]"
OUT = f"folder of the run [default: {RUN_OF_RECIPE}]"
STAGE = "teacher, student (needs --teacher or a finished teacher in the run) or all"
MODEL = "teacher, student, or a rival such as mlp; may be repeated [default: teacher and student]"
MODALITY = "the teacher's modality: text, audio or video [default: the recipe's]"
SEEDS = "such as 0-4 or 0,3"
SELECT = (
    "split whose weighted F1 chooses the epoch: dev, or test to see how much that flatters [default: dev]"
)
TEST_CURVE = (
    "score test after every epoch as well: it chooses nothing, and shows what choosing on it would add"
)
TEACHER = "take the teachers of another run, which needs the same seeds, instead of training some"
THREADS = "threads that each process computes with [default: OMP_NUM_THREADS, else by the size of the work]"
OVERRIDE = "change one key of the recipe, such as student.learning_rate=1e-4; may be repeated"
DISTRIBUTIONS = "draw the student's features beside the teacher's while it learns (the paper's figure 7)"
PROJECTION = "draw features before and after by t-SNE (the paper's figure 6)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """Train the teacher, freeze it, train the student; measure both on dev and, once, on test.

    Stopped at any point, the same command with --resume continues and ends in the same numbers.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    recipe: Annotated[str, typer.Option(help=RECIPE)]
    features: Annotated[Path | None, typer.Option(help=FEATURES)] = None
    stores: Annotated[tuple[Path, ...], typer.Option("--store", help="one store; may be repeated")] = ()
    out: Annotated[Path, typer.Option(help=OUT, show_default=False)] = RUN_OF_RECIPE
    models: Annotated[tuple[str, ...], typer.Option("--model", help=MODEL)] = ()
    stage: Annotated[str, typer.Option(help=STAGE)] = "all"
    modality: Annotated[str | None, typer.Option(help=MODALITY)] = None
    seeds: Annotated[str, typer.Option(help=SEEDS)] = "0"
    teacher: Annotated[Path | None, typer.Option(metavar="RUN", help=TEACHER)] = None
    select_on: Annotated[str | None, typer.Option(help=SELECT)] = None
    test_curve: Annotated[bool, typer.Option("--test-curve", help=TEST_CURVE)] = False
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=OVERRIDE)] = ()
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto"
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS, show_default=False)] = None
    precision: Annotated[str, typer.Option(help="no (float32), bf16 or fp16")] = "no"
    resume: Annotated[bool, typer.Option("--resume", help="continue a stopped run; add seeds or models")] = (
        False
    )
    overwrite: Annotated[bool, typer.Option("--overwrite", help="start the run anew")] = False
    projection: Annotated[bool, typer.Option("--projection", help=PROJECTION)] = False
    distributions: Annotated[bool, typer.Option("--distributions", help=DISTRIBUTIONS)] = False

    def __post_init__(self) -> None:
        if self.out == RUN_OF_RECIPE:
            object.__setattr__(self, "out", Path("runs") / Path(self.recipe).stem)


def _train(order: TrainingOrder) -> int:
    if "WORLD_SIZE" in os.environ:
        # torch reads this when it is loaded. Each of several processes would warn that it looked for
        # parameters without a gradient and found none in the first batch; another batch has some.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    ask_for(order.threads)
    from pipelines.train.run import carry_out  # imports torch: not for --help

    return carry_out(order)


def how_to_resume() -> str:
    """The command that goes on after the last whole epoch; a launcher's own words are not known here."""
    if "WORLD_SIZE" in os.environ:
        return "the same command with --resume goes on after the last whole epoch"
    return f"go on after the last whole epoch with: {typed_again('summer-train', '--resume')}"


add_command(app, TrainingOrder, _train, how_to_go_on=how_to_resume)


def main() -> None:
    """Entry point of the console script."""
    app()
