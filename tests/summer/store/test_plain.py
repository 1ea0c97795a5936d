"""A store that is no plain data is refused before a number is read: links, other storage, filters, holes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from summer.store import FeatureStore, StoreError
from tests.summer.store.imports.small_store import write_small_store

RAW = "features/raw"


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Path:
    return write_small_store(tmp_path / "text.h5")


def refused(store: Path, change: Callable[[h5py.File], object], *, says: str) -> None:
    with h5py.File(store, "r+") as file:
        change(file)
    with pytest.raises(StoreError, match=says) as raised:
        FeatureStore(store)
    assert store.name in str(raised.value)


def replaced(name: str, **options: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


def linked(name: str, link: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return change


def test_links_that_lead_elsewhere_are_refused(store: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["vectors"] = np.ones((4, 3), "<f4")
    refused(store, linked(RAW, h5py.ExternalLink("other.h5", "/vectors")), says=r"/features/raw is a link")


def test_a_link_to_itself_is_refused(store: Path) -> None:
    refused(store, linked("id", h5py.SoftLink("/id")), says="/id is a link")


def test_numbers_out_of_another_file_are_refused(store: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(48))
    outside = replaced(RAW, shape=(4, 3), dtype="<f4", external=[(str(secret), 0, 48)])
    refused(store, outside, says="taken out of other files")


def test_a_virtual_dataset_is_refused(store: Path, tmp_path: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4, 3), dtype="<f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "vectors", shape=(4, 3))

    def change(file: h5py.File) -> None:
        del file[RAW]
        file.create_virtual_dataset(RAW, layout)

    refused(store, change, says="taken out of other files")


def test_a_filter_is_refused_with_the_way_to_write_it_anew(store: Path) -> None:
    packed = replaced(RAW, data=np.ones((4, 3), "<f4"), chunks=(4, 3), compression="gzip")
    refused(store, packed, says="h5repack --filter=NONE")


@pytest.mark.parametrize("name", [RAW, "id", "words/utf8"])
def test_what_is_declared_and_not_there_is_refused(store: Path, name: str) -> None:
    dtype = {RAW: "<f4", "id": "S9", "words/utf8": "u1"}[name]
    shape = (1 << 40, 3) if name == RAW else (1 << 40,)
    refused(store, replaced(name, shape=shape, dtype=dtype, chunks=True), says="bytes and holds 0")


def test_a_group_within_itself_is_refused(store: Path) -> None:
    refused(store, linked("columns", h5py.SoftLink("/")), says="/columns is a link")

    def within(file: h5py.File) -> None:
        del file["columns"]
        file["columns"] = file["/"]

    refused(store, within, says="/columns is within itself")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replaced("turn", data=np.array([b"x"] * 4)), "its turns are"),
        (replaced("id", data=np.array(["a", "b", "c", "d"], dtype=object)), "text of fixed length"),
        (replaced(RAW, data=np.ones(4, "<f4")), "not a feature store"),
        (replaced(RAW, data=np.ones((2, 3), "<f4")), r"\(2, 3\) float32 of 4 rows"),
        (lambda file: file.attrs.__setitem__("labels", "[1, 2]"), "not words"),
        (lambda file: file.attrs.__setitem__("labels", 7), "its labels is a int64, not text"),
        (lambda file: file.attrs.__setitem__("settings", "[1]"), "a list of JSON, not a dict"),
        (lambda file: file.attrs.__setitem__("settings", "[" * 30_000), "nested too deeply"),
    ],
)
def test_other_types_are_refused(store: Path, change: Callable[[h5py.File], object], says: str) -> None:
    refused(store, change, says=says)
