"""`summer-data export`: a file that is there is not written over unless that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipelines.data.command import app
from summer.corpus import Modality
from summer.store import FeatureStore
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "audio.h5", made_learnable(), Modality.AUDIO)


def exported(store: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["export", str(store), "--out", str(out), *more])


def test_a_file_that_is_there_is_kept_and_the_refusal_names_the_remedy(store: Path) -> None:
    out = store.with_name("mine.npz")
    out.write_bytes(b"years of work")
    refused = exported(store, out)
    assert refused.exit_code == 2
    assert f"{out} is there already; give another --out, or --overwrite to replace it" in refused.output
    assert out.read_bytes() == b"years of work"
    assert exported(store, out, "--overwrite").exit_code == 0
    with np.load(out, allow_pickle=False) as arrays, FeatureStore(store) as read:
        np.testing.assert_array_equal(arrays["raw"], read.features("raw"))


def test_the_store_that_is_exported_is_never_written_over(store: Path) -> None:
    before = store.read_bytes()
    refused = exported(store, store, "--overwrite")
    assert refused.exit_code == 2
    assert "is one of the stores that are exported" in refused.output
    assert store.read_bytes() == before
