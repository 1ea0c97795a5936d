"""Every model that is known by name keeps every promise of the battery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from summer.training.models import SUMMER, known_models
from tests.summer.battery import BATTERY, BATTERY_OF_TRAINED, TRAINED_RIVALS

TRAINED = [*SUMMER, *TRAINED_RIVALS]


@pytest.mark.parametrize("name", known_models())
@pytest.mark.parametrize("promise", BATTERY, ids=lambda promise: promise.__name__)
def test_every_model_keeps_it(promise: Callable[[str, Path], None], name: str, tmp_path: Path) -> None:
    promise(name, tmp_path)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("promise", BATTERY_OF_TRAINED, ids=lambda promise: promise.__name__)
def test_every_model_that_is_trained_keeps_it(
    promise: Callable[[str, Path], None], name: str, tmp_path: Path
) -> None:
    promise(name, tmp_path)
