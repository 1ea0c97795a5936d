"""`summer-data faces` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.data.command import app
from summer.corpus import Status
from tests.extraction.video.sheet.made_up_faces import Row, write_faces

ROWS = (Row(name="train/0"), Row(name="train/1", status=Status.MISSING, reason="no file"))


@pytest.mark.parametrize("ending", ["html", "png"])
def test_it_says_where_the_sheet_is_and_what_it_shows(tmp_path: Path, ending: str) -> None:
    store, out = write_faces(tmp_path, ROWS, by_speaker=False), tmp_path / "new" / f"sheet.{ending}"
    result = CliRunner().invoke(app, ["faces", str(store), "--out", str(out), "--most", "1"])
    assert result.exit_code == 0, result.output
    assert f"wrote {out}: 2 rows: 1 ok, 0 ok with a remark, 1 not ok" in result.output
    assert "1 of 2 rows are shown, evenly taken over the corpus." in result.output
    assert out.is_file()


def test_every_option_arrives(tmp_path: Path) -> None:
    store, out = write_faces(tmp_path, ROWS, by_speaker=False), tmp_path / "sheet.html"
    words = ["--crops", str(tmp_path / "gone"), "--speaker", "Ann", "--only", "failed"]
    result = CliRunner().invoke(app, ["faces", str(store), "--out", str(out), *words])
    assert result.exit_code == 0, result.output
    shown = out.read_text("utf-8")
    assert "of Ann, only rows not ok" in shown
    assert "train/1" in shown
    assert "train/0" not in shown
    refused = CliRunner().invoke(app, ["faces", str(store), "--out", str(out), *words[:2]])
    assert refused.exit_code == 2
    assert f"{tmp_path / 'gone'} has no crops of these rows" in refused.output
