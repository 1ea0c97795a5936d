"""Feature stores that lead elsewhere, declare what they do not hold, or are of other types."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.torture.hostile import Hostile, changed_bytes, typed

MUTATED = 150
HUGE_ROWS = 1 << 40
PLUGIN = 32_015  # zstd's number among HDF5's filters, which is loaded from a library that the file names
Change = Callable[[h5py.File], None]


def stores(folder: Path, *, seed: int) -> Iterator[Hostile]:
    """Each read by `summer-data info`, those that are no mere damage by `summer-train` as well."""
    whole = made_stores(folder / "whole")
    recipe = made_recipe(folder)
    secret = folder / "secret"
    secret.write_bytes(bytes(range(256)) * 4000)
    with h5py.File(folder / "other.h5", "w") as other:
        other["vectors"] = np.ones((500, 6), dtype="<f4")
    for name, change in _changes(folder, secret).items():
        bad = folder / name.replace(" ", "-")
        shutil.copytree(whole, bad)
        path = bad / "text.h5"
        with h5py.File(path, "r+") as file:
            change(file)
        if name != "vectors are not numbers":  # `info` tells how many rows, and reads no vector
            yield _info(name, path)
        yield Hostile(
            what="stores",
            name=f"{name}, trained on",
            work=typed("summer-train", *words(recipe, bad, folder / "run" / name)),
            names="text.h5",
        )
    yield from _files(folder, whole)
    content = (whole / "text.h5").read_bytes()
    for number, changed in enumerate(changed_bytes(content, seed, MUTATED)):
        path = folder / f"mutated-{number}" / "text.h5"
        path.parent.mkdir()
        path.write_bytes(changed)
        yield Hostile(
            what="stores, bytes changed",
            name=f"mutation {number}",
            work=typed("summer-data", "info", path, "--failed"),
            may_pass=True,
        )
        yield Hostile(
            what="stores, bytes changed",
            name=f"mutation {number}, exported",
            may_pass=True,
            work=typed("summer-data", "export", path, "--format", "npz", "--out", path.parent / "all.npz"),
        )


def _info(name: str, path: Path) -> Hostile:
    return Hostile(what="stores", name=name, work=typed("summer-data", "info", path), names=path.name)


def _files(folder: Path, whole: Path) -> Iterator[Hostile]:
    """What is no file of HDF5, or none at all."""
    place = folder / "files"
    place.mkdir()
    os.mkfifo(place / "pipe.h5")
    (place / "folder.h5").mkdir()
    (place / "round.h5").symlink_to("round.h5")
    (place / "zeros.h5").symlink_to("/dev/zero")
    (place / "empty.h5").touch()
    (place / "text.h5").write_text("<html>404</html>" * 100)
    (place / "half.h5").write_bytes((whole / "text.h5").read_bytes()[:9000])
    for path in sorted(place.iterdir()):
        yield _info(path.name, path)


def _changes(folder: Path, secret: Path) -> Mapping[str, Change]:
    return {
        "external link": _linked("features/raw", h5py.ExternalLink(str(folder / "other.h5"), "/vectors")),
        "external link to words": _linked("words", h5py.ExternalLink(str(folder / "other.h5"), "/")),
        "external link of a part": _linked(
            "columns/x", h5py.ExternalLink(str(folder / "other.h5"), "/vectors")
        ),
        "soft link in a circle": _linked("id", h5py.SoftLink("/id")),
        "virtual dataset": _virtual(folder / "other.h5"),
        "external storage": _stored_outside(secret),
        "plugin filter": _filtered,
        "huge rows": lambda file: _replaced(
            file, "features/raw", shape=(HUGE_ROWS, 6), dtype="<f4", chunks=(1024, 6)
        ),
        "huge width": lambda file: _replaced(
            file, "features/raw", shape=(_rows(file), HUGE_ROWS), dtype="<f4", chunks=(1, 1 << 20)
        ),
        "huge ids": lambda file: _replaced(
            file, "id", shape=(HUGE_ROWS,), dtype=h5py.string_dtype("utf-8", 9), chunks=(1024,)
        ),
        "huge letters": lambda file: _replaced(
            file, "speaker", shape=(_rows(file),), dtype=h5py.string_dtype("utf-8", 1 << 30)
        ),
        "huge words": lambda file: _replaced(
            file, "words/utf8", shape=(HUGE_ROWS,), dtype="u1", chunks=(1 << 16,)
        ),
        "huge column": lambda file: _replaced(
            file, "columns/x", shape=(HUGE_ROWS,), dtype="<i8", chunks=(1 << 16,)
        ),
        "zip bomb": _bomb,
        "vectors are text": lambda file: _put(file, "features/raw", np.array([b"x"] * _rows(file))),
        "vectors of one axis": lambda file: _put(file, "features/raw", np.ones(_rows(file), "<f4")),
        "vectors of three axes": lambda file: _put(file, "features/raw", np.ones((_rows(file), 2, 3), "<f4")),
        "one vector": lambda file: _put(file, "features/raw", np.float32(1)),
        "vectors of too few rows": lambda file: _put(file, "features/raw", np.ones((2, 6), "<f4")),
        "vectors are a group": lambda file: _grouped(file, "features/raw"),
        "vectors are references": lambda file: _put(
            file, "features/raw", np.array([[file.ref]] * _rows(file), dtype=h5py.ref_dtype)
        ),
        "vectors are records": lambda file: _put(
            file, "features/raw", np.zeros((_rows(file), 2), dtype=[("a", "<f4"), ("b", "<i8")])
        ),
        "vectors are not numbers": lambda file: _put(
            file, "features/raw", np.full((_rows(file), 6), np.nan, "<f4")
        ),
        "ids are numbers": lambda file: _put(file, "id", np.arange(_rows(file))),
        "ids of any length": lambda file: _put(
            file, "id", np.array([f"a{k}" for k in range(_rows(file))], dtype=object)
        ),
        "ids are a group": lambda file: _grouped(file, "id"),
        "ids of two axes": lambda file: _put(file, "id", np.array([[b"a"]] * _rows(file))),
        "ids twice": lambda file: _put(file, "id", np.array([b"a"] * _rows(file))),
        "ids are no UTF-8": lambda file: _put(
            file, "id", np.array([bytes([200, k % 7 + 1]) + b"%d" % k for k in range(_rows(file))])
        ),
        "turns are text": lambda file: _put(file, "turn", np.array([b"x"] * _rows(file))),
        "turns are not whole": lambda file: _put(file, "turn", np.full(_rows(file), np.nan)),
        "times are text": lambda file: _put(file, "start_seconds", np.array([b"x"] * _rows(file))),
        "a status that is none": lambda file: _put(file, "status", np.array([b"excellent"] * _rows(file))),
        "ends of words that go back": lambda file: _put(file, "words/ends", np.full(_rows(file), -5)),
        "ends of words that are huge": lambda file: _put(file, "words/ends", np.full(_rows(file), 2**62)),
        "columns are no group": lambda file: _put(file, "columns", np.arange(3)),
        "a column is a group": lambda file: _grouped(file, "columns/x"),
        "no attributes": lambda file: [file.attrs.pop(name) for name in list(file.attrs)],
        "labels are a number": lambda file: file.attrs.__setitem__("labels", 7),
        "labels are numbers": lambda file: file.attrs.__setitem__("labels", "[1, 2, 3]"),
        "labels are nested": lambda file: _long_attribute(file, "labels", "[" * 60_000),
        "settings are a list": lambda file: file.attrs.__setitem__("settings", "[1]"),
        "reduction is a word": lambda file: file.attrs.__setitem__("reduction", '"x"'),
        "corpus is an array": lambda file: file.attrs.__setitem__("corpus", np.arange(4)),
        "version is a word": lambda file: file.attrs.__setitem__("schema_version", "one"),
        "version is huge": lambda file: file.attrs.__setitem__("schema_version", 2**63 - 1),
        "modality is another": lambda file: file.attrs.__setitem__("modality", "smell"),
        "a head without weights": lambda file: file.create_group("head"),
        "a head that is a number": lambda file: _put(file, "head", np.float32(1)),
        "a head of text": lambda file: [
            _put(file, f"head/{name}", np.array([b"x"])) for name in ("weight", "bias")
        ],
        "a group within itself": _circular,
    }


def _rows(file: h5py.File) -> int:
    return int(file["turn"].shape[0])


def _put(file: h5py.File, name: str, values: object) -> None:
    if name in file:
        del file[name]
    file[name] = values


def _replaced(file: h5py.File, name: str, **options: object) -> None:
    if name in file:
        del file[name]
    file.create_dataset(name, **options)


def _grouped(file: h5py.File, name: str) -> None:
    if name in file:
        del file[name]
    file.create_group(name)


def _linked(name: str, link: object) -> Change:
    return lambda file: _put(file, name, link)


def _virtual(other: Path) -> Change:
    def change(file: h5py.File) -> None:
        rows = _rows(file)
        layout = h5py.VirtualLayout(shape=(rows, 6), dtype="<f4")
        layout[:] = h5py.VirtualSource(str(other), "vectors", shape=(500, 6))[:rows]
        del file["features/raw"]
        file.create_virtual_dataset("features/raw", layout)

    return change


def _stored_outside(secret: Path) -> Change:
    def change(file: h5py.File) -> None:
        rows = _rows(file)
        _replaced(file, "features/raw", shape=(rows, 6), dtype="<f4", external=[(str(secret), 0, rows * 24)])

    return change


def _filtered(file: h5py.File) -> None:
    """Gzip's number in the file is made that of a filter which a library would be loaded for."""
    rows, path = _rows(file), Path(file.filename)
    _replaced(
        file,
        "features/raw",
        shape=(rows, 6),
        dtype="<f4",
        data=np.ones((rows, 6), "<f4"),
        chunks=(rows, 6),
        compression="gzip",
    )
    plist = file["features/raw"].id.get_create_plist()
    assert plist.get_nfilters() == 1
    file.close()
    content = path.read_bytes()
    old = b"\x01\x00\x08\x00\x01\x00\x01\x00deflate\x00"
    if old in content:
        path.write_bytes(content.replace(old, PLUGIN.to_bytes(2, "little") + old[2:]))


def _bomb(file: h5py.File) -> None:
    _replaced(
        file, "features/raw", shape=(1 << 24, 40), dtype="<f4", chunks=(1 << 16, 40), compression="gzip"
    )
    for start in range(0, 1 << 20, 1 << 16):
        file["features/raw"][start : start + (1 << 16)] = np.ones((1 << 16, 40), "<f4")


def _long_attribute(file: h5py.File, name: str, value: str) -> None:
    del file.attrs[name]
    file.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", len(value)))


def _circular(file: h5py.File) -> None:
    for name in ("features", "columns", "words"):
        file[name]["above"] = file["/"]
        file[name]["itself"] = file[name]
