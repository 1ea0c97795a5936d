"""`summer-data`: look at corpora and stores, and bring what there is. check, info, diff, export, import."""

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
    help="Look at raw corpora and feature stores; import and export features.",
)

LIKE = "csv, npz: a store of the same corpus, which says what utterances there are"
OUT = "folder of the stores, or STORE.h5 [default: that of --like; of a pickle data/stores/<layout>-<corpus>]"
ID_TEMPLATE = "csv: the id built of columns, such as '{split}/dia{dialogue}_utt{utterance}'"
LAYOUT = (
    "pickle: mmgcn, dialoguernn-iemocap, dialoguernn-meld, cosmic-iemocap, cosmic-meld, sdt, graphsmile, "
    "multiemo"
)
CORPUS = "pickle: meld, iemocap, or any name with --labels [default: as the layout says]"
DEV_DIALOGUES = "pickle: file with the dialogues of train that are dev, one name a line"
TEXT_LAYERS = (
    "pickle: of several RoBERTa layers the mean, the first or all side by side (concat) [default: mean]"
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
        from pipelines.data.display import report_check

        raise typer.Exit(report_check(dataset, root, tuple(override or ()), workers))


@app.command()
def info(
    store: Store,
    failed: Annotated[bool, typer.Option("--failed", help="list every row that is not ok")] = False,
) -> None:
    """Say what a store holds, how it was made, and how many rows of each status."""
    with command_errors():
        from pipelines.data.display import report_info

        raise typer.Exit(report_info(store, failed=failed))


@app.command()
def diff(first: Store, second: Store) -> None:
    """Say in what two stores differ: origin, settings, rows, statuses, vectors. Exit 1 if they do."""
    with command_errors():
        from pipelines.data.display import report_diff

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
        from pipelines.data.display import report_export

        raise typer.Exit(report_export(stores, out, form))


@app.command("import")
def import_features(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="csv, npz or pickle; multiemo: its folder")],
    form: Annotated[
        str | None, typer.Option("--format", help="csv, npz or pickle [default: by the file's name]")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="text, audio or video; of a pickle [default: all it has]")
    ] = None,
    like: Annotated[Path | None, typer.Option(help=LIKE)] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    id_column: Annotated[str | None, typer.Option(help="csv: column of the ids [default: id]")] = None,
    id_template: Annotated[str | None, typer.Option(help=ID_TEMPLATE)] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="csv: of the vector [default: all numeric]")
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="leave out ids that --like does not have")
    ] = False,
    layout: Annotated[str | None, typer.Option(help=LAYOUT)] = None,
    corpus: Annotated[str | None, typer.Option(help=CORPUS)] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="pickle: names of the class indices [default: the corpus']"),
    ] = None,
    dev_dialogues: Annotated[Path | None, typer.Option(help=DEV_DIALOGUES)] = None,
    text_layers: Annotated[str | None, typer.Option(help=TEXT_LAYERS)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace stores that are there")] = False,
) -> None:
    """Turn features that you have into stores: a CSV or npz keyed by utterance, or a pickle of the field."""
    with command_errors():
        from pipelines.data.run import ImportOrder, report_import

        order = ImportOrder(
            file=file,
            form=form,
            modality=modality,
            like=like,
            out=out,
            id_column=id_column,
            id_template=id_template,
            columns=columns,
            ignore_unknown=ignore_unknown,
            layout=layout,
            corpus=corpus,
            labels=labels,
            dev_dialogues=dev_dialogues,
            text_layers=text_layers,
            overwrite=overwrite,
        )
        raise typer.Exit(report_import(order))


def main() -> None:
    """Entry point of the console script."""
    app()
