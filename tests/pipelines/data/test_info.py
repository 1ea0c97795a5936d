"""`summer-data info`: what a store holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.data.command import app
from summer.corpus import Modality
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable, with_head


def test_it_says_how_many_utterances_are_context(tmp_path: Path) -> None:
    made = made_learnable()
    utterances = [replace(u, label="") if u.id == "dev/dia0_utt1" else u for u in made.utterances]
    path = write_store(tmp_path / "text.h5", replace(made, utterances=tuple(utterances)), Modality.TEXT)
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert "train: 21 utterances: 21 ok" in shown.output
    assert "dev: 9 utterances, 1 of them context without a label: 9 ok" in shown.output


@pytest.mark.parametrize("has_head", [True, False])
def test_it_says_whether_there_is_a_head(has_head: bool, tmp_path: Path) -> None:
    made = made_learnable()
    path = write_store(tmp_path / "text.h5", with_head(made) if has_head else made, Modality.TEXT)
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert shown.exit_code == 0, shown.output
    assert ("the encoder's own, 3 classes over the raw vectors" in shown.output) is has_head
