"""A Ray cluster of several nodes, each a process of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MARKS = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves its log files to the interpreter
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MOST_SECONDS = 600.0  # of a busy machine


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A head without cores, and nodes with one core each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(nodes):
                made.add_node(num_cpus=1)
            yield made
        finally:
            made.shutdown()


def processes_named(title: str) -> list[int]:
    """Processes that Ray has given a title, such as the actor's method that they are in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if told.startswith(f"ray::{title}".encode()):
                found.append(int(entry.name))
    return found


def until(happens: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + MOST_SECONDS
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {MOST_SECONDS:.0f} s: {happens}")
        time.sleep(0.05)
