"""`summer-extract` as a user types it: what it prints, how it exits, what a mistake says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from pipelines.data.command import app as data_app
from pipelines.extract.command import app
from summer.corpus import Split
from summer.reduction import out_of_fold
from summer.store import FeatureStore
from tests.places import DEMO


def typed(*arguments: str | Path, modality: str = "audio") -> Result:
    words = [*map(str, arguments), "--modality", modality, "--workers", "0"]
    return CliRunner().invoke(app, words)


def data(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data_app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def demo_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stores")
    result = typed("--dataset", "demo", "--root", DEMO, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_the_demo_corpus_is_extracted_and_its_troubles_are_named(demo_audio: Path) -> None:
    with FeatureStore(demo_audio / "demo" / "audio.h5") as store:
        assert store.header.complete
        assert store.header.dim == 6373
        assert store.reduced_width == 32
        statuses = {status.value for status in store.rows.statuses}
        assert {"ok", "corrupt", "missing", "no_audio"} <= statuses
        assert all(reason for reason, ok in zip(store.rows.reasons, store.rows.usable, strict=True) if not ok)
        assert np.isfinite(store.features("reduced")).all()
        assert store.features("raw")[store.rows.usable].any(axis=1).all()
        assert not store.features("raw")[~store.rows.usable].any()


def test_a_second_run_does_nothing_and_says_so(demo_audio: Path) -> None:
    result = typed("--dataset", "demo", "--root", DEMO, "--out", demo_audio)
    assert result.exit_code == 0
    assert "nothing to do" in result.output


def test_a_dry_run_writes_nothing_and_tells_the_settings(tmp_path: Path) -> None:
    result = typed("--dataset", "demo", "--root", DEMO, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "would extract" in result.output
    assert "ComParE_2016" in result.output
    assert not (tmp_path / "out").exists()


def test_info_diff_and_export_read_the_store(demo_audio: Path, tmp_path: Path) -> None:
    store = demo_audio / "demo" / "audio.h5"
    shown = data("info", store, "--failed")
    assert shown.exit_code == 0
    assert "6373 wide" in shown.output
    assert re.search(r"words +│ kept", shown.output)
    assert re.search(r"assets +│ reducer audio\.reducer\.safetensors", shown.output)
    assert "corrupt" in shown.output
    same = data("diff", store, store)
    assert (same.exit_code, same.output) == (0, "the stores hold the same\n")
    exported = data("export", store, "--format", "npz", "--out", tmp_path / "audio.npz")
    assert exported.exit_code == 0
    with np.load(tmp_path / "audio.npz", allow_pickle=False) as arrays:
        assert arrays["raw"].shape[1] == 6373


def test_other_settings_on_a_finished_store_are_refused(demo_audio: Path) -> None:
    result = typed(
        *("--dataset", "demo", "--root", DEMO, "--out", demo_audio, "-o", "corpus.test_clips=plain")
    )
    assert result.exit_code == 2
    assert "corrected" in result.output
    assert "--overwrite" in result.output


def test_a_narrower_reduction_needs_no_new_extraction(demo_audio: Path) -> None:
    arguments = ("--dataset", "demo", "--root", DEMO, "--out", demo_audio)
    result = typed(*arguments, "-o", "reduction.audio.width=8")
    assert result.exit_code == 0, result.output
    with FeatureStore(demo_audio / "demo" / "audio.h5") as store:
        assert store.reduced_width == 8
    too_wide = typed(*arguments, "-o", "reduction.audio.width=5000")
    assert too_wide.exit_code == 2
    assert "5000" in too_wide.output
    with FeatureStore(demo_audio / "demo" / "audio.h5") as store:
        assert store.reduced_width == 8  # the finished store stands
    assert typed(*arguments).exit_code == 0


def test_a_reduction_out_of_fold_is_one_key_whose_reducers_are_found_again(
    demo_audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = demo_audio / "demo"
    arguments = ("--dataset", "demo", "--root", DEMO, "--out", demo_audio)
    of_labels = (*arguments, "-o", "reduction.audio.method=dialogue-rnn", "-o", "reduction.audio.width=4")

    def reduced(*words: str | Path) -> tuple[NDArray[np.float32], Mapping[str, str]]:
        result = typed(*words)
        assert result.exit_code == 0, result.output
        with FeatureStore(folder / "audio.h5") as store:
            return store.features("reduced"), store.header.reduction

    in_sample, told_in_sample = reduced(*of_labels)
    reducer = (folder / "audio.reducer.safetensors").read_bytes()
    unseen, told = reduced(*of_labels, "-o", "reduction.audio.folds=2")
    assert (folder / "audio.reducer.safetensors").read_bytes() == reducer  # new media: the one fitted on all
    assert told["reducer"] == told_in_sample["fingerprint"] != told["fingerprint"]
    assert (told["folds"], "fold_2" in told, "fold_3" in told) == ("2", True, False)
    with FeatureStore(folder / "audio.h5") as store:
        assert store.header.assets == {"reducer": "audio.reducer.safetensors"}
        training = np.array([u.split is Split.TRAIN for u in store.rows.utterances]) & store.rows.usable
    np.testing.assert_array_equal(unseen[~training], in_sample[~training])
    assert (unseen[training] != in_sample[training]).any(axis=1).all()

    written = (folder / "audio.h5").read_bytes()
    assert "nothing to do" in typed(*of_labels, "-o", "reduction.audio.folds=2").output
    again, told_again = reduced(*of_labels)  # without folds is another reduction
    np.testing.assert_array_equal(again, in_sample)
    assert told_again == told_in_sample

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a reducer was fitted again")

    monkeypatch.setattr(out_of_fold, "fit_reducer", refused)
    reduced(*of_labels, "-o", "reduction.audio.folds=2")
    assert (folder / "audio.h5").read_bytes() == written
    assert typed(*arguments).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "mled"), "mled"),
        (("--dataset", "demo", "--root", "/no/such/folder"), "/no/such/folder"),
        (("--dataset", "demo", "--root", str(DEMO), "--shard", "4/3"), "shard 4/3 does not exist"),
        (("--dataset", "demo", "--root", str(DEMO), "--shard", "three"), "write I/N"),
        (("--dataset", "demo", "--root", str(DEMO), "--device", "tpu"), "torch sees cpu"),
        (("--dataset", "demo", "--root", str(DEMO), "--recipe", "mled"), "did you mean 'meld'"),
        (("--dataset", "demo", "--root", str(DEMO), "-o", "text.vectr=x"), "did you mean 'text.vector'"),
        (
            ("--dataset", "demo", "--root", str(DEMO), "-o", "reduction.audio.folds=3"),
            "reduction.audio.folds = 3 with reduction.audio.method 'pca'",
        ),
        (("--dataset", "demo", "--root", str(DEMO), "--limit", "0"), "greater than or equal to 1"),
        (("--dataset", "demo", "--root", str(DEMO), "--out", "/dev/null/x"), "a file stands where"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = typed(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_help_is_quick_because_it_loads_neither_torch_nor_numpy() -> None:
    program = (
        "import sys\nsys.argv = ['summer-extract', '--help']\nfrom pipelines.extract.command import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'numpy', 'transformers', 'h5py')))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert finished.returncode == 0, finished.stderr
    assert "--retry-failed" in finished.stdout
