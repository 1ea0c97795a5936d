"""`summer-data import`: which file, which store, and what was made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from summer.corpus import Modality, Status
from summer.store import FeatureStore
from summer.store.imports.imported import ImportedStore, write_store
from summer.store.imports.keyed import store_beside
from summer.store.imports.keyed_csv import read_keyed_csv
from summer.store.imports.keyed_npz import read_keyed_npz
from summer.store.imports.layouts import LABELS_OF_CORPUS
from summer.store.imports.pickles import PickleOptions, TextLayers, import_pickle

FINE = 0
FORMS: Mapping[str, frozenset[str]] = {  # which options belong to which format
    "csv": frozenset({"like", "id_column", "id_template", "columns", "ignore_unknown"}),
    "npz": frozenset({"like", "ignore_unknown"}),
    "pickle": frozenset({"layout", "corpus", "labels", "dev_dialogues", "text_layers"}),
}
SUFFIXES = {".csv": "csv", ".npz": "npz", ".pkl": "pickle", ".pickle": "pickle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """The command line, as typed; None where nothing was."""

    file: Path
    form: str | None = None
    modality: str | None = None
    like: Path | None = None
    out: Path | None = None
    id_column: str | None = None
    id_template: str | None = None
    columns: str | None = None
    ignore_unknown: bool = False
    layout: str | None = None
    corpus: str | None = None
    labels: str | None = None
    dev_dialogues: Path | None = None
    text_layers: str | None = None
    overwrite: bool = False


def report_import(order: ImportOrder) -> int:
    """Import, write and say what was made.

    Raises:
        ValueError: an option that is missing, unknown or of another format; a store that is there already.
    """
    form = _form(order)
    _refuse_options_of_other_forms(order, form)
    stores = _stores_of_pickle(order) if form == "pickle" else [_store_of_keyed_file(order, form)]
    targets = [_target(order, store) for store in stores]
    for target in targets:
        _refuse_to_replace(order, target)
    console = Console(soft_wrap=True)
    for note in dict.fromkeys(note for store in stores for note in store.notes):
        console.print(f"note: {note}", highlight=False, markup=False)
    for store, target in zip(stores, targets, strict=True):
        write_store(store, target)
        _print_store(console, store, target)
    console.print(f"next: summer-data info {targets[0]} --failed", highlight=False, markup=False)
    return FINE


def _form(order: ImportOrder) -> str:
    form = order.form or SUFFIXES.get(order.file.suffix.lower())
    form = "pickle" if form is None and order.file.is_dir() else form
    if form is None or form not in FORMS:
        raise ValueError(
            f"format {form or order.file.suffix!r} is not one of {', '.join(FORMS)}; say which it is by "
            "--format"
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
            f"a {form} does not say its modality and its utterances; give --modality {'|'.join(Modality)} "
            "and --like with a store of the same corpus, such as the text.h5 of summer-extract"
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
        raise ValueError(f"{path} names no dialogue; write one name a line, or leave out --dev-dialogues")
    return names


def _target(order: ImportOrder, store: ImportedStore) -> Path:
    modality = store.header.modality
    if order.out is not None and order.out.suffix == ".h5":
        if order.modality is None:
            raise ValueError(f"{order.out} is one file, a pickle may hold more; give a folder, or --modality")
        return order.out
    return (order.out or _default_folder(order, store.header.corpus)) / f"{modality}.h5"


def _default_folder(order: ImportOrder, corpus: str) -> Path:
    if order.like is not None:
        return order.like.parent
    layout = order.layout or ""
    return Path("data/stores") / (layout if layout.endswith(f"-{corpus}") else f"{layout}-{corpus}")


def _refuse_to_replace(order: ImportOrder, target: Path) -> None:
    if order.like is not None and target.exists() and target.samefile(order.like):
        raise ValueError(f"{target} is the store that --like names; give another --out or another --modality")
    if target.exists() and not order.overwrite:
        raise ValueError(f"{target} is there already; give another --out, or --overwrite to replace it")


def _print_store(console: Console, store: ImportedStore, target: Path) -> None:
    header, statuses = store.header, store.rows.statuses
    counts = ", ".join(f"{count} {status}" for status, count in Counter(statuses).most_common())
    splits = ", ".join(
        f"{count} {split}" for split, count in Counter(u.split for u in store.rows.utterances).items()
    )
    console.print(
        f"wrote {target}: {header.modality} of {header.corpus}, {header.dim} wide",
        highlight=False,
        markup=False,
    )
    console.print(f"  {len(store.rows)} rows ({splits}): {counts}", highlight=False, markup=False)
    for reason, count in _commonest_reasons(statuses, store.rows.reasons):
        console.print(f"    {count}: {reason}", highlight=False, markup=False)


def _commonest_reasons(statuses: Sequence[Status], reasons: Sequence[str]) -> list[tuple[str, int]]:
    failed = [reason for status, reason in zip(statuses, reasons, strict=True) if status is not Status.OK]
    return Counter(failed).most_common(5)
