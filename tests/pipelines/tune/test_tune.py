"""`summer-tune` as a user types it: on people, on emotions, killed, mistaken; extraction with the result."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from extraction import weights
from extraction.corpora import open_corpus
from extraction.video.extractor import LFNet3D
from extraction.video.network.training import TuningOptions
from extraction.video.network.tuned import tuning_of
from extraction.weights import Weights
from pipelines.extract.command import app as extract_app
from pipelines.extractors import Setting, build_extractor
from pipelines.recipe import load_recipe
from pipelines.tune.command import app
from pipelines.tune.run import video_tuning_options
from summer.corpus import Modality, Status
from summer.store import FeatureStore
from tests.extraction.video.conftest import (  # noqa: F401 (fixtures)
    flat_network,
    portrait,
    random_weights,
    turned,
)
from tests.places import DEMO

QUICK = (
    *("-o", "video.tuning.epochs=2"),
    *("-o", "video.tuning.trained_blocks=1"),
    *("-o", "video.tuning.clip_frames=2"),
)
KILLS = 6


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])


def made_in(out: Path) -> Path:
    (path,) = out.glob("*.safetensors")
    return path


@pytest.fixture(name="faces", scope="module")
def _faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    for name in ("collins", "hopper"):
        (root / name).mkdir()
        for degrees in (-8, 0, 8):
            picture = cv2.cvtColor(turned(portrait(name), degrees)[0], cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(root / name / f"{degrees}.jpg"), picture)
    (root / "hopper" / "damaged.jpg").write_bytes(b"\xff\xd8\xff half a picture")
    return root


@pytest.fixture(name="start")
def _start(random_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    """Weights that need no download stand for those of VGGFace2 too."""
    real = weights.vggface2
    monkeypatch.setattr(weights, "vggface2", lambda given=None: real(given or random_weights.path))
    return f"video.weights={random_weights.path}"


def extractor_with(path: Path, *overrides: str) -> LFNet3D:
    setting = Setting(
        recipe=load_recipe("demo", [f"video.weights={path}", *overrides]),
        corpus=open_corpus("demo", DEMO, {}),
        folder=path.parent,
        device="cpu",
        batch_size=None,
        keep_crops=False,
        on_tuning=lambda *_: None,
    )
    extractor = build_extractor(Modality.VIDEO, setting)
    assert isinstance(extractor, LFNet3D)
    return extractor


def test_people_are_tuned_on_and_the_extractor_takes_the_result(
    faces: Path, start: str, tmp_path: Path
) -> None:
    result = typed("--faces", faces, "--out", tmp_path, *QUICK, "-o", start)
    assert result.exit_code == 0, result.output
    counts = "2 persons, 0 persons with too few pictures, 4 pictures trained on, 2 pictures held out"
    assert f"{counts}, 1 pictures skipped" in result.output.replace("\n", " ")
    assert "hopper/damaged.jpg: cannot be read" in result.output
    made = made_in(tmp_path)
    assert f"-o video.weights={made}" in result.output.replace("\n", "")
    again = typed("--faces", faces, "--out", tmp_path, *QUICK, "-o", start)
    assert (again.exit_code, "tuning, epoch" in again.output) == (0, False)

    extractor, untuned = extractor_with(made), extractor_with(Path(start.partition("=")[2]))
    assert (extractor.recogniser is None, untuned.recogniser is None) == (False, True)
    assert {"weights", "recogniser"} <= {
        name for name in extractor.settings if extractor.settings[name] != untuned.settings.get(name)
    }
    clip = open_corpus("demo", DEMO, {}).clips[0]
    (one,), (other,) = extractor([clip]), untuned([clip])
    assert one.status is other.status is Status.OK
    assert one.vector is not None
    assert other.vector is not None
    assert not np.array_equal(one.vector, other.vector)
    with pytest.raises(weights.WeightsUnavailable, match=r"-o video\.layer=block8"):
        extractor_with(made, "video.layer=repeat_2")


def test_emotions_are_tuned_on_with_the_faces_of_training_and_dev_rows(start: str, tmp_path: Path) -> None:
    manifest = tmp_path / "few" / "manifest.csv"
    manifest.parent.mkdir()
    clips = ["dia0_utt0", "dia0_utt1", "dia0_utt2", "dia7_utt3"]  # the last one shows a landscape
    rows = [
        *((f"t{k}", "train", name, "joy" if k % 2 else "anger") for k, name in enumerate(clips)),
        *((f"d{k}", "dev", name, "joy" if k % 2 else "anger") for k, name in enumerate(clips[:2])),
        ("d2", "dev", clips[2], ""),
        ("x0", "test", clips[0], "joy"),
    ]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "dialogue", "turn", "speaker", "text", "label", "media"])
        for turn, (name, split, clip, label) in enumerate(rows):
            media = DEMO / "train_splits" / f"{clip}.mp4"
            writer.writerow([name, split, f"{split}0", turn, "Ann", "Oh.", label, media])
    typed_words = ("--dataset", manifest, "--out", tmp_path / "out", *QUICK, "-o", start, "--workers", "0")
    result = typed(*typed_words)
    assert result.exit_code == 0, result.output
    counts = "3 training utterances, 2 dev utterances, 1 training and dev utterances without a face"
    assert counts in result.output.replace("\n", " ")
    record = tuning_of(weights.vggface2(made_in(tmp_path / "out")))
    assert record is not None
    assert record["tuned_on"].startswith("training split of few")
    assert record["score"] == "weighted F1"
    assert {"joy", "anger"} <= set(record["classes"])
    kept = {path.name for path in (tmp_path / "out" / "faces").glob("*/crops/*")}
    assert not kept & {"x0", "d2"}
    again = typed(*typed_words)
    assert (again.exit_code, "tuning, epoch" in again.output) == (0, False)


FOLDED = [  # id, split, dialogue, clip, label
    ("t0", "train", "a", "dia0_utt0", "joy"),
    ("t1", "train", "a", "dia0_utt1", "anger"),
    ("t2", "train", "b", "dia0_utt2", "anger"),
    ("t3", "train", "b", "dia0_utt0", "joy"),
    ("t4", "train", "b", "dia0_utt1", ""),
    ("d0", "dev", "a", "dia0_utt1", "joy"),
    ("d1", "dev", "a", "dia0_utt2", "anger"),
    ("x0", "test", "c", "dia0_utt0", "joy"),
]
OUT_OF_FOLD = (
    *QUICK,
    *("-o", "video.tuning.epochs=1"),
    *("-o", "video.keyframe_every=40"),
    *("-o", "video.face_choice=largest"),
    *("--workers", "0"),
)
RAW = ("-o", "reduction.video.method=none")


def written(manifest: Path, rows: list[tuple[str, str, str, str, str]]) -> Path:
    manifest.parent.mkdir(exist_ok=True)
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "dialogue", "turn", "speaker", "text", "label", "media"])
        for turn, (name, split, dialogue, clip, label) in enumerate(rows):
            media = DEMO / "train_splits" / f"{clip}.mp4"
            writer.writerow([name, split, dialogue, turn, "Ann", "Oh.", label, media])
    return manifest


def extracted(manifest: Path, weights_file: Path, out: Path, *more: str) -> Result:
    words = ["--dataset", manifest, "--modality", "video", "--out", out, "--device", "cpu", *OUT_OF_FOLD]
    given = [*words, "-o", f"video.weights={weights_file}", *more]
    return CliRunner().invoke(extract_app, [str(word) for word in given])


@pytest.mark.slow
def test_networks_are_tuned_without_folds_and_read_these(start: str, tmp_path: Path) -> None:
    manifest = written(tmp_path / "few" / "manifest.csv", FOLDED)
    given = ("-o", "video.folds=2", "-o", start)
    words = ("--dataset", manifest, "--out", tmp_path / "out", *OUT_OF_FOLD, *given)
    result = typed(*words)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    for which in ("without fold 1 of 2", "without fold 2 of 2", "all folds"):
        assert sum(line.startswith(f"video: tuning, {which}: epoch 1 of 1") for line in lines) >= 1
    assert "video: without fold 2 of 2: aligning, row 2 of 2" in lines
    assert sum("is kept" in line for line in lines) == 3
    [made] = (tmp_path / "out").glob("video.few.2-folds-*.safetensors")
    assert lines[-1] == f"use it: summer-extract --modality video -o video.weights={made}"
    again = typed(*words)
    assert (again.exit_code, "tuning, " in again.output) == (0, False)

    result = extracted(manifest, made, tmp_path / "stores", "-o", "video.folds=2", *RAW)
    assert result.exit_code == 0, result.output
    for shard in ("1/2", "2/2"):
        assert extracted(manifest, made, tmp_path / "shares", "--shard", shard, *RAW).exit_code == 0
    assert extracted(manifest, made, tmp_path / "shares", *RAW).exit_code == 0
    one, other = ((tmp_path / name / "few" / "video.h5").read_bytes() for name in ("stores", "shares"))
    assert one == other
    with FeatureStore(tmp_path / "stores" / "few" / "video.h5") as store:
        rows, vectors, header = store.rows, store.features(), store.header
    assert list(rows.columns["fold"]) == [1, 1, 2, 2, 2, 0, 0, 0]
    assert (header.settings["folds"], header.settings["new_rows"]) == ("2", "whole")
    same_clip = [[0, 3, 7], [1, 4, 5]]  # in fold 1, in fold 2, in none
    for one, other, new in same_clip:
        assert not np.allclose(vectors[one], vectors[other], rtol=1e-3)
        assert not np.allclose(vectors[one], vectors[new], rtol=1e-3)

    moved = [*FOLDED[1:], ("t0", "test", "a", "dia0_utt0", "joy")]
    (tmp_path / "later").mkdir()
    betrayed = extracted(
        written(tmp_path / "later" / "few" / "manifest.csv", moved), made, tmp_path / "moved"
    )
    assert betrayed.exit_code == 2
    assert "t0 was in fold 1 of 2 and is in dialogue 'a' of test now" in betrayed.output.replace("\n", " ")
    clips = [(name, "test", "a", clip, "") for name, _, _, clip, _ in FOLDED[:2]]
    new = extracted(written(tmp_path / "clips" / "manifest.csv", clips), made, tmp_path / "stores", *RAW)
    assert new.exit_code == 0, new.output
    with FeatureStore(tmp_path / "stores" / "clips" / "video.h5") as store:
        np.testing.assert_array_equal(store.features(), vectors[[7, 5]])
    result = typed(*words, "-o", f"video.weights={made}")
    assert (result.exit_code, "one is wanted here" in result.output.replace("\n", " ")) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "neither given"),
        (("--faces", "x", "--dataset", "demo"), "both given"),
        (("--modality", "text", "--dataset", "demo"), "'text' is not tuned here; give video"),
        (("--faces", "nowhere"), "nowhere is not a folder"),
        (("--faces", "x", "-o", "video.backbone=r3d_18"), "'r3d_18' is not tuned here"),
        (("--faces", "x", "-o", "video.tuning.epoch=3"), "did you mean 'video.tuning.epochs'"),
        (("--faces", "x", "-o", "video.weights=nowhere.pt"), "nowhere.pt are not a file"),
        (("--dataset", "nowhere/manifest.csv"), "nowhere"),
        (("--faces", "x", "-o", "video.folds=5"), "video.folds = 5 with --faces"),
        (("--dataset", "demo", "--root", str(DEMO), "-o", "video.folds=99"), "99 folds of "),
        (
            ("--dataset", "demo", "--root", str(DEMO), "-o", "video.folds=2", "-o", "video.new_rows=mean"),
            "two networks share no training rows",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(words: tuple[str, ...], says: str, start: str) -> None:
    del start
    result = typed(*words)
    assert result.exit_code == 2
    assert says in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


def test_more_blocks_than_there_are_is_refused(faces: Path, start: str, tmp_path: Path) -> None:
    result = typed("--faces", faces, "--out", tmp_path, "-o", start, "-o", "video.tuning.trained_blocks=18")
    assert result.exit_code == 2
    assert "trained_blocks is 18" in result.output
    assert not list(tmp_path.glob("*.safetensors"))


OTHER_NUMBERS = {
    "epochs": 3,
    "learning_rate": 1e-3,
    "batch_clips": 5,
    "clip_frames": 4,
    "trained_blocks": 2,
    "weight_decay": 0.3,
    "warmup_share": 0.25,
    "seed": 11,
}


@pytest.mark.parametrize("name", OTHER_NUMBERS)
def test_each_number_of_the_tuning_can_be_given_in_a_recipe(name: str) -> None:
    recipe = load_recipe("manifest", [f"video.tuning.{name}={OTHER_NUMBERS[name]}"])
    assert getattr(video_tuning_options(recipe.video.tuning), name) == OTHER_NUMBERS[name]
    assert video_tuning_options(load_recipe("manifest").video.tuning) == TuningOptions()


@pytest.mark.slow
def test_killed_again_and_again_it_ends_in_the_bytes_of_an_undisturbed_run(
    faces: Path,
    random_weights: Weights,  # noqa: F811
    tmp_path: Path,
) -> None:
    def command(out: Path) -> list[str]:
        words = ["--faces", faces, "--out", out, "--device", "cpu", *QUICK]
        given = [*words, "-o", "video.tuning.epochs=6", "-o", f"video.weights={random_weights.path}"]
        return [sys.executable, "-m", "pipelines.tune", *map(str, given)]

    started = time.monotonic()
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    seconds = time.monotonic() - started
    dice = random.Random(5)
    for _ in range(KILLS):
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command(tmp_path / "killed"), stdout=quiet, stderr=quiet)
        time.sleep(dice.uniform(0.4, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True)
    assert made_in(tmp_path / "killed").read_bytes() == made_in(tmp_path / "whole").read_bytes()
