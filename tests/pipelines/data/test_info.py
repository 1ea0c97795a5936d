"""`summer-data info`: what a store holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.data.command import app
from summer.corpus import Modality, Split
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable, with_head


def test_it_says_how_many_utterances_are_context(tmp_path: Path) -> None:
    made = made_learnable()
    utterances = [replace(u, label="") if u.id == "dev/dia0_utt1" else u for u in made.utterances]
    path = write_store(tmp_path / "text.h5", replace(made, utterances=tuple(utterances)), Modality.TEXT)
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert "train: 21 utterances: 21 ok" in shown.output
    assert "dev: 9 utterances, 1 of them context without a label: 9 ok" in shown.output


def test_it_counts_the_labels_of_each_split_those_without_a_row_too(tmp_path: Path) -> None:
    made = made_learnable()
    names = ["joy" if u.split is Split.TRAIN else "anger" for u in made.utterances]
    utterances = [replace(u, label=name) for u, name in zip(made.utterances, names, strict=True)]
    path = write_store(tmp_path / "text.h5", replace(made, utterances=tuple(utterances)), Modality.TEXT)
    lines = CliRunner().invoke(app, ["info", str(path)]).output.splitlines()
    below = {line.partition(":")[0]: lines[k + 1] for k, line in enumerate(lines) if " utterances: " in line}
    assert below["train"] == "  0 neutral, 21 joy, 0 anger"
    assert below["dev"] == "  0 neutral, 0 joy, 9 anger"


def test_it_names_the_encoder_that_a_tuned_one_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "text.encoder-0123456789ab"
    folder.mkdir()
    record = {"tuned_from": "ibm-granite/granite-embedding-30m-english"}
    (folder / "tuning.json").write_text(json.dumps(record), encoding="utf-8")
    assets = {"encoder": folder.name}
    path = write_store(tmp_path / "text.h5", made_learnable(), Modality.TEXT, assets=assets)
    shown = CliRunner().invoke(app, ["info", str(path)]).output
    assert re.search(r"tuned from +│ ibm-granite/granite-embedding-30m-english ", shown)
    (folder / "tuning.json").unlink()
    assert "tuned from" not in CliRunner().invoke(app, ["info", str(path)]).output


def test_no_cell_is_cut_short(tmp_path: Path) -> None:
    fingerprint = "0123456789abcdef" * 4
    path = write_store(tmp_path / "text.h5", made_learnable(), Modality.TEXT, fingerprint=fingerprint)
    lines = CliRunner().invoke(app, ["info", str(path)]).output.splitlines()
    cells = [line.split("│")[2].strip() for line in lines if line.count("│") == 3]
    assert fingerprint in "".join(cells)


@pytest.mark.parametrize("has_head", [True, False])
def test_it_says_whether_there_is_a_head(has_head: bool, tmp_path: Path) -> None:
    made = made_learnable()
    path = write_store(tmp_path / "text.h5", with_head(made) if has_head else made, Modality.TEXT)
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert shown.exit_code == 0, shown.output
    assert ("the encoder's own, 3 classes over the raw vectors" in shown.output) is has_head
