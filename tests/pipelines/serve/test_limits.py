"""Limits are told in words that people use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.serve.command import ServeOrder
from pipelines.serve.limits import Limits, length_told, size_told
from pipelines.serve.run import limits_of


@pytest.mark.parametrize(
    ("size", "told"),
    [(1, "1 kB"), (1499, "1 kB"), (250_000, "250 kB"), (5_000_000, "5 MB"), (1_234_567_890, "1,234.6 MB")],
)
def test_sizes(size: int, told: str) -> None:
    assert size_told(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(2.0, "2 seconds"), (1.04, "1 second"), (60.0, "1 minute"), (90.0, "1.5 minutes")]
)
def test_lengths(seconds: float, told: str) -> None:
    assert length_told(seconds) == told


def test_the_options_are_the_limits_and_their_defaults_agree() -> None:
    assert limits_of(ServeOrder(run=Path("run"))) == Limits()
    given = limits_of(ServeOrder(run=Path("run"), most_megabytes=2, most_minutes=1.5, most_waiting=0))
    assert (given.most_bytes, given.most_seconds, given.most_waiting) == (2_000_000, 90.0, 0)
    assert (given.most_lines, given.work_seconds) == (90, 1500.0)
