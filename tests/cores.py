"""How many cores a test may keep busy."""

from __future__ import annotations

import os


def own_share_of_cores() -> int:
    """This worker's share: threads beyond the cores wait for one another and slow large models many times."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(1, len(os.sched_getaffinity(0)) // workers)
