"""The folder of a run: what it was told to do, and whether a command may resume it.

RUN/run.json            models, settings, seeds, corpus, stores' fingerprints, commit, versions
RUN/features/           how the features were made: settings of every store, reducers, small encoders
RUN/seed<N>/            <model>.safetensors, <model>-history.json, <model>-seconds.json, and, once it is
                        finished, predictions.csv
RUN/predictions.csv     all seeds    RUN/results.json    RUN/learning.json    RUN/table.md    RUN/*.png
RUN/tensorboard/        losses and scores by epoch
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from summer.durable import clear_asides_below, explained_disk_errors, json_of, write_aside

RECORD = "run.json"
LOCK = ".lock"  # of `summer.runs.alone`
PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scikit-learn", "h5py")
MUST_AGREE = ("settings", "teacher_run", "corpus", "protocol", "labels", "annotations", "stores", "precision")


class RunError(ValueError):
    """A run that cannot begin or go on; the message names the remedy."""


def begin_run(
    out: Path,
    record: Mapping[str, Any],
    *,
    resume: bool,
    overwrite: bool,
    make_way: Callable[[Path], None] = shutil.rmtree,
) -> None:
    """Begin a run, or resume one of the same settings.

    Args:
        record: what the run is told to do; JSON.
        make_way: removes the run that is to be begun anew.

    Raises:
        RunError: the folder holds a run, and neither --resume nor --overwrite is given or its settings
            differ; or it holds something else.
        DiskError: the folder cannot be written.
    """
    path = out / RECORD
    if resume and overwrite:
        raise RunError("--resume continues a run, --overwrite starts it anew; give one of them")
    if path.is_file() and "settings" not in _recorded(path):
        raise RunError(f"{path} is no record of a run; give another --out, or delete {out} yourself")
    if overwrite and path.is_file():
        with explained_disk_errors(out):
            make_way(out)
    if path.is_file():
        if not resume:
            raise RunError(
                f"{out} holds a run; --resume continues it, --overwrite starts it anew; or give another --out"
            )
        _check_same(path, record)
        with explained_disk_errors(out):
            clear_asides_below(out)
    elif out.is_dir() and any(not _is_nothing(entry) for entry in out.iterdir()):
        raise RunError(f"{out} is not empty and holds no run; give another --out")
    write_aside(path, json.dumps(record, indent=1, ensure_ascii=False).encode())


def read_record(out: Path) -> Mapping[str, Any]:
    """What run.json says, {} where there is no run; a run of before 0.2.0 names its models by its stage."""
    path = out / RECORD
    record = dict(_recorded(path)) if path.is_file() else {}
    if "settings" not in record:
        return {}
    if "models" not in record:
        record["models"] = ["teacher"] if record.get("stage") == "teacher" else ["teacher", "student"]
    return record


def seed_folder(out: Path, seed: int) -> Path:
    """Where a seed's models are."""
    return out / f"seed{seed}"


def origin_of_program() -> dict[str, Any]:
    """Commit of the program where it is known, and versions of what it stands on."""
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _commit() -> str:
    """Of the checkout that the program runs from; without one, as in an image, what SUMMER_COMMIT says."""
    folder = Path(__file__).resolve().parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=False)
        found = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        found = ""
    return found or os.environ.get("SUMMER_COMMIT") or "unknown"


def _recorded(path: Path) -> Mapping[str, Any]:
    """What a record says, {} where it is none."""
    try:
        found = json_of(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_nothing(entry: Path) -> bool:
    """Whether it is a lock, or what a kill left of a record."""
    return entry.name == LOCK or (entry.name.startswith(f".{RECORD}.") and entry.name.endswith(".tmp"))


def _check_same(path: Path, record: Mapping[str, Any]) -> None:
    earlier = read_record(path.parent)
    ours, theirs = dict(_flat(record)), dict(_flat(earlier))
    for key in sorted(ours.keys() | theirs.keys()):
        if _is_of_an_added_rival(key, earlier["models"]) or (key == "annotations" and key not in theirs):
            continue
        if key.partition(".")[0] in MUST_AGREE and ours.get(key) != theirs.get(key):
            raise RunError(
                f"{path.parent} was begun with {key} = {theirs.get(key)!r}, this command has "
                f"{ours.get(key)!r}; give the same to --resume, or another --out"
            )


def _is_of_an_added_rival(key: str, models: Sequence[str]) -> bool:
    """Tell whether a setting is of a rival that the run did not have so far, and so binds nothing."""
    names = key.split(".")
    return names[:2] == ["settings", "rivals"] and len(names) > 2 and names[2] not in models


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
