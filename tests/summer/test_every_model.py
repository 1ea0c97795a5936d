"""Every model that is known by name keeps every promise of the battery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from summer.training.models import known_models
from tests.summer.battery import BATTERY


@pytest.mark.parametrize("name", known_models())
@pytest.mark.parametrize("promise", BATTERY, ids=lambda promise: promise.__name__)
def test_every_model_keeps_it(promise: Callable[[str, Path], None], name: str, tmp_path: Path) -> None:
    promise(name, tmp_path)
