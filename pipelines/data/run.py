"""The commands of `summer-data`, carried out: one function per command, and what an import needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from extraction.corpora import check_corpus, open_corpus
from extraction.remote.address import is_address
from extraction.video.sheet import write_sheet
from pipelines.data.command import CheckOrder, DiffOrder, ExportOrder, FacesOrder, ImportOrder, InfoOrder
from pipelines.data.display import (
    print_differences,
    print_export,
    print_imported,
    print_next_step,
    print_notes,
    print_problems,
    print_sheet,
    probing_bar,
    report_info,
)
from pipelines.recipe import load_recipe, recipe_of_dataset
from summer.corpus import Modality
from summer.store import FeatureStore
from summer.store.comparison import differences
from summer.store.exports import export_npz, export_pickle
from summer.store.imports.imported import ImportedStore, write_store
from summer.store.imports.keyed import store_beside
from summer.store.imports.keyed_csv import read_keyed_csv
from summer.store.imports.keyed_npz import read_keyed_npz
from summer.store.imports.layouts import LABELS_OF_CORPUS
from summer.store.imports.pickles import PickleOptions, TextLayers, import_pickle
from summer.threads import cores

FINE, NEW_PROBLEMS, DIFFERENT = 0, 1, 1
EXPORT_FORMS = ("npz", "pickle")
FORMS: Mapping[str, frozenset[str]] = {  # which options belong to which format
    "csv": frozenset({"like", "id_column", "id_template", "columns", "ignore_unknown"}),
    "npz": frozenset({"like", "ignore_unknown"}),
    "pickle": frozenset({"layout", "corpus", "labels", "dev_dialogues", "text_layers"}),
}
SUFFIXES = {".csv": "csv", ".npz": "npz", ".pkl": "pickle", ".pickle": "pickle"}


def check(order: CheckOrder) -> int:
    """Probe every file of a raw corpus and print its problems.

    Returns:
        The exit status: 0 all problems are known, 1 some are new.

    Raises:
        ValueError: no such corpus or policy; a file of the corpus that cannot be read.
    """
    console = Console(soft_wrap=True)
    overrides = [f"corpus.{override}" for override in order.overrides]
    policy = load_recipe(recipe_of_dataset(order.dataset), overrides).corpus
    corpus = open_corpus(order.dataset, order.root, policy)
    workers = order.workers or cores()
    with probing_bar(console, len(corpus.clips)) as show:
        root = None if order.root is None or is_address(order.root) else Path(order.root)
        found = check_corpus(corpus, root, workers=workers, on_progress=show)
    print_problems(console, corpus, found)
    return FINE if all(problem.known for problem in found) else NEW_PROBLEMS


def info(order: InfoOrder) -> int:
    """Print what a store holds.

    Raises:
        ValueError: the file is no store.
    """
    return report_info(order.store, failed=order.failed)


def faces(order: FacesOrder) -> int:
    """Draw the contact sheet of a video store and say what it shows.

    Raises:
        ValueError: no store of video, no crops, or no row that was asked for.
    """
    sheet = write_sheet(
        order.store, order.out, crops=order.crops, most=order.most, speaker=order.speaker, only=order.only
    )
    print_sheet(Console(soft_wrap=True), order.out, sheet)
    return FINE


def diff(order: DiffOrder) -> int:
    """Print in what two stores differ.

    Returns:
        The exit status: 0 they hold the same, 1 they differ.

    Raises:
        ValueError: one of the files is no store.
    """
    with FeatureStore(order.first) as first, FeatureStore(order.second) as second:
        found = list(differences(first, second))
    print_differences(Console(soft_wrap=True), (order.first, order.second), found, each_row=order.rows)
    return DIFFERENT if found else FINE


def export(order: ExportOrder) -> int:
    """Export stores and say where to.

    Raises:
        ValueError: an unknown format; stores that cannot go into one file of that format; a file that is
            there already.
    """
    if order.form not in EXPORT_FORMS:
        raise ValueError(f"format {order.form!r} is not one of {', '.join(EXPORT_FORMS)}; correct --format")
    if order.form == "npz" and len(order.stores) != 1:
        raise ValueError(
            f"an npz file takes one store, {len(order.stores)} were given; export them one by one, or with "
            "--format pickle"
        )
    with ExitStack() as stack:
        stores = [stack.enter_context(FeatureStore(path)) for path in order.stores]
        if order.out.exists() and any(order.out.samefile(path) for path in order.stores):
            raise ValueError(f"{order.out} is one of the stores that are exported; give another --out")
        _refuse_to_replace(order.out, overwrite=order.overwrite)
        if order.form == "npz":
            export_npz(stores[0], order.out)
        else:
            export_pickle(stores, order.out)
    print_export(Console(soft_wrap=True), order.out)
    return FINE


def import_features(order: ImportOrder) -> int:
    """Turn a file of features into stores and say what was made.

    Raises:
        ValueError: an option that is missing, unknown or of another format; a store that is there already.
    """
    form = _form(order)
    _refuse_options_of_other_forms(order, form)
    stores = _stores_of_pickle(order) if form == "pickle" else [_store_of_keyed_file(order, form)]
    targets = [_target(order, store) for store in stores]
    for target in targets:
        if order.like is not None and target.exists() and target.samefile(order.like):
            raise ValueError(
                f"{target} is the store that --like names; give another --out or another --modality"
            )
        _refuse_to_replace(target, overwrite=order.overwrite)
    console = Console(soft_wrap=True)
    print_notes(console, stores)
    for store, target in zip(stores, targets, strict=True):
        write_store(store, target)
        print_imported(console, store, target)
    print_next_step(console, targets[0])
    return FINE


def _form(order: ImportOrder) -> str:
    form = order.form or SUFFIXES.get(order.file.suffix.lower())
    form = "pickle" if form is None and order.file.is_dir() else form
    if form is None or form not in FORMS:
        raise ValueError(
            f"format {form or order.file.suffix!r} is not one of {', '.join(FORMS)}; say which it is "
            "with --format"
        )
    return form


def _refuse_options_of_other_forms(order: ImportOrder, form: str) -> None:
    for name in sorted(frozenset().union(*FORMS.values()) - FORMS[form]):
        if getattr(order, name):
            owners = " and ".join(owner for owner, names in FORMS.items() if name in names)
            raise ValueError(
                f"--{name.replace('_', '-')} belongs to {owners}, the file is read as {form}; leave it out"
            )


def _store_of_keyed_file(order: ImportOrder, form: str) -> ImportedStore:
    if order.modality is None or order.like is None:
        raise ValueError(
            f"a {form} file does not say its modality and which utterances there are; give "
            f"--modality {'|'.join(Modality)} and --like with a store of the same corpus, such as the "
            "text.h5 of summer-extract"
        )
    modality = _modality(order.modality)
    if order.id_column and order.id_template:
        raise ValueError("--id-column and --id-template say the same in two ways; give one")
    if form == "csv":
        file = read_keyed_csv(
            order.file,
            id_column=order.id_column or "id",
            id_template=order.id_template,
            columns=_listed(order.columns),
        )
    else:
        file = read_keyed_npz(order.file)
    with FeatureStore(order.like) as like:
        return store_beside(like, file, modality=modality, ignore_unknown=order.ignore_unknown)


def _stores_of_pickle(order: ImportOrder) -> list[ImportedStore]:
    if order.layout is None:
        raise ValueError(
            "a pickle does not say its layout; give --layout (summer-data import --help lists them)"
        )
    named = order.layout.rpartition("-")[2]
    corpus = order.corpus or (named if named in LABELS_OF_CORPUS else None)
    if corpus is None:
        raise ValueError(f"layout {order.layout} is used for several corpora; give --corpus meld or iemocap")
    layers = order.text_layers or "mean"
    if layers not in get_args(TextLayers):
        raise ValueError(f"--text-layers {layers!r} is not one of {', '.join(get_args(TextLayers))}")
    options = PickleOptions(
        layout=order.layout,
        corpus=corpus,
        labels=_listed(order.labels),
        dev_dialogues=_dialogues(order.dev_dialogues),
        text_layers=cast(TextLayers, layers),
    )
    modalities = [_modality(order.modality)] if order.modality else list(Modality)
    return import_pickle(order.file, options, modalities=modalities)


def _modality(name: str) -> Modality:
    if name not in list(Modality):
        raise ValueError(f"modality {name!r} is not one of {', '.join(Modality)}; correct --modality")
    return Modality(name)


def _listed(words: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (words or "").split(",") if word.strip())


def _dialogues(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as UTF-8 text ({error}); correct --dev-dialogues") from error
    if not names:
        raise ValueError(f"{path} names no dialogue; write one name per line, or leave out --dev-dialogues")
    return names


def _target(order: ImportOrder, store: ImportedStore) -> Path:
    modality = store.header.modality
    if order.out is not None and order.out.suffix == ".h5":
        if order.modality is None:
            raise ValueError(
                f"{order.out} is one file, and a pickle may hold more than one modality; give a folder, or "
                "choose one with --modality"
            )
        return order.out
    return (order.out or _default_folder(order, store.header.corpus)) / f"{modality}.h5"


def _default_folder(order: ImportOrder, corpus: str) -> Path:
    if order.like is not None:
        return order.like.parent
    layout = order.layout or ""
    return Path("data/stores") / (layout if layout.endswith(f"-{corpus}") else f"{layout}-{corpus}")


def _refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise ValueError(f"{target} is there already; give another --out, or --overwrite to replace it")
