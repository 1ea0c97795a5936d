"""What `summer-train` shows of an epoch, in a log that is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.train.display import training_display
from summer.training.history import EpochRecord


@pytest.mark.parametrize(
    ("epoch", "losses", "line"),
    [
        (0, {}, "seed 3 student, epoch 0: dev w-F1 0.500"),
        (1, {"total": 1.25}, "seed 3 student, epoch 1: loss 1.250, dev w-F1 0.500"),
    ],
)
def test_an_epoch_has_a_line_the_start_one_without_a_loss(
    epoch: int, losses: Mapping[str, float], line: str, tmp_path: Path
) -> None:
    out = StringIO()
    record = EpochRecord(
        epoch=epoch, losses=losses, learning_rate=0.1, selected_on="dev", loss=1.0, w_f1=0.5, drawn={}
    )
    with training_display(Console(file=out), tmp_path, 3, lambda: False) as watch:
        watch.on_epoch("student", record)
    assert line in out.getvalue().splitlines()
