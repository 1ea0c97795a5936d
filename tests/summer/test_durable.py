"""Locks that the file system does not keep, what is no file, JSON that somebody else wrote."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from pathlib import Path

import pytest
import torch

from summer.durable import (
    DiskError,
    clear_asides,
    clear_asides_below,
    explained_disk_errors,
    holder_of,
    is_no_file,
    json_of,
    opened_lock,
    taken,
    wait_for,
)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_where_no_locks_are_kept_a_warning_says_so(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    with caplog.at_level(logging.WARNING), (tmp_path / "lock").open("w") as lock:
        assert taken(lock)
    assert f"the file system of {tmp_path} keeps no locks ({os.strerror(number)})" in caplog.text


def test_any_other_failure_of_a_lock_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EBADF, "bad file")

    monkeypatch.setattr(fcntl, "flock", fails)
    with (tmp_path / "lock").open("w") as lock, pytest.raises(OSError, match="bad file"):
        taken(lock)


def test_a_lock_that_is_held_is_not_taken_and_shared_ones_are(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert taken(first, shared=True)
        assert taken(second, shared=True)
        assert not taken(second)


class Refuses:
    """A library that writes, and says in its own way that the disk is full."""

    HDF5 = RuntimeError(
        "Unable to close file (file write failed: time = ..., errno = 28, error message = ...)"
    )
    RUST = Exception("Error while serializing: I/O error: No space left on device (os error 28)")
    TORCH = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")
    TORCH_AT_ONCE = RuntimeError("basic_ios::clear: iostream error")


@pytest.mark.parametrize("said", [Refuses.HDF5, Refuses.RUST, Refuses.TORCH, Refuses.TORCH_AT_ONCE])
def test_a_full_disk_is_told_whichever_library_met_it(said: Exception) -> None:
    with (
        pytest.raises(
            DiskError, match=r"cannot write store: .*disk is full; free some space and run the same"
        ),
        explained_disk_errors(Path("store")),
    ):
        raise said


@pytest.mark.parametrize("said", [RuntimeError("shapes differ"), KeyError("errno"), ValueError("28")])
def test_any_other_error_is_not_explained_away(said: Exception) -> None:
    with pytest.raises(type(said)) as raised, explained_disk_errors(Path("store")):
        raise said
    assert raised.value is said


def test_what_torch_says_of_a_full_disk_is_known() -> None:
    with (
        pytest.raises(DiskError, match=r"torch does not say why: most likely the disk is full; free some"),
        explained_disk_errors(Path("progress")),
    ):
        torch.save({}, "/dev/full")


def test_who_waited_for_a_lock_is_named_as_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("process 1 that let go\n")
    with opened_lock(path) as first, opened_lock(path) as second:
        wait_for(first)
        assert not taken(second)
        assert holder_of(second) == f"process {os.getpid()} on {socket.gethostname()}"


def test_a_lock_says_who_holds_it_alone_and_nobody_else_wipes_that_out(tmp_path: Path) -> None:
    path, me = tmp_path / "lock", f"process {os.getpid()} on {socket.gethostname()}"
    path.write_text("process 1 on a machine of long ago, whose name is longer\n")
    with opened_lock(path) as first, opened_lock(path) as second:
        assert taken(first)
        assert not taken(second)
        assert holder_of(second) == me
    assert path.read_text() == f"{me}\n"
    with opened_lock(path) as first, opened_lock(path) as second:
        assert taken(first, shared=True)
        assert not taken(second)
        assert holder_of(second) == "a process that is not named"


def test_a_lock_on_a_full_disk_is_taken_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", is_full)
    with opened_lock(tmp_path / "lock") as lock:
        assert taken(lock)


def test_pipes_folders_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "round").symlink_to("round")
    assert [is_no_file(path) for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"))] == [True] * 3
    others = (tmp_path / "file", tmp_path / "none", tmp_path / "round", tmp_path / ("n" * 300))
    assert [is_no_file(path) for path in others] == [False] * 4


def test_json_that_is_nested_too_deeply_is_a_value_that_is_wrong() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of("[" * 100_000)
    assert json_of('{"a": [1]}') == {"a": [1]}


def test_a_name_that_is_too_long_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)
    with pytest.raises(DiskError, match="takes no name as long"), explained_disk_errors(path):
        path.write_bytes(b"")


def test_what_killed_runs_left_aside_of_a_file_goes_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.h5.17.tmp", ".b.h5.17.tmp", "a.h5", ".a.h5.tmp.keep"):
        (tmp_path / name).touch()
    clear_asides(tmp_path / "a.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.h5.tmp.keep", ".b.h5.17.tmp", "a.h5"]


def test_what_killed_runs_left_aside_in_a_folder_goes_and_progress_stays(tmp_path: Path) -> None:
    kept = [tmp_path / "seed0" / name for name in (".epoch-3.tmp", "a.json", ".b.tmp", "c.17.tmp")]
    (tmp_path / "seed0" / ".d.5.tmp").mkdir(parents=True)
    for path in (*kept, tmp_path / "seed0" / ".a.json.17.tmp"):
        path.touch()
    clear_asides_below(tmp_path)
    assert sorted((tmp_path / "seed0").iterdir()) == sorted([*kept, tmp_path / "seed0" / ".d.5.tmp"])
