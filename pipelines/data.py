"""`summer-data`: look at corpora and stores. check, info, diff, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import command_errors

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Look at raw corpora and feature stores.",
)

Store = Annotated[Path, typer.Argument(metavar="STORE", help="a store that summer-extract wrote")]


@app.command()
def check(
    dataset: Annotated[str, typer.Option(help="meld, iemocap, demo, or the path of a manifest.csv")],
    root: Annotated[Path | None, typer.Option(help="folder of the raw corpus")] = None,
    override: Annotated[list[str] | None, typer.Option("-o", metavar="KEY=VALUE", help="a policy")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="processes [default: one a core]")] = None,
) -> None:
    """Probe every file of a raw corpus; list known and new problems with remedies. Exit 1 if any is new."""
    with command_errors():
        from pipelines.data_reports import report_check

        raise typer.Exit(report_check(dataset, root, tuple(override or ()), workers))


@app.command()
def info(
    store: Store,
    failed: Annotated[bool, typer.Option("--failed", help="list every row that is not ok")] = False,
) -> None:
    """Say what a store holds, how it was made, and how many rows of each status."""
    with command_errors():
        from pipelines.data_reports import report_info

        raise typer.Exit(report_info(store, failed=failed))


@app.command()
def diff(first: Store, second: Store) -> None:
    """Say in what two stores differ: origin, settings, rows, statuses, vectors. Exit 1 if they do."""
    with command_errors():
        from pipelines.data_reports import report_diff

        raise typer.Exit(report_diff(first, second))


@app.command()
def export(
    stores: Annotated[list[Path], typer.Argument(metavar="STORE...", help="one store a modality")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    form: Annotated[
        str, typer.Option("--format", help="npz (one store) or pickle (the tuple that MMGCN loads)")
    ] = "npz",
) -> None:
    """Write stores as files that other code reads."""
    with command_errors():
        from pipelines.data_reports import report_export

        raise typer.Exit(report_export(stores, out, form))


def main() -> None:
    """Entry point of the console script."""
    app()
