"""What every command line shares: what is said on the console."""

from __future__ import annotations

import subprocess
import sys

from tests.places import REPOSITORY

PROGRAM = """
import logging
from pipelines.console import command_errors
with command_errors():
    for name in ("summer.training", "extraction.weights", "pipelines.extract", "another"):
        logging.getLogger(name).info("progress of %s", name)
        logging.getLogger(name).debug("details of %s", name)
        logging.getLogger(name).warning("trouble of %s", name)
"""


def test_progress_of_our_packages_and_warnings_of_all_reach_the_console() -> None:
    command = [sys.executable, "-c", PROGRAM]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert finished.stdout == ""
    assert finished.stderr.splitlines() == [
        "progress of summer.training",
        "trouble of summer.training",
        "progress of extraction.weights",
        "trouble of extraction.weights",
        "progress of pipelines.extract",
        "trouble of pipelines.extract",
        "trouble of another",
    ]
