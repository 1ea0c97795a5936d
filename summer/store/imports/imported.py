"""A store as it was imported: header, rows, vectors, and what ought to be said of it.

The fingerprint of an imported store is the sha256 over the file's sha256 and every option that changes rows
or vectors; the settings name the file for people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.store.hdf5 import new_store
from summer.store.rows import Header, Rows

MOST_NAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedStore:
    """A feature store that is not written yet.

    Args:
        vectors: (rows, dim) float32; zeros where a row's status is not ok.
        notes: what the user should know, one sentence each.
    """

    header: Header
    rows: Rows
    vectors: NDArray[np.float32]
    notes: tuple[str, ...] = ()


def write_store(store: ImportedStore, path: Path) -> None:
    """Put the store at `path` by one rename.

    Raises:
        DiskError: disk full, or the folder cannot be written; nothing is left behind.
    """
    with new_store(path, store.header, store.rows) as writer:
        writer.write_raw(0, store.vectors)


def sha256_of(content: object) -> str:
    """Hexadecimal sha256 of anything that JSON can write."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fingerprint_of(settings: Mapping[str, str]) -> str:
    """sha256 over an importer's settings; the source's name is left out, its content's sha256 is not."""
    return sha256_of({name: value for name, value in settings.items() if name != "source"})


def named(names: list[str]) -> str:
    """`a, b, c, d and 7 more`."""
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"
