"""How long `summer-extract --help` takes: no torch for help."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 11
PROGRAM = (
    "import sys; sys.argv = ['summer-extract', '--help']; from pipelines.extract.command import main; main()"
)


def run() -> dict[str, float]:
    """Median wall seconds of a whole process, the first run not counted."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return {"help_seconds": statistics.median(seconds[1:])}


if __name__ == "__main__":
    print(run())
