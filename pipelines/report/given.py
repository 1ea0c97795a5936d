"""What `summer-report` was given: stores, runs, folders of summer-reproduce; and what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reproduce.run import RECORD as REPRODUCTION
from pipelines.reproduce.systems import SUMMER_RUN
from pipelines.train.run import stores_in
from summer.conversations.reading import ModalityFeatures, check_together, read_vectors
from summer.corpus import Modality
from summer.runs.folder import RECORD, RunError, read_record
from summer.runs.reading import IDENTITY, Run, read_run
from summer.store import FeatureStore, Header, Rows

ALIKE = "give a report of each alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenStore:
    """A store, read whole.

    Args:
        features: what a model reads of it: reduced where it has them.
        was_extracted: by summer-extract, and not imported.
    """

    path: Path
    header: Header
    rows: Rows
    features: ModalityFeatures
    width: int | None
    was_extracted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRun:
    """A run, and what its run.json says."""

    run: Run
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.run.path.absolute().name


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All of it, in the order of modalities, and as given."""

    stores: Sequence[GivenStore]
    runs: Sequence[GivenRun]
    reproductions: Sequence[Path]


def read_given(things: Sequence[Path]) -> Given:
    """Read everything that was named.

    Raises:
        ValueError: something that is none of these, or things that do not belong together; names the remedy.
    """
    stores, runs, reproductions = _told_apart(things)
    read = _read_stores(stores)
    found = [_read_run(path) for path in runs]
    for one in found:
        _check_run(one, found[0], read)
    return Given(stores=read, runs=found, reproductions=reproductions)


def _told_apart(things: Sequence[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    stores: list[Path] = []
    runs: list[Path] = []
    reproductions: list[Path] = []
    for path in things:
        if not path.exists():
            raise RunError(
                f"there is nothing at {path}; give stores of summer-extract and runs of summer-train"
            )
        if path.is_file():
            stores.append(path)
        elif (path / REPRODUCTION).is_file():
            reproductions.append(path)
            runs += [run] if (run := path / "runs" / SUMMER_RUN).is_dir() else []
        elif (path / RECORD).is_file() or (path / "predictions.csv").is_file():
            runs.append(path)
        elif inside := stores_in(path):
            stores += inside
        else:
            raise RunError(
                f"{path} is no run, no folder of stores and no folder of summer-reproduce; give one of "
                "these, or a store"
            )
    return _once(stores), _once(runs), _once(reproductions)


def _once(paths: Iterable[Path]) -> list[Path]:
    return list({path.resolve(): path for path in paths}.values())


def _read_stores(paths: Sequence[Path]) -> list[GivenStore]:
    with ExitStack() as stack:
        stores = [stack.enter_context(FeatureStore(path)) for path in paths]
        check_together(stores)
        stores.sort(key=lambda store: list(Modality).index(store.header.modality))
        return [
            GivenStore(
                path=store.path,
                header=store.header,
                rows=store.rows,
                features=read_vectors(store),
                width=store.reduced_width,
                was_extracted=store.rows.inputs is not None,
            )
            for store in stores
        ]


def _read_run(path: Path) -> GivenRun:
    if not (path / "predictions.csv").is_file():
        raise RunError(
            f"{path} has no predictions yet: its training has not ended; go on with summer-train "
            "--resume, or leave it out"
        )
    return GivenRun(run=read_run(path), record=read_record(path))


def _check_run(given: GivenRun, first: GivenRun, stores: Sequence[GivenStore]) -> None:
    """Refuse a run of other features or annotations than the stores have, or of another corpus."""
    for what, ours, theirs in _differences(given, first, stores):
        raise RunError(
            f"{given.run.path} does not belong to {theirs}: {what} {ours}; {ALIKE}, or train it anew"
        )


def _differences(
    given: GivenRun, first: GivenRun, stores: Sequence[GivenStore]
) -> Iterator[tuple[str, str, str]]:
    run = given.run
    for key in IDENTITY:
        if first.run.origin.get(key, run.origin.get(key)) != run.origin.get(key, first.run.origin.get(key)):
            yield f"its {key} is", repr(run.origin[key]), str(first.run.path)
    if run.labels != first.run.labels:
        yield "its labels are", ", ".join(run.labels.names), str(first.run.path)
    for store in stores:
        header, modality = store.header, store.header.modality
        for key in IDENTITY:
            if run.origin.get(key, getattr(header, key)) != getattr(header, key):
                yield f"its {key} is", repr(run.origin[key]), str(store.path)
        if run.labels.names != header.labels:
            yield "its labels are", ", ".join(run.labels.names), str(store.path)
        if given.record.get("annotations", header.corpus_digest) != header.corpus_digest:
            yield "it was trained on", "other annotations", str(store.path)
        trained_on = given.record.get("stores", {}).get(modality.value, store.features.fingerprint)
        if trained_on != store.features.fingerprint:
            yield "it was trained on", f"other {modality} features", str(store.path)
