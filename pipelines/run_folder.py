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

from summer.durable import write_aside

RECORD = "run.json"
PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scikit-learn", "h5py")
MUST_AGREE = ("settings", "stage", "teacher_run", "corpus", "protocol", "labels", "stores", "precision")


class RunError(ValueError):
    """A run that cannot begin or go on; the message names the remedy."""


def open_run(out: Path, record: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Begin a run, or go on with one of the same settings.

    Args:
        record: what the run is told to do; JSON.

    Raises:
        RunError: the folder holds a run, and neither --resume nor --overwrite is given or its settings
            differ.
        DiskError: the folder cannot be written.
    """
    path = out / RECORD
    if overwrite and path.is_file():
        shutil.rmtree(out)
    if path.is_file():
        if not resume:
            raise RunError(
                f"{out} holds a run; --resume goes on with it, --overwrite starts it anew; or give another "
                "--out"
            )
        _check_same(path, record)
    elif out.is_dir() and any(out.iterdir()):
        raise RunError(f"{out} is not empty and holds no run; give another --out")
    write_aside(path, json.dumps(record, indent=1, ensure_ascii=False).encode())


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
        raise RunError(f"seeds {text!r}: write them as 0-4 or 0,3") from error


def _range(part: str) -> Sequence[int]:
    first, dash, last = part.strip().partition("-")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not seeds:
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


def _check_same(path: Path, record: Mapping[str, Any]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path} cannot be read ({error}); --overwrite starts the run anew") from error
    ours, theirs = dict(_flat(record)), dict(_flat(before))
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
