"""The feature store: one HDF5 file per modality and corpus. The one file that knows HDF5.

Rows stand in corpus order, so a dialogue is one slice. Layout of the file (`rows` = utterances):

    id, split, dialogue, speaker, label      (rows,) UTF-8, fixed length
    turn                                     (rows,) int64
    start_seconds, end_seconds               (rows,) float64, NaN where unknown
    status, reason                           (rows,) UTF-8; a row whose status is not "ok" holds zeros
    words/utf8                               (bytes,) uint8, UTF-8 of all rows' text, one after the other
    words/ends                               (rows,) int64, offset at which each row's text ends
    inputs                                   (rows,) digest of what the row was made from, see `Rows`; only
                                             in stores that were extracted
    columns/<name>                           (rows,) the modality's own facts: keyframes, tokens, ...
    features/raw                             (rows, dim) float32
    features/reduced                         (rows, width) float32, once reduced
    head/weight                              (labels, dim) float32, and
    head/bias                                (labels,) float32: the head that the encoder was fine-tuned with,
                                             over features/raw; only where there is one

File attributes: schema_version, corpus, protocol, modality, labels, fingerprint, corpus_digest, complete,
settings, reduction and assets (JSON). Stores made by an older version have no words, no inputs, no assets
and no head: their text is read as "", the others as none. Nothing in the file depends on when, where or in
how many attempts it was made, so equal input gives equal bytes.

HDF5 is not safe against a kill while open for writing: files are written aside and renamed into place, and
never changed there. So none is locked by HDF5, whose locks fail where the file system keeps none.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from summer.corpus import Modality, Split, Status, Utterance
from summer.durable import check_free_space, explained_disk_errors, json_of, replace_durably, write_aside
from summer.store.candidates import Candidates
from summer.store.head import EncoderHead
from summer.store.plain import check_plain
from summer.store.rows import Header, Kind, Rows, StoreError
from summer.store.unfailing import Unfailing
from summer.store.words import pack_words, unpack_words

SCHEMA_VERSION = (
    1  # also since words, inputs, assets, head: older programs read such stores and take no notice
)
FEATURES = "features"
COLUMNS = "columns"
WORDS = "words"
INPUTS = "inputs"
HEAD = "head"
CANDIDATES = "candidates"
DAMAGE = (  # what h5py raises, and what other types than ours lead to
    *(AttributeError, IndexError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError),
)


class FeatureStore:
    """A store opened for reading. Use as a context manager.

    Raises:
        StoreError: the file is absent, not HDF5, truncated, of another schema, or no plain data (plain.py).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open_for_reading(path)
        try:
            check_plain(self._file)
            self.header = _read_header(self._file)
            self.rows = _read_rows(self._file)
            _check_features(self._file, len(self.rows))
        except DAMAGE as error:
            self._file.close()
            raise StoreError(f"{path} is not a feature store of this project: {error}") from error

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def features(self, kind: Kind = "raw", rows: slice = slice(None)) -> NDArray[np.float32]:
        """(rows, width) float32 vectors; zeros where a row's status is not ok.

        Raises:
            StoreError: `reduced` is asked for before the store was reduced, or the file is damaged.
        """
        name = f"{FEATURES}/{kind}"
        if name not in self._file:
            raise StoreError(f"{self.path} has no {kind} features; run summer-extract to the end first")
        try:
            values: NDArray[np.float32] = self._file[name][rows]
        except (OSError, RuntimeError) as error:
            raise StoreError(f"the {kind} features of {self.path} cannot be read ({error})") from error
        return values

    @property
    def reduced_width(self) -> int | None:
        """Width of the reduced features, None before reduction."""
        name = f"{FEATURES}/reduced"
        return int(self._file[name].shape[1]) if name in self._file else None

    @property
    def head(self) -> EncoderHead | None:
        """The head that the encoder was fine-tuned with, over the raw features; None where there is none.

        Raises:
            StoreError: it is not over these features and labels.
        """
        if HEAD not in self._file:
            return None
        try:
            head = EncoderHead(weight=self._file[HEAD]["weight"][:], bias=self._file[HEAD]["bias"][:])
            head.check(classes=len(self.header.labels), dim=self.header.dim)
        except DAMAGE as error:
            raise StoreError(f"{self.path} has a head that cannot be used: {error}") from error
        return head

    @property
    def candidates(self) -> Candidates | None:
        """What each row's vector was chosen among; None where that was not kept.

        Raises:
            StoreError: they are damaged.
        """
        if CANDIDATES not in self._file:
            return None
        try:
            group = self._file[CANDIDATES]
            return Candidates(
                ends=group["ends"][:],
                vectors=group["vectors"][:],
                embeddings=group["embeddings"][:],
                facts={name: values[:] for name, values in group["facts"].items()},
            )
        except DAMAGE as error:
            raise StoreError(f"{self.path} has candidates that cannot be used: {error}") from error


