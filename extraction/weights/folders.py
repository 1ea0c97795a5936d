"""A model that is a folder, wherever it is: given, cached, on the Hugging Face hub, or on a package index."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from extraction.weights.cache import (
    Weights,
    WeightsUnavailable,
    digest_of_digests,
    keep,
    kept,
    ready_cache,
)
from extraction.weights.memory import cache_folder, known_sha256
from extraction.weights.upstream import PROBE_SECONDS, SourceError, require_answer

LOGGER = logging.getLogger(__name__)
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnIndex:
    """A model that a package index has as well.

    Args:
        stem: of its entry in the cache, with a version of its making: `granite-1`.
        size_bytes: what the cache must have room for, download and conversion together.
        read: its files by name, fetched and verified; raises SourceError.
    """

    stem: str
    size_bytes: int
    read: Callable[[], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolders:
    """What the folders of one kind of model hold, and who has them. Patterns are those of `Path.glob`.

    Args:
        what: the kind, as messages call it: "text model".
        names: what a name may be beside a folder: "a Hugging Face id such as roberta-base".
        whole: what to give instead of a folder that lacks a part.
        parts: what must be there, as messages call it, and patterns of which one is enough.
        weights: patterns of the weights, the best first; one that matches makes the rest superfluous.
        files: patterns of the other files that make the model.
        beside: patterns of files that are fetched too, and do not make it another model.
        hub_prefix: before names that have no owner.
        on_index: by name.
    """

    what: str
    names: str
    whole: str
    parts: Mapping[str, tuple[str, ...]]
    weights: tuple[str, ...]
    files: tuple[str, ...]
    beside: tuple[str, ...] = ()
    hub_prefix: str = ""
    on_index: Mapping[str, OnIndex] = field(default_factory=dict)

    def hub_id(self, name: str) -> str:
        """What the hub calls it."""
        return name if "/" in name else self.hub_prefix + name


def found(kind: ModelFolders, name: str) -> Weights:
    """The folder of the model of that name.

    Args:
        name: a folder, or one of `kind.names`.

    Raises:
        WeightsUnavailable: the folder lacks a part, the name is neither, or no source has the model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return replace(_complete(kind, folder, "given"), name=name)
    if not HUB_ID.fullmatch(name):
        raise WeightsUnavailable(f"{name!r} is neither a folder that exists nor {kind.names}")
    return replace(_cached(kind, name) or _fetched(kind, name), name=name)


def _cached(kind: ModelFolders, name: str) -> Weights | None:
    entry = kept(kind.on_index[name].stem) if name in kind.on_index else None
    if entry is not None:
        return _complete(kind, entry, "cache")
    from huggingface_hub import snapshot_download  # a third of a second, for which a folder need not wait

    try:
        return _complete(kind, Path(snapshot_download(kind.hub_id(name), local_files_only=True)), "cache")
    except (OSError, WeightsUnavailable):  # absent, or only a part of it
        return None


def _fetched(kind: ModelFolders, name: str) -> Weights:
    from huggingface_hub.constants import HF_HUB_CACHE

    tried = []
    try:
        return _complete(kind, _from_hub(kind, kind.hub_id(name)), "hub")
    except SourceError as problem:
        tried.append(f"hub: {problem}")
    if name in kind.on_index:
        try:
            return _complete(kind, _from_index(kind.on_index[name]), "package index")
        except SourceError as problem:
            tried.append(f"package index: {problem}")
    others = " or ".join(other for other in kind.on_index if name not in kind.on_index)
    raise WeightsUnavailable(
        f"no source has the {kind.what} {name}. Tried: {cache_folder()} and the Hugging Face "
        f"cache {HF_HUB_CACHE} (not there); {'; '.join(tried)}. On a machine that can, "
        f"run `hf download {kind.hub_id(name)} --local-dir FOLDER`, and give FOLDER as the model"
        + (f"; or use {others}, which a package index has" if others else "")
    )


def _from_hub(kind: ModelFolders, hub_id: str) -> Path:
    from huggingface_hub import get_token, hf_hub_url, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # A broken connection is an error of the HTTP library beneath huggingface_hub, another in other versions.
    hub_errors = (OSError, cast(type[Exception], HfHubHTTPError.__bases__[0]))
    require_answer(hf_hub_url(hub_id, "config.json"), token=get_token())
    LOGGER.info("fetching %s from the hub", hub_id)
    wanted = [*kind.files, *kind.beside]
    try:
        for weights in kind.weights:
            folder = Path(
                snapshot_download(hub_id, etag_timeout=PROBE_SECONDS, allow_patterns=[*wanted, weights])
            )
            if any(folder.glob(weights)):
                break
    except hub_errors as problem:
        raise SourceError(f"{hub_id}: {problem or type(problem).__name__}") from problem
    return folder


def _from_index(model: OnIndex) -> Path:
    ready_cache(model.size_bytes)
    return keep(model.stem, model.read())


def _complete(kind: ModelFolders, folder: Path, source: str) -> Weights:
    """The folder as weights.

    Raises:
        WeightsUnavailable: a part is missing.
    """
    missing = [part for part, patterns in kind.parts.items() if not any(map(any, map(folder.glob, patterns)))]
    if missing:
        raise WeightsUnavailable(f"{folder} lacks {' and '.join(missing)}; give {kind.whole}")
    weights = next(files for files in map(list, map(folder.glob, kind.weights)) if files)
    files = {path for pattern in kind.files for path in folder.glob(pattern)} | set(weights)
    digests = {path.name: known_sha256(path) for path in files}
    return Weights(path=folder, sha256=digest_of_digests(digests), source=source)
