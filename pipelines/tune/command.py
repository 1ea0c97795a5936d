"""`summer-tune`: the network behind a modality's vectors, tuned on people or on a corpus' emotions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command, same_command
from summer.threads import ask_for

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

MODALITY = "video; text is tuned by summer-extract itself"
FACES = "a folder with a folder of pictures per person, as VGGFace2 is: tune on who they are"
DATASET = "meld, iemocap, demo, or the path of a manifest.csv: tune on its training split's emotions"
ROOT = "folder of the raw corpus [default: data/<dataset>]"
OUT = "folder of the tuned weights, and of the aligned faces"
RECIPE = (
    "meld, meld-text-audio, iemocap, demo, manifest, or the path of a .toml [default: the dataset's, or "
    "manifest]"
)
OVERRIDE = "change one key of the recipe, such as video.tuning.epochs=4; may be repeated"
THREADS = "threads that each process computes with [default: OMP_NUM_THREADS, else by the size of the work]"
WORKERS = "processes that look for the faces of a corpus [default: as summer-extract]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOrder:
    """Tune the face network, for `summer-extract -o video.weights=FILE`.

    With --dataset and -o video.folds=K a network is tuned without each of K folds of the training dialogues,
    and FILE holds all: each training row is then read by the one that did not see it.

    Interrupted at any point, the same command goes on after the last whole epoch and ends in the same bytes.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    modality: Annotated[str, typer.Option(help=MODALITY)] = "video"
    faces: Annotated[Path | None, typer.Option(metavar="ROOT", help=FACES)] = None
    dataset: Annotated[str | None, typer.Option(help=DATASET)] = None
    root: Annotated[str | None, typer.Option(metavar="PATH", help=ROOT)] = None
    out: Annotated[Path, typer.Option(help=OUT)] = Path("data/tuned")
    recipe: Annotated[str | None, typer.Option(help=RECIPE)] = None
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=OVERRIDE)] = ()
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto"
    workers: Annotated[int | None, typer.Option(min=0, help=WORKERS)] = None
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS, show_default=False)] = None


def _tune(order: TuningOrder) -> int:
    if "WORLD_SIZE" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # as summer-train does
    ask_for(order.threads)
    from pipelines.tune.run import carry_out  # imports torch: not for --help

    return carry_out(order)


add_command(app, TuningOrder, _tune, how_to_go_on=same_command)


def main() -> None:
    """Entry point of the console script."""
    app()
