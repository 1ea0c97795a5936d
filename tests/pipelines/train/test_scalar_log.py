"""TensorBoard's log: TensorBoard reads it, it is whole after a kill, and a full disk is refused in a line."""

from __future__ import annotations

import errno
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipelines.train.scalar_log import ScalarLog
from summer.durable import REMEDIES, DiskError

KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.train.scalar_log import ScalarLog
log = ScalarLog(Path(sys.argv[1]))
log.add("dev/w_f1", 0.5, epoch=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_reads_each_number_by_epoch(tmp_path: Path) -> None:
    log = ScalarLog(tmp_path / "deep" / "seed0-teacher")
    for epoch, number in ((0, 0.25), (1, float("nan")), (2, 3.0)):
        log.add("loss/total", number, epoch=epoch)
    log.add("dev/w_f1", 0.5, epoch=2)
    log.close()
    (first, _, last) = scalars(tmp_path / "deep" / "seed0-teacher", "loss/total")
    assert (first, last) == ((0, 0.25), (2, 3.0))
    assert scalars(tmp_path / "deep" / "seed0-teacher", "dev/w_f1") == [(2, 0.5)]


def test_what_was_logged_before_a_kill_is_there(tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert scalars(tmp_path, "dev/w_f1") == [(1, 0.5)]


def test_a_disk_that_takes_a_part_and_then_no_more_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ScalarLog(tmp_path)
    (path,) = tmp_path.iterdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    monkeypatch.setitem(REMEDIES, errno.EFBIG, "the file is as large as it may be;")  # stands for a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, hard))
    try:
        with pytest.raises(
            DiskError,
            match="cannot write .*tfevents.*: the file is as large as it may be; and run the same command",
        ):
            log.add("loss/total", 1.0, epoch=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    log.close()


def test_a_folder_that_cannot_be_made_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="a file stands where a folder must be"):
        ScalarLog(tmp_path / "file" / "seed0-teacher")