class StoreWriter:
    """A store being written aside; `new_store` makes it and renames the file into place at the end."""

    def __init__(
        self, file: h5py.File, rows: Rows, dim: int, raise_failure: Callable[[], None] = lambda: None
    ) -> None:
        self._file = file
        self._rows = rows
        self._raise_failure = raise_failure
        self._raw = file.create_dataset(f"{FEATURES}/raw", shape=(len(rows), dim), dtype="<f4")

    def write_raw(self, first_row: int, vectors: NDArray[np.float32]) -> None:
        """Write (n, dim) vectors as rows [first_row, first_row + n); rows that are not ok must be zeros."""
        usable = self._rows.usable[first_row : first_row + len(vectors)]
        if vectors[~usable].any():
            raise StoreError("a row whose status is not ok must hold zeros")
        self._raw[first_row : first_row + len(vectors)] = vectors
        self._raise_failure()

    def read_raw(self) -> NDArray[np.float32]:
        """(rows, dim) float32, as written so far."""
        values: NDArray[np.float32] = self._raw[:]
        return values

    def write_reduced(self, vectors: NDArray[np.float32], reduction: Mapping[str, str]) -> None:
        """Write (rows, width) reduced vectors, and what reduced them."""
        self._file.create_dataset(f"{FEATURES}/reduced", data=vectors.astype("<f4"))
        self._file.attrs["reduction"] = _canonical_json(reduction)

    def write_candidates(self, candidates: Candidates) -> None:
        """Write what each row's vector was chosen among."""
        group = self._file.create_group(CANDIDATES)
        group.create_dataset("ends", data=candidates.ends.astype("<i8"))
        group.create_dataset("vectors", data=candidates.vectors.astype("<f4"))
        group.create_dataset("embeddings", data=candidates.embeddings.astype("<f4"))
        facts = group.create_group("facts")
        for name, values in sorted(candidates.facts.items()):
            facts.create_dataset(name, data=values.astype("<f8"))

    def write_head(self, head: EncoderHead) -> None:
        """Write the head that the encoder was fine-tuned with over the raw vectors.

        Raises:
            StoreError: it is not over these vectors and labels.
        """
        head.check(classes=len(json.loads(self._file.attrs["labels"])), dim=self._raw.shape[1])
        self._file.create_dataset(f"{HEAD}/weight", data=head.weight.astype("<f4"))
        self._file.create_dataset(f"{HEAD}/bias", data=head.bias.astype("<f4"))


