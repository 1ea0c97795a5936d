"""`summer-reproduce`: the paper's tables and figures on one's own stores, every system in one harness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command, same_command
from summer.threads import ask_for

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

RECIPE = "manifest (small, for own clips), meld, meld-text-audio, iemocap, demo, or the path of a .toml"
FEATURES = "folder of the stores [default: data/stores/<recipe>]"
OUT = "folder of the page: page.md, page.html, figures, runs/ and jobs/"
SEEDS = "such as 0-4 or 0,3"
OVERRIDE = "change one key of the recipe for every system; may be repeated"
JOBS = "systems that are trained at once [default: one per GPU; without, one per core, at most one per 8 GiB]"
THREADS = "threads that each job computes with [default: OMP_NUM_THREADS, else by the size of the work]"
ON_TEST = "leave out what choosing on test would report"
WITHOUT = "leave out a system, by its name in --dry-run; the page says so; may be repeated"
DEVICE = "auto (every GPU, else the CPU), cpu or cuda:N; with --engine ray auto, cpu or cuda"
ENGINE = (
    "local (this machine) or ray (a cluster; needs the extra ray, and OUT on a folder that all nodes share)"
)
ADDRESS = "with --engine ray: ray://HOST:10001 or HOST:6379 [default: $RAY_ADDRESS, else this machine alone]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionOrder:
    """Train SUMMER and its rivals on the same stores, splits, seeds and selection, and write one page of it.

    Interrupted or killed at any point, the same command goes on, and ends in the same page. A system that
    fails stops no other; it stands on the page with its log.

    Exit status: 0 the page is whole; 1 some systems failed; 2 a mistake that the message names; 130
    interrupted.
    """

    recipe: Annotated[str, typer.Option(help=RECIPE)]
    out: Annotated[Path, typer.Option(help=OUT)]
    features: Annotated[Path | None, typer.Option(help=FEATURES)] = None
    seeds: Annotated[str, typer.Option(help=SEEDS)] = "0-2"
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=OVERRIDE)] = ()
    jobs: Annotated[int | None, typer.Option(min=1, help=JOBS, show_default=False)] = None
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS, show_default=False)] = None
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto"
    engine: Annotated[str, typer.Option(help=ENGINE)] = "local"
    address: Annotated[str | None, typer.Option(help=ADDRESS, show_default=False)] = None
    without: Annotated[tuple[str, ...], typer.Option("--without", metavar="NAME", help=WITHOUT)] = ()
    without_test_selection: Annotated[bool, typer.Option("--without-test-selection", help=ON_TEST)] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="start anew, delete what OUT has")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the commands and do nothing")] = False


def _reproduce(order: ReproductionOrder) -> int:
    ask_for(order.threads)
    from pipelines.reproduce.run import carry_out  # imports torch: not for --help

    return carry_out(order)


add_command(app, ReproductionOrder, _reproduce, how_to_go_on=same_command)


def main() -> None:
    """Entry point of the console script."""
    app()
