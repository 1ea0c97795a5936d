"""How a run's features were made, kept with the run: from a run alone one can make such features again.

RUN/features/features.json holds, by modality, what the store says of itself (settings of the extractor,
reduction, fingerprints) and where its assets are: the reducer, and the tuned encoder of text. An asset that
lies beside the store is copied into RUN/features/ where it is small; a large one is named by its path and
sha256. What is known by a name (a pre-trained encoder of a hub) keeps its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from summer.corpus import Modality
from summer.durable import explained_disk_errors, file_sha256, json_of, write_aside
from summer.runs.folder import RunError
from summer.store import FeatureStore

FEATURES, RECORD = "features", "features.json"
LARGEST_COPY_BYTES = 256 * 2**20  # a 30M-parameter encoder is 120 MiB, roberta-base 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file or folder that features are made with.

    Args:
        name: as the store has it: relative to the store's folder, or what it is known by elsewhere.
        path: relative to RUN/features where it was copied; else absolute; None where it only has a name.
        sha256: of the file; of a folder: over the names and digests of its files. None where it only has a
            name.
    """

    name: str
    path: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOrigin:
    """How one modality's features were made.

    Args:
        fingerprint: of the raw features.
        settings: of the extractor.
        reduction: method, width, fingerprint of the reducer; empty where raw features are read.
        assets: by role, such as "reducer" and "encoder".
    """

    corpus: str
    protocol: str
    dim: int
    fingerprint: str
    settings: Mapping[str, str]
    reduction: Mapping[str, str]
    assets: Mapping[str, Asset] = field(default_factory=dict)


def keep_features(out: Path, stores: Sequence[Path]) -> None:
    """Write RUN/features/ from the stores that a run is about to read; what is there already stays.

    Raises:
        StoreError: a store cannot be read.
        DiskError: the disk is full or refuses.
    """
    folder = out / FEATURES
    if (folder / RECORD).is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)  # the record is the last file of a whole folder
    kept = {}
    for path in stores:
        with FeatureStore(path) as store:
            header = store.header
        kept[header.modality.value] = FeatureOrigin(
            corpus=header.corpus,
            protocol=header.protocol,
            dim=header.dim,
            fingerprint=header.fingerprint,
            settings=header.settings,
            reduction=header.reduction,
            assets=_assets(path, header.assets, folder / header.modality.value),
        )
    record = {modality: asdict(origin) for modality, origin in kept.items()}
    write_aside(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False).encode())


def read_features(out: Path) -> dict[Modality, FeatureOrigin]:
    """Read what `keep_features` wrote; {} for a run that kept nothing, as those of before 0.2.0.

    Raises:
        RunError: the record is damaged.
    """
    path = out / FEATURES / RECORD
    if not path.is_file():
        return {}
    try:
        record = json_of(path.read_text(encoding="utf-8"))
        return {Modality(modality): _origin_of(entry) for modality, entry in record.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{path} cannot be read ({error}); run summer-train --resume with the stores at hand, after "
            "deleting it"
        ) from error


def asset_path(out: Path, origin: FeatureOrigin, role: str) -> Path | None:
    """Where an asset of a run is now; None where it has none of that role, or one known by name only.

    Raises:
        RunError: it is gone, or has changed.
    """
    asset = origin.assets.get(role)
    if asset is None or asset.path is None:
        return None
    path = out / FEATURES / asset.path  # an absolute path stands for itself
    if not path.exists():
        raise RunError(f"the {role} of {out} was at {path} and is gone; put it back there")
    if content_sha256(path) != asset.sha256:
        raise RunError(f"{path} is not the {role} that {out} was trained with: its sha256 differs")
    return path


def content_sha256(path: Path) -> str:
    """The sha256 of a file; of a folder: over the names and digests of all its files.

    Raises:
        DiskError: a file cannot be read.
    """
    if path.is_file():
        return file_sha256(path)
    lines = [f"{file_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _origin_of(entry: Mapping[str, Any]) -> FeatureOrigin:
    assets = {role: Asset(**asset) for role, asset in entry["assets"].items()}
    return FeatureOrigin(**{**entry, "assets": assets})


def _assets(store: Path, names: Mapping[str, str], folder: Path) -> dict[str, Asset]:
    """A store's assets, by role; those beside it are copied where they are small.

    The encoders of several folds count as one: without all of them none is of use.

    Args:
        folder: where copies go, RUN/features/<modality>: stores of two folders may call theirs the same.
    """
    # as it is named: a link into a cache of models leads to a file without its name
    sources = {role: Path(os.path.normpath(store.parent.absolute() / name)) for role, name in names.items()}
    beside = {  # "" or ".." would be the folder that the stores are in
        role: source
        for role, source in sources.items()
        if source.exists() and source not in store.absolute().parents
    }
    sizes: Counter[str] = Counter()
    for role, source in beside.items():
        sizes[_kind(role)] += sum(file.stat().st_size for file in _files(source))
    return {
        role: _kept(beside[role], name, folder, is_small=sizes[_kind(role)] <= LARGEST_COPY_BYTES)
        if role in beside
        else Asset(name=name)
        for role, name in names.items()
    }


def _kind(role: str) -> str:
    """What "encoder_1" and "encoder_2" both are."""
    return role.partition("_")[0]


def _kept(source: Path, name: str, folder: Path, *, is_small: bool) -> Asset:
    if not is_small:
        return Asset(name=name, path=str(source.resolve()), sha256=content_sha256(source))
    target = folder / source.name
    _copy(source, target)
    path = target.relative_to(folder.parent).as_posix()
    return Asset(name=name, path=path, sha256=content_sha256(target))


def _copy(source: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with explained_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(source, aside)
            shutil.rmtree(target, ignore_errors=True)
        else:
            shutil.copyfile(source, aside)
        aside.replace(target)


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
