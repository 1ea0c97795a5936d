"""How soon a run does something: its first row, and a run on finished stores that finds nothing to do.

Each run is a process of its own, as typed, with its workers; byte code is cached, as it is once installed.
The first row is there once the part that holds it is renamed into place.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.typed import EXTRACT, typed, wait_for
from tests.places import DEMO

RUNS = 5
SECONDS_BETWEEN_LOOKS = 0.005


def run() -> dict[str, float]:
    """Median wall seconds until a first row is written, by modality, and of a run with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, float] = {}
        for modality in ("audio", "video", "text"):
            seconds = [
                first_row_seconds(Path(folder) / f"{modality}-{number}", modality) for number in range(RUNS)
            ]
            figures[f"first_row_of_{modality}_seconds"] = statistics.median(seconds[1:])
        finished = Path(folder) / "finished"
        wait_for(_typed(finished, "all", "-o", "text.mode=frozen"))
        rounds = [_nothing_to_do(finished) for _ in range(RUNS)]
        figures["nothing_to_do_seconds"] = statistics.median(wall for wall, _ in rounds[1:])
        figures["nothing_to_do_processor_seconds"] = statistics.median(work for _, work in rounds[1:])
    return figures


def first_row_seconds(out: Path, modality: str) -> float:
    """From the command to the first row of one clip, in seconds."""
    started = time.perf_counter()
    process = _typed(out, modality, "--limit", "1", "-o", "text.mode=frozen")
    parts, store = out / "demo" / f"{modality}.parts", out / "demo" / f"{modality}.h5"
    while not (store.exists() or any(parts.glob("*.h5"))):
        if process.poll() is not None:
            raise RuntimeError(f"{modality}: the run ended with {process.returncode} and without a row")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    seconds = time.perf_counter() - started
    wait_for(process)
    return seconds


def _nothing_to_do(out: Path) -> tuple[float, float]:
    """Wall and processor seconds of a run on three finished stores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    wait_for(_typed(out, "all", "-o", "text.mode=frozen"))
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _typed(out: Path, modality: str, *more: str) -> psutil.Popen:
    words = ["--dataset", "demo", "--root", str(DEMO), "--out", str(out), "--modality", modality, *more]
    return typed([*EXTRACT, *words])


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:40} {value:.2f}")
