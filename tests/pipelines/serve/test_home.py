"""The server's folder: of its user alone, gone at the end, and what a killed server left is removed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.serve.home import LOCK, PREFIX, left_overs, new_home
from tests.places import REPOSITORY

SERVER = """
import sys, time
from pathlib import Path
from pipelines.serve.home import new_home
with new_home(Path(sys.argv[1])) as home:
    (home / "recording").write_text("somebody's")
    print(home, flush=True)
    time.sleep(600)
"""


def other_server(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(parent)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_it_is_of_its_user_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    with new_home(tmp_path) as home:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        (home / "talk").mkdir()
        (home / "talk" / "film.mp4").write_bytes(b"film")
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_also_where_the_server_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run"), new_home(tmp_path):
        raise ValueError("no run")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    process, theirs = other_server(tmp_path)
    try:
        with new_home(tmp_path) as home:
            assert {theirs, home} == set(tmp_path.iterdir())
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (theirs / "recording").is_file()
        with new_home(tmp_path) as home:
            assert [home] == list(tmp_path.iterdir())
    finally:
        process.kill()
        process.communicate()


def test_what_this_program_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}notes").mkdir()  # of this name, without the lock file
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}file").touch()
    assert left_overs(tmp_path) == []
    (tmp_path / f"{PREFIX}made").mkdir()
    (tmp_path / f"{PREFIX}made" / LOCK).touch()
    assert left_overs(tmp_path) == [tmp_path / f"{PREFIX}made"]


def test_a_folder_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{PREFIX}made").mkdir()
    (tmp_path / f"{PREFIX}made" / LOCK).touch()
    another = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: another)
    assert left_overs(tmp_path) == []
