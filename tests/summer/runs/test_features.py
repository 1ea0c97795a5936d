"""How features were made, kept with a run: small assets are copied, large ones named, damage is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from summer.corpus import Modality
from summer.runs import features
from summer.runs.features import asset_path, content_sha256, keep_features, read_features
from summer.runs.folder import RunError
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable
from tests.summer.runs.made_run import AUDIO, EXTRACTORS, TEXT, made_stores

REDUCER = "text.reducer.safetensors"


@pytest.fixture
def stores(tmp_path: Path) -> dict[Modality, Path]:
    return made_stores(tmp_path / "stores", made_learnable())


def kept(out: Path, stores: dict[Modality, Path]) -> dict[str, Any]:
    keep_features(out, list(stores.values()))
    found: dict[str, Any] = json.loads((out / "features" / "features.json").read_text(encoding="utf-8"))
    return found


def test_the_record_holds_the_settings_of_every_store(tmp_path: Path, stores: dict[Modality, Path]) -> None:
    found = kept(tmp_path / "run", stores)
    assert found.keys() == {"text", "audio"}
    for modality, one in found.items():
        assert one["settings"] == EXTRACTORS[Modality(modality)]
        assert (one["corpus"], one["protocol"]) == ("made-up", "none")
    assert (found["text"]["dim"], found["text"]["fingerprint"]) == (6, "f" * 64)
    assert found["text"]["reduction"] == {"method": "pca", "fingerprint": "r" * 64}
    assert (found["audio"]["dim"], found["audio"]["fingerprint"]) == (4, "a" * 64)
    assert found["audio"]["reduction"] == {}


def test_small_assets_are_copied_and_those_known_by_a_name_keep_it(
    tmp_path: Path, stores: dict[Modality, Path]
) -> None:
    run, beside = tmp_path / "run", tmp_path / "stores"
    kept(run, stores)
    shutil.move(run, tmp_path / "moved")
    found = read_features(tmp_path / "moved")
    reducer = asset_path(tmp_path / "moved", found[TEXT], "reducer")
    encoder = asset_path(tmp_path / "moved", found[TEXT], "encoder")
    assert reducer is not None
    assert encoder is not None
    assert reducer.read_bytes() == (beside / REDUCER).read_bytes()
    assert found[TEXT].assets["encoder"].name == "encoder"
    assert (
        content_sha256(encoder) == content_sha256(beside / "encoder") == found[TEXT].assets["encoder"].sha256
    )
    assert (encoder / "deep" / "weights").read_bytes() == bytes(range(200))
    for path in (reducer, encoder):
        assert path.is_relative_to(tmp_path / "moved" / "features")
    backbone = found[AUDIO].assets["backbone"]
    assert (backbone.name, backbone.path, backbone.sha256) == ("somebody/on-a-hub", None, None)
    assert asset_path(tmp_path / "moved", found[AUDIO], "backbone") is None
    assert asset_path(tmp_path / "moved", found[AUDIO], "reducer") is None
    assert not [path for path in (tmp_path / "moved").rglob("*") if path.name.endswith(".tmp")]


def test_a_large_asset_is_named_by_its_path_and_sha256_and_not_copied(
    tmp_path: Path, stores: dict[Modality, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tmp_path / "stores" / "encoder"
    monkeypatch.setattr(features, "LARGEST_COPY_BYTES", 201)  # "{}" and 200 bytes are one too many
    run = tmp_path / "run"
    named = kept(run, stores)["text"]["assets"]["encoder"]
    assert named == {"name": "encoder", "path": str(encoder), "sha256": content_sha256(encoder)}
    assert not [path for path in (run / "features").rglob("*") if path.name in ("encoder", "weights")]
    assert asset_path(run, read_features(run)[TEXT], "encoder") == encoder
    (encoder / "config.json").write_text("[]")
    with pytest.raises(RunError, match="is not the encoder that .* was trained with: its sha256 differs"):
        asset_path(run, read_features(run)[TEXT], "encoder")
    shutil.rmtree(encoder)
    with pytest.raises(RunError, match=f"the encoder of {run} was at {encoder} and is gone; put it back"):
        asset_path(run, read_features(run)[TEXT], "encoder")


def test_an_asset_as_large_as_the_limit_is_copied(
    tmp_path: Path, stores: dict[Modality, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "LARGEST_COPY_BYTES", 202)
    assert not Path(kept(tmp_path / "run", stores)["text"]["assets"]["encoder"]["path"]).is_absolute()


@pytest.mark.parametrize(("limit", "is_copied"), [(200, True), (199, False)])
def test_encoders_of_several_folds_are_copied_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, *, is_copied: bool
) -> None:
    monkeypatch.setattr(features, "LARGEST_COPY_BYTES", limit)
    folder = tmp_path / "stores"
    names = {"encoder_1": "first", "encoder_2": "second", "reducer": "reducer"}
    for name, size in (("first", 150), ("second", 50), ("reducer", 60)):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    store = write_store(folder / "text.h5", made_learnable(), TEXT, assets=names)
    assets = kept(tmp_path / "run", {TEXT: store})["text"]["assets"]
    copied = {role for role, asset in assets.items() if not Path(asset["path"]).is_absolute()}
    assert copied == {"reducer", *(("encoder_1", "encoder_2") if is_copied else ())}


def test_assets_of_the_same_name_beside_two_stores_are_both_kept(tmp_path: Path) -> None:
    conversations = made_learnable()
    stores = {}
    for modality in (TEXT, AUDIO):
        folder = tmp_path / modality.value
        folder.mkdir()
        (folder / "reducer").write_text(f"of {modality}")
        stores[modality] = write_store(
            folder / "store.h5", conversations, modality, assets={"reducer": "reducer"}
        )
    kept(tmp_path / "run", stores)
    for modality, origin in read_features(tmp_path / "run").items():
        path = asset_path(tmp_path / "run", origin, "reducer")
        assert path is not None
        assert path.read_text() == f"of {modality}"


@pytest.mark.parametrize("name", ["", ".", "..", "../stores"])
def test_a_name_that_would_be_the_stores_own_folder_is_kept_as_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    store = write_store(tmp_path / "stores" / "text.h5", made_learnable(), TEXT, assets={"encoder": name})
    found = kept(tmp_path / "stores" / "run", {TEXT: store})
    assert found["text"]["assets"]["encoder"] == {"name": name, "path": None, "sha256": None}
    assert [path.name for path in (tmp_path / "stores" / "run" / "features").iterdir()] == ["features.json"]


def test_what_is_kept_stays_when_the_run_is_resumed(tmp_path: Path, stores: dict[Modality, Path]) -> None:
    run = tmp_path / "run"
    kept(run, stores)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (tmp_path / "stores" / REDUCER).write_text("another one")
    kept(run, stores)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"smell": {}}', '{"text": {}}', '{"text": {"assets": {"a": {}}}}']
)
def test_a_damaged_record_is_refused_with_its_remedy(content: str, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "features.json").write_text(content)
    with pytest.raises(RunError, match=r"features\.json cannot be read .*run summer-train --resume"):
        read_features(tmp_path)


def test_a_run_of_before_0_2_0_kept_nothing(tmp_path: Path) -> None:
    assert read_features(tmp_path) == {}
