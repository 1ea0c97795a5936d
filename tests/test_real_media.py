"""Real clips and real annotations through the whole command: true statuses, nothing fatal."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.extract.command import app
from summer.store import FeatureStore

GRANITE = "text.model=ibm-granite/granite-embedding-30m-english"


def extract(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments), "--workers", "0"])
    assert result.exit_code == 0, result.output
    return result.output


def statuses(path: Path) -> dict[str, str]:
    with FeatureStore(path) as store:
        assert store.features()[store.rows.usable].any(axis=1).all()
        return {u.id: s.value for u, s in zip(store.rows.utterances, store.rows.statuses, strict=True)}


def write_manifest(path: Path, media: list[Path]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "dialogue", "turn", "speaker", "text", "label", "media"])
        for turn, clip in enumerate(media):
            writer.writerow([clip.name, "test", "0", turn, "Ann", "Don’t forget a jacket", "", clip])


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.weights
def test_the_shared_clips_run_through_a_manifest_with_true_statuses(shared: Path, tmp_path: Path) -> None:
    media = sorted(path for path in (shared / "media").rglob("*") if path.suffix in (".mp4", ".flv", ".wav"))
    assert len(media) >= 16
    write_manifest(tmp_path / "manifest.csv", media)
    extract("--dataset", tmp_path / "manifest.csv", "--out", tmp_path / "out", "-o", GRANITE)
    stores = tmp_path / "out" / tmp_path.name
    assert set(statuses(stores / "text.h5").values()) == {"ok"}
    for name, status in statuses(stores / "video.h5").items():
        assert status == ("no_video" if name.endswith(".wav") else "ok"), name
    silent = "pyfeat_WolfgangLanger_Pexels.mp4"  # its sound track is digital silence
    for name, status in statuses(stores / "audio.h5").items():
        assert status == ("no_audio" if name == silent else "ok"), name


@pytest.mark.real
def test_real_annotations_with_a_few_clips_run_and_report_the_missing(shared: Path, tmp_path: Path) -> None:
    root = tmp_path / "a MELD with spaces"
    clips = root / "output_repeated_splits_test"
    clips.mkdir(parents=True)
    shutil.copy(shared / "data" / "meld" / "test_sent_emo.csv", root)
    shutil.copy(shared / "media" / "pyfeat_single_face.mp4", clips / "dia0_utt0.mp4")
    shutil.copy(shared / "media" / "short_hamilton_clip.mp4", clips / "final_videos_testdia0_utt1.mp4")
    (clips / "dia1_utt0.mp4").write_bytes(b"")
    (clips / "._dia1_utt1.mp4").write_bytes(b"AppleDouble")
    arguments = ("--dataset", "meld", "--root", root, "--out", tmp_path, "--modality", "audio")
    printed = extract(*arguments, "-o", "reduction.audio.method=none")
    found = statuses(tmp_path / "meld" / "audio.h5")
    assert len(found) == 2610
    assert [name for name, status in found.items() if status == "ok"] == ["test/dia0_utt0", "test/dia0_utt1"]
    assert found["test/dia1_utt0"] == "corrupt"
    assert sum(status == "missing" for status in found.values()) == 2607
    assert "--retry-failed" in printed
