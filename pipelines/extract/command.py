"""`summer-extract`: raw media of a corpus to feature stores, one store per modality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from extraction.remote import FETCHED_GIB
from pipelines.console import add_command, same_command
from summer.threads import ask_for

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

DATASET = "meld, iemocap, demo, or the path of a manifest.csv"
MODALITY = "text, audio, video or all"
ROOT = "folder of the raw corpus [default: data/<dataset>]; of a manifest also an address: s3://bucket/films"
OUT = "folder of the stores: OUT/<corpus>/<modality>.h5"
RECIPE = "meld, meld-text-audio, iemocap, demo, manifest, or the path of a .toml [default: the dataset's]"
WORKERS = (
    "worker processes [default: one per core; with CUDA one per four cores, at most 4]; 0: none, the "
    "work is done in this process"
)
THREADS = "threads that each process computes with [default: OMP_NUM_THREADS, else by the size of the work]"
ENGINE = "local (processes of this machine) or ray (a cluster; needs the extra ray)"
ADDRESS = "with --engine ray: ray://HOST:10001 or HOST:6379 [default: $RAY_ADDRESS, else this machine alone]"
FETCHED = "what copies of media that lie at addresses may take in $TMPDIR, per worker"
BATCH = "most items in one inference batch [default: by memory]; halved when memory runs out"
SHARD = "do only share I of N, such as 3/16"
OVERWRITE = "start anew instead of going on with what is there"
STRICT = "exit with status 3 if a row fails that is not a known problem of the corpus"
CROPS = "keep the aligned faces as PNG files in OUT/<corpus>/crops"
OVERRIDE = "change one key of the recipe, such as video.face_choice=largest; may be repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionOrder:
    """Extract features of a corpus: text (RoBERTa), audio (openSMILE ComParE), video (LFNet3D).

    Interrupted at any point, the same command goes on where it stopped; on a finished store it does nothing.

    Exit status: 0 done (failed rows are in the store, with a status); 1 rows are left to do; 2 a mistake that
    the message names; 3 with --strict, a failure that is not a known one; 4 too few rows to fit the reducer
    on: the store holds raw vectors; 130 interrupted.
    """

    dataset: Annotated[str, typer.Option(help=DATASET)]
    modality: Annotated[str, typer.Option(help=MODALITY)] = "all"
    root: Annotated[str | None, typer.Option(metavar="PATH", help=ROOT)] = None
    out: Annotated[Path, typer.Option(help=OUT)] = Path("data/stores")
    recipe: Annotated[str | None, typer.Option(help=RECIPE)] = None
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=OVERRIDE)] = ()
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto"
    workers: Annotated[int | None, typer.Option(min=0, help=WORKERS)] = None
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS, show_default=False)] = None
    engine: Annotated[str, typer.Option(help=ENGINE)] = "local"
    address: Annotated[str | None, typer.Option(help=ADDRESS, show_default=False)] = None
    fetched_gib: Annotated[float, typer.Option(min=0.001, metavar="GIB", help=FETCHED)] = FETCHED_GIB
    batch_size: Annotated[int | None, typer.Option(min=1, help=BATCH)] = None
    shard: Annotated[str | None, typer.Option(metavar="I/N", help=SHARD)] = None
    limit: Annotated[int | None, typer.Option(min=1, help="only the first LIMIT utterances")] = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="extract failed rows again")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE)] = False
    strict: Annotated[bool, typer.Option("--strict", help=STRICT)] = False
    keep_crops: Annotated[bool, typer.Option("--keep-crops", help=CROPS)] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done; write nothing")] = False


def _extract(order: ExtractionOrder) -> int:
    ask_for(order.threads)
    from pipelines.extract.run import carry_out  # imports numpy: not for --help

    return carry_out(order)


add_command(app, ExtractionOrder, _extract, how_to_go_on=same_command)


def main() -> None:
    """Entry point of the console script."""
    app()
