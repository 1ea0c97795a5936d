"""`make bench`: all benchmarks, one after the other, as one table."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib import import_module
from importlib.metadata import version

BENCHMARKS = (
    "startup",
    "first_row",
    "threads",
    "audio",
    "text",
    "video",
    "faces",
    "memory",
    "endurance",
    "scale",
    "reading",
    "training",
    "rivals",
    "graphs",
    "tuning",
    "report",
)


def main() -> None:
    """Run every benchmark and print its figures."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "opensmile", "av"))
    print(f"{date.today()}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}, {versions}")
    for name in BENCHMARKS:
        for figure, value in import_module(f"tests.bench.{name}").run().items():
            print(f"{name:8} {figure:40} {value:.4g}")


if __name__ == "__main__":
    main()
