"""Commands as their users type them: a process of its own, byte code cached, as it is once installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import psutil

from tests.places import REPOSITORY

EXTRACT = ("-c", "from pipelines.extract.command import main; main()")


def typed(words: Sequence[str]) -> psutil.Popen:
    """Start Python with these words; what it prints is left out."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return psutil.Popen(
        [sys.executable, *words],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(process: psutil.Popen) -> None:
    """Let it end.

    Raises:
        RuntimeError: it ended otherwise than well.
    """
    if process.wait():
        raise RuntimeError(f"the run ended with {process.returncode}")