@contextmanager
def new_store(path: Path, header: Header, rows: Rows) -> Iterator[StoreWriter]:
    """Write a store aside and rename it to `path` when the block ends without an error.

    Raises:
        DiskError: disk full, or the folder cannot be written; nothing is left behind.
    """
    check_free_space(path, needed_bytes=2 * 4 * len(rows) * header.dim)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explained_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("w+b", buffering=0) as raw:
                unfailing = Unfailing(raw)
                with h5py.File(unfailing, "w", libver="v110") as file:
                    _write_header(file, header)
                    _write_rows(file, rows)
                    yield StoreWriter(file, rows, header.dim, unfailing.raise_failure)
                unfailing.raise_failure()
            replace_durably(aside, path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()


def write_part(
    path: Path,
    header: Header,
    rows: Rows,
    vectors: NDArray[np.float32],
    candidates: Candidates | None = None,
) -> None:
    """Write a small store in one go: made in memory, then put in place by one rename.

    Raises:
        DiskError: disk full, or the folder cannot be written; no partial file is left in place.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", libver="v110") as file:
        _write_header(file, header)
        _write_rows(file, rows)
        writer = StoreWriter(file, rows, header.dim)
        writer.write_raw(0, vectors)
        if candidates is not None:
            writer.write_candidates(candidates)
    write_aside(path, image.getvalue())


def _open_for_reading(path: Path) -> h5py.File:
    if not path.is_file():
        raise StoreError(f"there is no feature store at {path}; make it with summer-extract")
    try:
        return h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"{path} cannot be read as HDF5 ({error}); delete it and run summer-extract again"
        ) from error


def _write_header(file: h5py.File, header: Header) -> None:
    file.attrs["schema_version"] = SCHEMA_VERSION
    for name in ("corpus", "protocol", "fingerprint", "corpus_digest"):
        file.attrs[name] = getattr(header, name)
    file.attrs["modality"] = header.modality.value
    file.attrs["complete"] = header.complete
    file.attrs["labels"] = _canonical_json(header.labels)
    file.attrs["settings"] = _canonical_json(header.settings)
    file.attrs["reduction"] = _canonical_json(header.reduction)
    file.attrs["assets"] = _canonical_json(header.assets)


def _read_header(file: h5py.File) -> Header:
    attributes = file.attrs
    if int(attributes["schema_version"]) != SCHEMA_VERSION:
        raise ValueError(
            f"its schema is version {attributes['schema_version']}, this program reads {SCHEMA_VERSION}; "
            "extract again with --overwrite"
        )
    labels = tuple(_json_of(file, "labels", list))
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"its labels are {labels}, not words")
    return Header(
        corpus=_word_of(file, "corpus"),
        protocol=_word_of(file, "protocol"),
        modality=Modality(_word_of(file, "modality")),
        labels=labels,
        dim=int(file[f"{FEATURES}/raw"].shape[1]),
        fingerprint=_word_of(file, "fingerprint"),
        corpus_digest=_word_of(file, "corpus_digest"),
        complete=bool(attributes["complete"]),
        settings=_json_of(file, "settings", dict),
        reduction=_json_of(file, "reduction", dict),
        assets=_json_of(file, "assets", dict) if "assets" in attributes else {},
    )


def _word_of(file: h5py.File, name: str) -> str:
    value = file.attrs[name]
    if not isinstance(value, str):
        raise ValueError(f"its {name} is a {type(value).__name__}, not text")
    return value


def _json_of(file: h5py.File, name: str, kind: type) -> Any:
    value = json_of(_word_of(file, name))
    if not isinstance(value, kind):
        raise ValueError(f"its {name} is a {type(value).__name__} of JSON, not a {kind.__name__}")
    return value


def _check_features(file: h5py.File, rows: int) -> None:
    """Hold the shapes of the vectors against the rows."""
    for name, values in file[FEATURES].items():
        if values.ndim != 2 or len(values) != rows or values.dtype.kind != "f":
            raise ValueError(f"its {name} features are {values.shape} {values.dtype} of {rows} rows")


def _write_rows(file: h5py.File, rows: Rows) -> None:
    utterances = rows.utterances
    for name in ("id", "split", "dialogue", "speaker", "label"):
        _write_text(file, name, [getattr(utterance, name) for utterance in utterances])
    file.create_dataset("turn", data=np.array([utterance.turn for utterance in utterances], dtype="<i8"))
    for name in ("start_seconds", "end_seconds"):
        seconds = [getattr(utterance, name) for utterance in utterances]
        file.create_dataset(name, data=np.array([np.nan if s is None else s for s in seconds], dtype="<f8"))
    _write_text(file, "status", rows.statuses)
    _write_text(file, "reason", rows.reasons)
    if rows.inputs is not None:
        _write_text(file, INPUTS, rows.inputs)
    utf8, ends = pack_words([utterance.text for utterance in utterances])
    file.create_dataset(f"{WORDS}/utf8", data=utf8)
    file.create_dataset(f"{WORDS}/ends", data=ends)
    columns = file.create_group(COLUMNS)
    for name, values in sorted(rows.columns.items()):
        if all(isinstance(value, str) for value in values):
            _write_text(columns, name, [str(value) for value in values])
        else:
            columns.create_dataset(name, data=np.asarray(values))


def _read_rows(file: h5py.File) -> Rows:
    text = {name: _read_text(file[name]) for name in ("id", "split", "dialogue", "speaker", "label")}
    if file["turn"].dtype.kind != "i":
        raise ValueError(f"its turns are {file['turn'].dtype}, not whole numbers")
    turns = file["turn"][:].tolist()
    starts, ends = (_none_for_nan(file[name][:]) for name in ("start_seconds", "end_seconds"))
    words = (
        unpack_words(file[WORDS]["utf8"][:], file[WORDS]["ends"][:]) if WORDS in file else [""] * len(turns)
    )
    if len(words) != len(turns):
        raise ValueError(f"it has the words of {len(words)} rows and {len(turns)} rows")
    utterances = [
        Utterance(
            id=text["id"][row],
            split=Split(text["split"][row]),
            dialogue=text["dialogue"][row],
            turn=turns[row],
            speaker=text["speaker"][row],
            text=words[row],
            label=text["label"][row],
            start_seconds=starts[row],
            end_seconds=ends[row],
        )
        for row in range(len(turns))
    ]
    return Rows(
        utterances=utterances,
        statuses=[Status(status) for status in _read_text(file["status"])],
        reasons=_read_text(file["reason"]),
        inputs=_read_text(file[INPUTS]) if INPUTS in file else None,
        columns={name: _read_column(dataset) for name, dataset in file[COLUMNS].items()},
    )


def _write_text(group: h5py.Group, name: str, values: Sequence[str]) -> None:
    encoded = [str(value).encode() for value in values]
    length = max([1, *map(len, encoded)])
    group.create_dataset(name, data=np.array(encoded, dtype=h5py.string_dtype("utf-8", length)))


def _read_text(dataset: h5py.Dataset) -> list[str]:
    return [value.decode() for value in dataset[:]]


def _read_column(dataset: h5py.Dataset) -> list[Any]:
    if dataset.dtype.kind == "S":
        return _read_text(dataset)
    values: list[Any] = dataset[:].tolist()
    return values


def _none_for_nan(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _canonical_json(value: object) -> str:
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
