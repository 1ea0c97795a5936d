"""One training at a time in a folder: the second is refused by the name of the first, and a kill lets go."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from summer.durable import DiskError
from summer.runs import alone
from summer.runs.alone import alone_in
from summer.runs.folder import RunError, begin_run
from tests.summer.runs.test_folder import RUN_RECORD

HOLDER = """
import sys, time
from pathlib import Path
from summer.runs.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_is_refused_by_the_name_of_the_first_and_a_kill_lets_go(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "mine"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        named = rf"another run is at work in {out} \(process {holder.pid} on {socket.gethostname()}\); "
        with (
            pytest.raises(RunError, match=f"{named}wait for it, stop it, or give another --out"),
            alone_in(out),
        ):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with alone_in(out):
        pass
    assert list(out.parent.iterdir()) == []


def test_who_overwrites_the_run_still_has_its_folder_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    begin_run(out, RUN_RECORD, resume=False, overwrite=False)
    with alone_in(out):
        begin_run(
            out, RUN_RECORD, resume=False, overwrite=True, make_way=lambda run: run.rename(tmp_path / "x")
        )
        with pytest.raises(RunError, match="another run is at work"), alone_in(out):
            pass


def test_nothing_is_left_where_nothing_was(tmp_path: Path) -> None:
    with alone_in(tmp_path / "deep" / "er" / "run"):
        assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == [".run.lock"]
    assert list(tmp_path.iterdir()) == []


def test_folders_with_something_in_them_stay(tmp_path: Path) -> None:
    with alone_in(tmp_path / "deep" / "er" / "run"):
        (tmp_path / "deep" / "notes.txt").touch()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["notes.txt"]


def test_a_lock_whose_file_was_removed_meanwhile_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and taking it the one who had it ended, and a third one came."""
    opened: list[TextIO] = []

    def as_the_first_one_ends(path: Path) -> TextIO:
        lock = path.open("a+")
        if not opened:
            path.unlink()
        opened.append(lock)
        return lock

    monkeypatch.setattr(alone, "opened_lock", as_the_first_one_ends)
    with alone_in(tmp_path / "run"):
        assert len(opened) == 2
        assert opened[0].closed
        with pytest.raises(RunError), alone_in(tmp_path / "run"):
            pass


def closed(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
    """Let nobody open a file in this folder, whoever runs the tests."""
    opened_lock = alone.opened_lock

    def refused(path: Path) -> TextIO:
        if path.parent == folder:
            raise OSError(number, os.strerror(number), str(path))
        return opened_lock(path)

    monkeypatch.setattr(alone, "opened_lock", refused)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_where_nobody_may_write_beside_the_folder_the_lock_is_in_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    closed(monkeypatch, tmp_path, number)
    with alone_in(out):
        with pytest.raises(RunError, match="another run is at work"), alone_in(out):
            pass
        begin_run(out, RUN_RECORD, resume=False, overwrite=False)
    assert [path.name for path in out.iterdir()] == ["run.json"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(monkeypatch, tmp_path / "new", errno.EACCES)
    with pytest.raises(DiskError, match="permission denied"), alone_in(tmp_path / "new" / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(monkeypatch, tmp_path, errno.ENOSPC)
    with pytest.raises(DiskError, match="the disk is full"), alone_in(tmp_path / "run"):
        pass


def test_where_no_locks_are_kept_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fails)
    with caplog.at_level(logging.WARNING), alone_in(tmp_path / "run"), alone_in(tmp_path / "run"):
        pass
    assert caplog.text.count("keeps no locks") == 2
