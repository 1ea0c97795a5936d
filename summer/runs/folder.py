"""The folder of a run: what it was told to do, and whether it may be gone on with.

RUN/run.json            settings, seeds, corpus, stores' fingerprints, commit, versions
RUN/seed<N>/            models, histories, and predictions.csv once the seed is finished
RUN/predictions.csv     all seeds    RUN/results.json    RUN/table.md    RUN/*.png    RUN/tensorboard/
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from summer.durable import explained_disk_errors, write_aside

RECORD = "run.json"
MOST_SEEDS = 1000
PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scikit-learn", "h5py")
MUST_AGREE = ("settings", "teacher_run", "corpus", "protocol", "labels", "stores", "precision")


class RunError(ValueError):
    """A run that cannot begin or go on; the message names the remedy."""


def open_run(out: Path, record: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Begin a run, or go on with one of the same settings.

    Args:
        record: what the run is told to do; JSON.

    Raises:
        RunError: the folder holds a run, and neither --resume nor --overwrite is given or its settings
            differ; or it holds something else.
        DiskError: the folder cannot be written.
    """
    path = out / RECORD
    if resume and overwrite:
        raise RunError("--resume goes on with a run, --overwrite starts it anew; give one of them")
    if path.is_file() and "settings" not in _recorded(path):
        raise RunError(f"{path} is no record of a run; give another --out, or delete {out} yourself")
    if overwrite and path.is_file():
        with explained_disk_errors(out):
            shutil.rmtree(out)
    if path.is_file():
        if not resume:
            raise RunError(
                f"{out} holds a run; --resume goes on with it, --overwrite starts it anew; or give another "
                "--out"
            )
        _check_same(path, record)
    elif out.is_dir() and any(not _is_left_of_a_kill(entry) for entry in out.iterdir()):
        raise RunError(f"{out} is not empty and holds no run; give another --out")
    write_aside(path, json.dumps(record, indent=1, ensure_ascii=False).encode())


def seeds_so_far(out: Path) -> list[int]:
    """The seeds that a run was begun with; none where there is no run."""
    path = out / RECORD
    return list(_recorded(path).get("seeds", ())) if path.is_file() else []


def seed_folder(out: Path, seed: int) -> Path:
    """Where a seed's models are."""
    return out / f"seed{seed}"


def origin_of_program() -> dict[str, Any]:
    """Commit of the program where it is known, and versions of what it stands on."""
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def parse_seeds(text: str) -> list[int]:
    """`0-4` or `0,3` to a list, in order, each once.

    Raises:
        RunError: anything else.
    """
    try:
        return sorted({seed for part in text.split(",") for seed in _range(part)})
    except ValueError as error:
        raise RunError(f"seeds {text!r}: write them as 0-4 or 0,3, {MOST_SEEDS} at most") from error


def _range(part: str) -> Sequence[int]:
    first, dash, last = part.strip().partition("-")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not 0 < len(seeds) <= MOST_SEEDS:
        raise ValueError(part)
    return seeds


def _commit() -> str:
    folder = Path(__file__).resolve().parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _recorded(path: Path) -> Mapping[str, Any]:
    """What a record says, {} where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_left_of_a_kill(entry: Path) -> bool:
    return entry.name.startswith(f".{RECORD}.") and entry.name.endswith(".tmp")


def _check_same(path: Path, record: Mapping[str, Any]) -> None:
    ours, theirs = dict(_flat(record)), dict(_flat(_recorded(path)))
    for key in sorted(ours.keys() | theirs.keys()):
        if key.partition(".")[0] in MUST_AGREE and ours.get(key) != theirs.get(key):
            raise RunError(
                f"{path.parent} was begun with {key} = {theirs.get(key)!r}, this command has "
                f"{ours.get(key)!r}; give the same to --resume, or another --out"
            )


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
