"""`summer-data import` as a user types it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipelines.data.command import app
from summer.corpus import Modality, Split
from summer.store import FeatureStore
from tests.summer.store.imports.small_store import IDS, write_small_store


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, words)])


@pytest.fixture
def like(tmp_path: Path) -> Path:
    return write_small_store(tmp_path / "stores" / "text.h5")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prosody.csv"
    path.write_text(f"id,pitch,rate\n{IDS[0]},1,2\n{IDS[1]},3,\n{IDS[3]},5,6\n", "utf-8")
    return path


@pytest.fixture
def exported(like: Path, tmp_path: Path) -> Path:
    write_small_store(like.with_name("video.h5"), Modality.VIDEO)
    stores = [str(like), str(like.with_name("video.h5"))]
    path = tmp_path / "features.pkl"
    result = CliRunner().invoke(app, ["export", *stores, "--format", "pickle", "--out", str(path)])
    assert result.exit_code == 0, result.output
    return path


def test_a_table_becomes_a_store_beside_the_other_and_the_report_counts_its_rows(
    table: Path, like: Path
) -> None:
    result = typed(table, "--modality", "audio", "--like", like)
    assert result.exit_code == 0, result.output
    written = like.with_name("audio.h5")
    assert f"wrote {written}: audio of meld, 2 wide" in result.output
    assert "4 rows (2 train, 1 dev, 1 test): 2 ok, 2 missing" in result.output
    assert "1: no value of rate in prosody.csv" in result.output
    assert f"next: summer-data info {written} --failed" in result.output
    with FeatureStore(written) as store:
        assert store.features().tolist() == [[1, 2], [0, 0], [0, 0], [5, 6]]
    shown = CliRunner().invoke(app, ["info", str(written), "--failed"])
    assert "train/dia0_utt1  missing: no value of rate in prosody.csv" in shown.output


def test_a_store_that_is_there_is_replaced_only_on_demand(table: Path, like: Path) -> None:
    words = (table, "--modality", "audio", "--like", like, "--columns", "pitch")
    assert typed(table, "--modality", "audio", "--like", like).exit_code == 0
    before = like.with_name("audio.h5").read_bytes()
    refused = typed(*words)
    assert refused.exit_code == 2
    assert "is there already; give another --out, or --overwrite" in refused.output
    assert like.with_name("audio.h5").read_bytes() == before
    assert typed(*words, "--overwrite").exit_code == 0
    with FeatureStore(like.with_name("audio.h5")) as store:
        assert store.header.dim == 1


def test_the_store_that_says_what_there_is_is_never_replaced(table: Path, like: Path) -> None:
    before = like.read_bytes()
    refused = typed(table, "--modality", "text", "--like", like, "--overwrite")
    assert refused.exit_code == 2
    assert "is the store that --like names" in refused.output
    assert like.read_bytes() == before


def test_an_npz_goes_to_the_named_file(like: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", **{IDS[0]: np.ones(3)})
    out = tmp_path / "elsewhere" / "faces.h5"
    assert typed(tmp_path / "faces.npz", "--modality", "video", "--like", like, "--out", out).exit_code == 0
    with FeatureStore(out) as store:
        assert store.header.modality is Modality.VIDEO
        assert store.rows.usable.tolist() == [True, False, False, False]


def test_a_pickle_becomes_one_store_per_modality(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "imported"
    result = typed(exported, "--layout", "mmgcn", "--corpus", "meld", "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["text.h5", "video.h5"]
    assert result.output.count("3 ok, 1 missing") == 2
    only = typed(
        exported, "--layout", "mmgcn", "--corpus", "meld", "--modality", "video", "--out", tmp_path / "v"
    )
    assert only.exit_code == 0, only.output
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["video.h5"]


def test_dev_is_named_by_a_file_and_its_absence_is_said(exported: Path, tmp_path: Path) -> None:
    content = pickle.loads(exported.read_bytes())
    (tmp_path / "nine.pickle").write_bytes(pickle.dumps(content[:9]))
    words = (tmp_path / "nine.pickle", "--layout", "dialoguernn-iemocap", "--corpus", "meld", "--out")
    assert "note: there is no dev split; " in typed(*words, tmp_path / "a").output
    (tmp_path / "dev.txt").write_text("dev/0\n\n", "utf-8")
    result = typed(*words, tmp_path / "b", "--dev-dialogues", tmp_path / "dev.txt")
    assert "note" not in result.output
    with FeatureStore(tmp_path / "b" / "text.h5") as store:
        assert [u.split for u in store.rows.utterances] == [Split.TRAIN, Split.TRAIN, Split.DEV, Split.TEST]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{csv}"], "give --modality text|audio|video and --like"),
        (["{csv}", "--modality", "smell", "--like", "{like}"], "modality 'smell' is not one of"),
        (["{csv}", "--modality", "audio", "--like", "{csv}"], "cannot be read as HDF5"),
        (["{csv}", "--layout", "mmgcn"], "--layout belongs to pickle, the file is read as csv"),
        (["{csv}", "--format", "tsv"], "format 'tsv' is not one of csv, npz, pickle"),
        (["{csv}", "--format", "pickle"], "give --layout"),
        (["{csv}", "--format", "pickle", "--layout", "mmgcn"], "give --corpus meld or iemocap"),
        (["{csv}", "--format", "pickle", "--layout", "cosmic-meld"], "empty, truncated or not a pickle"),
        (["{csv}", "--format", "npz", "--modality", "audio", "--like", "{like}"], "cannot be read as npz"),
        (["{like}", "--modality", "audio"], "format '.h5' is not one of"),
        (
            ["{pkl}", "--layout", "mmgcn", "--corpus", "meld", "--out", "x.h5"],
            "a pickle may hold more than one modality",
        ),
        (
            ["{pkl}", "--layout", "mmgcn", "--corpus", "meld", "--like", "{like}"],
            "--like belongs to csv and npz",
        ),
        (["{pkl}", "--layout", "sdt", "--corpus", "meld"], "a tuple of 10, layout sdt has 12 or 13"),
        (["{pkl}", "--layout", "sdt", "--corpus", "meld", "--text-layers", "last"], "'last' is not one of"),
        (
            ["{pkl}", "--layout", "mmgcn", "--corpus", "meld", "--dev-dialogues", "{none}"],
            "correct --dev-dialogues",
        ),
        (
            [
                "{csv}",
                "--modality",
                "audio",
                "--like",
                "{like}",
                "--id-column",
                "id",
                "--id-template",
                "{{id}}",
            ],
            "give one",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    words: list[str], told: str, table: Path, like: Path, exported: Path, tmp_path: Path
) -> None:
    names = {"csv": table, "like": like, "pkl": exported, "none": tmp_path / "none.txt"}
    result = typed(*(word.format(**names) for word in words))
    assert result.exit_code == 2
    assert told in result.output
    assert result.output.startswith("error: ")
    assert result.output.count("\n") == 1
    assert not like.with_name("audio.h5").exists()


def test_help_loads_neither_numpy_nor_torch() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from pipelines.data.command import app; "
        "assert '--layout' in CliRunner().invoke(app, ['import', '--help']).output; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'h5py', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
