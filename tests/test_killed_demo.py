"""The real command on the demo corpus, killed at random moments, ends in an undisturbed run's bytes."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.places import DEMO

KILLS = 5


def command(out: Path, modality: str) -> list[str]:
    program = "from pipelines.extract.command import main; main()"
    words = ["--dataset", "demo", "--root", DEMO, "--out", out, "--modality", modality]
    # A frozen encoder: fine-tuning has a resume, and a test, of its own.
    return [sys.executable, "-c", program, *map(str, words), "-o", "text.mode=frozen"]


def digest(out: Path, modality: str) -> str:
    return hashlib.sha256((out / "demo" / f"{modality}.h5").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("modality", ["text", "audio", "video"])
def test_many_kills_end_in_the_same_bytes_as_an_undisturbed_run(modality: str, tmp_path: Path) -> None:
    started = time.monotonic()
    subprocess.run(command(tmp_path / "undisturbed", modality), check=True, capture_output=True)
    seconds = time.monotonic() - started
    expected = digest(tmp_path / "undisturbed", modality)
    dice = random.Random(11)
    out = tmp_path / "killed"
    for _ in range(KILLS):
        process = subprocess.Popen(
            command(out, modality), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (out / "demo" / f"{modality}.h5").exists():
            assert digest(out, modality) == expected
            shutil.rmtree(out)  # a finished store has nothing left to kill: begin anew
    subprocess.run(command(out, modality), check=True, capture_output=True)
    assert digest(out, modality) == expected
