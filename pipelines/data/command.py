"""`summer-data`: look at corpora and stores, import and export features, fetch weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import add_command

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Look at raw corpora and feature stores; import and export features; fetch weights.",
)

ROOT = "folder of the raw corpus [default: data/<dataset>]; of a manifest also an address: s3://bucket/films"
POLICY = "change one policy of the corpus, such as test_clips=plain of meld; may be repeated"
EXPORT_FORMAT = "npz (one store) or pickle (the tuple that MMGCN loads)"
IMPORT_FORMAT = "csv, npz or pickle [default: by the file's name]"
MODALITY = "text, audio or video [default: of a pickle all that it has]"
LIKE = "csv, npz: a store of the same corpus, which says what utterances there are"
OUT = "folder of the stores, or STORE.h5 [default: that of --like; of a pickle data/stores/<layout>-<corpus>]"
ID_TEMPLATE = "csv: the id built of columns, such as '{split}/dia{dialogue}_utt{utterance}'"
COLUMNS = "csv: columns of the vector [default: all numeric ones]"
IGNORE_UNKNOWN = "leave out ids that --like does not have"
LAYOUT = (
    "pickle: mmgcn, dialoguernn-iemocap, dialoguernn-meld, cosmic-iemocap, cosmic-meld, sdt, graphsmile, "
    "multiemo"
)
CORPUS = "pickle: meld, iemocap, or any name with --labels [default: as the layout says]"
LABELS = "pickle: names of the class indices [default: the corpus']"
DEV_DIALOGUES = "pickle: file with the names of the dialogues of train that are dev, one per line"
TEXT_LAYERS = (
    "pickle: which of several RoBERTa layers: mean, first or concat (all side by side) [default: mean]"
)

CROPS = "folder in which summer-extract --keep-crops left them [default: crops beside the store]"
MOST = "cells at most, evenly taken over the corpus"
RECIPE = "TOML file, or the name of a shipped recipe"
OVERRIDE = "change one key of the recipe, such as text.model=roberta-large; may be repeated"
ASR_MODEL = "also this Whisper, such as tiny.en, for --asr of summer-predict and summer-serve"

Store = Annotated[Path, typer.Argument(metavar="STORE", help="a store that summer-extract wrote")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOrder:
    """Probe every file of a raw corpus; list known and new problems with remedies.

    Exit status: 0 all problems are known; 1 some are new; 2 a mistake that the message names; 130
    interrupted.
    """

    dataset: Annotated[str, typer.Option(help="meld, iemocap, demo, or the path of a manifest.csv")]
    root: Annotated[str | None, typer.Option(metavar="PATH", help=ROOT)] = None
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=POLICY)] = ()
    workers: Annotated[int | None, typer.Option(min=1, help="processes [default: one per core]")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoOrder:
    """Say what a store holds, how it was made, and how many rows of each status and label.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    store: Store
    failed: Annotated[bool, typer.Option("--failed", help="list every row that is not ok")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesOrder:
    """Draw a contact sheet of a video store: whose face each row got, and how that was chosen.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    store: Store
    out: Annotated[Path, typer.Option(metavar="SHEET", help="the sheet to write, .html or .png")]
    crops: Annotated[Path | None, typer.Option(help=CROPS)] = None
    most: Annotated[int, typer.Option(min=1, help=MOST)] = 400
    speaker: Annotated[str | None, typer.Option(metavar="NAME", help="only the rows of this speaker")] = None
    only: Annotated[str | None, typer.Option(metavar="remarks|failed", help="only such rows")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOrder:
    """Say in what two stores differ: origin, settings, rows, words, statuses, vectors.

    Exit status: 0 they hold the same; 1 they differ; 2 a mistake that the message names; 130 interrupted.
    """

    first: Store
    second: Store
    rows: Annotated[bool, typer.Option("--rows", help="a line for each row that differs")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """Write stores as files that other code reads.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    stores: Annotated[tuple[Path, ...], typer.Argument(metavar="STORE...", help="one store per modality")]
    out: Annotated[Path, typer.Option(help="the file to write")]
    form: Annotated[str, typer.Option("--format", help=EXPORT_FORMAT)] = "npz"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a file that is there")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """Turn existing features into stores: CSV or npz keyed by utterance, or one of the field's pickles.

    Exit status: 0 done; 2 a mistake that the message names; 130 interrupted.
    """

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="csv, npz or pickle; of layout multiemo its folder")
    ]
    form: Annotated[str | None, typer.Option("--format", help=IMPORT_FORMAT)] = None
    modality: Annotated[str | None, typer.Option(help=MODALITY)] = None
    like: Annotated[Path | None, typer.Option(help=LIKE)] = None
    out: Annotated[Path | None, typer.Option(help=OUT)] = None
    id_column: Annotated[str | None, typer.Option(help="csv: column of the ids [default: id]")] = None
    id_template: Annotated[str | None, typer.Option(help=ID_TEMPLATE)] = None
    columns: Annotated[str | None, typer.Option(metavar="A,B,C", help=COLUMNS)] = None
    ignore_unknown: Annotated[bool, typer.Option("--ignore-unknown", help=IGNORE_UNKNOWN)] = False
    layout: Annotated[str | None, typer.Option(help=LAYOUT)] = None
    corpus: Annotated[str | None, typer.Option(help=CORPUS)] = None
    labels: Annotated[str | None, typer.Option(metavar="A,B,C", help=LABELS)] = None
    dev_dialogues: Annotated[Path | None, typer.Option(help=DEV_DIALOGUES)] = None
    text_layers: Annotated[str | None, typer.Option(help=TEXT_LAYERS)] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace stores that are there")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOrder:
    """Fetch the weights that extractions by a recipe read, so that these need no network.

    They go to $SUMMER_CACHE (else ~/.cache/summer) and Hugging Face's cache; what is there is verified.

    Exit status: 0 done; 2 a mistake that the message names, or weights that no source has; 130 interrupted.
    """

    recipe: Annotated[str, typer.Option(help=RECIPE)]
    overrides: Annotated[tuple[str, ...], typer.Option("-o", metavar="KEY=VALUE", help=OVERRIDE)] = ()
    asr_model: Annotated[str | None, typer.Option(metavar="NAME", help=ASR_MODEL)] = None


# What the commands do is imported only once one is carried out: it loads numpy, h5py and av, --help does not.
def _check(order: CheckOrder) -> int:
    from pipelines.data.run import check

    return check(order)


def _info(order: InfoOrder) -> int:
    from pipelines.data.run import info

    return info(order)


def _faces(order: FacesOrder) -> int:
    from pipelines.data.run import faces

    return faces(order)


def _diff(order: DiffOrder) -> int:
    from pipelines.data.run import diff

    return diff(order)


def _export(order: ExportOrder) -> int:
    from pipelines.data.run import export

    return export(order)


def _import(order: ImportOrder) -> int:
    from pipelines.data.run import import_features

    return import_features(order)


def _weights(order: WeightsOrder) -> int:
    from pipelines.data.fetching import fetch_weights  # imports torch, which no other command needs

    return fetch_weights(order)


add_command(app, CheckOrder, _check, "check")
add_command(app, InfoOrder, _info, "info")
add_command(app, FacesOrder, _faces, "faces")
add_command(app, DiffOrder, _diff, "diff")
add_command(app, ExportOrder, _export, "export")
add_command(app, ImportOrder, _import, "import")
add_command(app, WeightsOrder, _weights, "weights")


def main() -> None:
    """Entry point of the console script."""
    app()
