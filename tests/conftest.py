"""What all tests share: shapes checked while they run, and the folder of real input where it is present."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small networks lose time to idle threads

import pytest
from jaxtyping import install_import_hook

from tests.places import SHARED

install_import_hook(["summer", "extraction"], "beartype.beartype")  # before any test imports the packages


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and clips; the test is skipped where it is absent."""
    folder = SHARED
    if not folder.is_dir():
        pytest.skip(f"no real input: {folder} is absent (set SUMMER_SHARED to its place)")
    return folder
