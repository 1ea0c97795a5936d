"""Reducers on disk: the same reducer comes back, and nothing else is taken for one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from summer.reduction import ReductionError, fit_reducer, load_reducer
from summer.reduction.fitted import Fitted
from tests.places import REPOSITORY
from tests.summer.reduction.made_rows import LABELS, made_rows

FITTED = Fitted(
    method="pca",
    width=2,
    raw_dim=3,
    facts={"seed": "0", "fitted_rows": "7"},
    arrays={
        "centre": np.zeros(3),
        "spread": np.ones(3),
        "mean": np.zeros(3, dtype=np.float32),
        "components": np.eye(2, 3, dtype=np.float32).T.copy().T,  # not contiguous: order must not matter
    },
)


def test_a_loaded_pca_reduces_to_the_same_bytes(tmp_path: Path) -> None:
    rows = made_rows()
    reducer = fit_reducer("pca", rows, labels=LABELS, width=4, seed=0)
    reducer.save(tmp_path / "deep" / "pca.safetensors")
    loaded = load_reducer(tmp_path / "deep" / "pca.safetensors")
    assert loaded.description == reducer.description
    assert loaded.width == 4
    for reduced in (reducer, loaded):
        assert reduced.fingerprint == reducer.fingerprint
    np.testing.assert_array_equal(loaded.apply(rows), reducer.apply(rows))


def test_the_fingerprint_moves_with_everything_that_the_file_holds() -> None:
    other_arrays = {**FITTED.arrays, "mean": np.array([0, 0, 1e-7], dtype=np.float32)}
    same = {"method": "pca", "width": 2, "raw_dim": 3, "facts": FITTED.facts, "arrays": FITTED.arrays}
    changes = [
        {"method": "other"},
        {"width": 3},
        {"raw_dim": 4},
        {"facts": {"seed": "1", "fitted_rows": "7"}},
        {"arrays": other_arrays},
    ]
    assert Fitted(**same).fingerprint == FITTED.fingerprint
    fingerprints = {Fitted(**{**same, **change}).fingerprint for change in changes}
    assert len(fingerprints | {FITTED.fingerprint}) == 6


def test_equal_reducers_give_equal_bytes_in_every_process(tmp_path: Path) -> None:
    FITTED.write(tmp_path / "here")
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.summer.reduction.test_fitted import FITTED\n"
        "FITTED.write(Path(sys.argv[1]))"
    )
    root = REPOSITORY
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there")], check=True, cwd=root)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


def test_a_changed_bit_and_a_cut_file_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "reducer"
    FITTED.write(path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ReductionError, match="is damaged"):
        load_reducer(path)
    for kept in (0, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(ReductionError, match="cannot be read as a reducer"):
            load_reducer(path)


def test_what_is_no_reducer_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ReductionError, match="there is no reducer at .*absent"):
        load_reducer(tmp_path / "absent")
    save_file({"weights": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(ReductionError, match="foreign cannot be read as a reducer"):
        load_reducer(tmp_path / "foreign")


def test_a_reducer_of_another_method_or_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reducer"
    Fitted(method="nmf", width=2, raw_dim=3, facts={}, arrays={}).write(path)
    with pytest.raises(ReductionError, match="method 'nmf', not one of pca, dialogue-rnn"):
        load_reducer(path)
    monkeypatch.setattr("summer.reduction.fitted.FORMAT_VERSION", 2)
    with pytest.raises(ReductionError, match="has format 1, this program reads 2"):
        load_reducer(path)
