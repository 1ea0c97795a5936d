"""What a fitted reducer is on disk: named arrays and facts in one safetensors file, no pickle.

The fingerprint is a sha256 over all of it: whenever reduced vectors would change, it does. It is stored in
the file as well, so that a damaged file is found out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from summer.durable import json_of, write_aside
from summer.reduction.rows import ReductionError

FORMAT_VERSION = 1
METADATA_KEY = "reducer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """All that a fitted reducer knows.

    Args:
        width: of the reduced vectors.
        facts: what it was fitted on and how, to be read by people; enough to rebuild it with `arrays`.
        arrays: float32 and float64 numbers by name.
    """

    method: str
    width: int
    raw_dim: int
    facts: Mapping[str, str]
    arrays: Mapping[str, NDArray[Any]]
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        object.__setattr__(self, "fingerprint", digest.hexdigest())  # frozen: the one way to set it

    @property
    def description(self) -> dict[str, str]:
        """Method, width, fingerprint and facts as text: what a store keeps of its reduction."""
        return {
            "method": self.method,
            "width": str(self.width),
            "fingerprint": self.fingerprint,
            **self.facts,
        }

    def write(self, path: Path) -> None:
        """Write the file aside and rename it to `path`; equal reducers give equal bytes.

        Raises:
            DiskError: disk full, or the folder cannot be written; no partial file is left in place.
        """
        header = json.dumps({**self._header(), "fingerprint": self.fingerprint}, sort_keys=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        # One metadata entry: safetensors writes several in no fixed order.
        write_aside(path, save(arrays, metadata={METADATA_KEY: header}))

    def check_raw_dim(self, raw_dim: int) -> None:
        """Check that rows are as wide as those it was fitted on.

        Raises:
            ReductionError: they are not.
        """
        if raw_dim != self.raw_dim:
            raise ReductionError(
                f"features are {raw_dim} wide, the reducer was fitted on {self.raw_dim}; "
                "fit one on this store"
            )

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "method": self.method,
            "width": self.width,
            "raw_dim": self.raw_dim,
            "facts": dict(self.facts),
        }


class FittedReducer:
    """What every kind of reducer has in common: it is named, described and saved by what it was fitted to."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    @property
    def width(self) -> int:
        """Width of the reduced vectors."""
        return self._fitted.width

    @property
    def fingerprint(self) -> str:
        """sha256 over method, facts and numbers."""
        return self._fitted.fingerprint

    @property
    def description(self) -> Mapping[str, str]:
        """Method, width, fingerprint and what it was fitted on, as text."""
        return self._fitted.description

    def save(self, path: Path) -> None:
        """Write one safetensors file, aside and renamed into place.

        Raises:
            DiskError: disk full, or the folder cannot be written; no partial file is left in place.
        """
        self._fitted.write(path)


def read_fitted(path: Path) -> Fitted:
    """Read what `Fitted.write` wrote.

    Raises:
        ReductionError: the file is absent, no reducer, damaged, or of another format version.
    """
    if not path.is_file():
        raise ReductionError(f"there is no reducer at {path}; fit one by reducing the store again")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json_of((file.metadata() or {})[METADATA_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        version = header["format"]
        if version == FORMAT_VERSION:
            fitted = Fitted(
                method=header["method"],
                width=header["width"],
                raw_dim=header["raw_dim"],
                facts=dict(header["facts"]),
                arrays=arrays,
            )
    except (SafetensorError, KeyError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ReductionError(
            f"{path} cannot be read as a reducer ({error}); delete it and reduce the store again"
        ) from error
    if version != FORMAT_VERSION:
        raise ReductionError(
            f"{path} has format {version}, this program reads {FORMAT_VERSION}; reduce the store again"
        )
    if fitted.fingerprint != header.get("fingerprint"):
        raise ReductionError(f"{path} is damaged: its fingerprint does not fit; delete it and reduce again")
    return fitted
