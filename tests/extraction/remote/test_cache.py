"""Copies of files at addresses: whole or not at all, within a limit, and gone when nobody needs them."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from extraction.remote import cache as caches
from extraction.remote.cache import FetchError, MediaCache, NoRoomError, RemoteError
from extraction.remote.reached import answers, landmark
from tests.extraction.remote.server import Behaviour, nobody, serving

CONTENT = bytes(range(256)) * 4000  # a megabyte: more than what sockets hold


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(caches, "SECONDS_BEFORE_TRIES", (0.0, 0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Behaviour]:
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c d.mp4"):
        (folder / name).write_bytes(CONTENT)
    (folder / "empty.mp4").touch()
    with serving(folder) as behaviour:
        yield behaviour


@pytest.fixture
def cache() -> Iterator[MediaCache]:
    made = MediaCache(10 * len(CONTENT))
    yield made
    made.close()


def one(cache: MediaCache, address: str) -> Path | FetchError | NoRoomError:
    return cache.fetch([address])[address]


def test_a_file_is_copied_whole_under_its_own_name_and_only_once(
    server: Behaviour, cache: MediaCache
) -> None:
    address = f"{server.address}/c%20d.mp4"
    copy = one(cache, address)
    assert isinstance(copy, Path)
    assert (copy.name, copy.read_bytes()) == ("c d.mp4", CONTENT)
    assert one(cache, address) == copy
    assert server.asked["c d.mp4"] == 1
    empty = one(cache, f"{server.address}/empty.mp4")
    assert isinstance(empty, Path)
    assert empty.stat().st_size == 0


def test_a_connection_that_is_cut_and_a_server_that_is_busy_are_asked_again(
    server: Behaviour, cache: MediaCache
) -> None:
    server.drops["a.mp4"] = 2
    server.refusals["b.mp4"] = [503, 429]
    found = cache.fetch([f"{server.address}/a.mp4", f"{server.address}/b.mp4"])
    assert [copy.read_bytes() == CONTENT for copy in found.values() if isinstance(copy, Path)] == [True, True]
    assert server.asked == {"a.mp4": 3, "b.mp4": 3}


def test_a_file_that_never_comes_whole_is_given_up_and_leaves_nothing(
    server: Behaviour, cache: MediaCache
) -> None:
    server.drops["a.mp4"] = 99
    failed = one(cache, f"{server.address}/a.mp4?signature=secret")
    assert isinstance(failed, FetchError)
    assert not failed.is_final
    assert "a.mp4 cannot be fetched: " in failed.reason
    assert "secret" not in failed.reason
    assert server.asked["a.mp4"] == 5
    assert not list(Path(tempfile.gettempdir()).glob("summer-media-*/*/a.mp4"))
    server.drops.clear()
    assert isinstance(one(cache, f"{server.address}/a.mp4"), Path)


@pytest.mark.parametrize(
    ("status", "says"), [(404, "there is no file at"), (403, "is refused: 403 Forbidden")]
)
def test_a_no_is_taken_for_a_no(status: int, says: str, server: Behaviour, cache: MediaCache) -> None:
    server.refusals["a.mp4"] = [status] * 9
    failed = one(cache, f"{server.address}/a.mp4")
    assert isinstance(failed, FetchError)
    assert failed.is_final
    assert says in failed.reason
    assert server.asked["a.mp4"] == 1


def test_copies_never_take_more_than_the_limit(server: Behaviour) -> None:
    cache = MediaCache(len(CONTENT) + 1000)
    first, second = f"{server.address}/a.mp4", f"{server.address}/b.mp4"
    assert isinstance(one(cache, first), Path)
    assert isinstance(one(cache, second), NoRoomError)
    assert isinstance(one(cache, first), Path)
    cache.keep_only([second])
    assert isinstance(one(cache, second), Path)
    assert isinstance(one(cache, first), NoRoomError)
    cache.close()
    small = MediaCache(len(CONTENT) - 1)
    assert isinstance(one(small, first), NoRoomError)
    small.close()


def test_other_file_systems_are_fetched_the_same_way(cache: MediaCache) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/films/a b.mp4", CONTENT)
    copy = one(cache, "memory://films/a b.mp4")
    assert isinstance(copy, Path)
    assert copy.read_bytes() == CONTENT
    missing = one(cache, "memory://films/none.mp4")
    assert isinstance(missing, FetchError)
    assert missing.reason == "there is no file at memory://films/none.mp4"
    memory.rm("/films", recursive=True)


def test_a_package_that_is_missing_is_named(cache: MediaCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(RemoteError, match=r"nothing here fetches s3:// yet: .*[Ii]nstall s3fs"):
        one(cache, "s3://bucket/a.mp4")
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(RemoteError, match=r"http:// yet: pip install 'summer-merc\[remote\]'"):
        one(cache, "http://127.0.0.1/a.mp4")


def test_a_full_disk_is_not_the_networks_fault(cache: MediaCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "get_file", full)
    with pytest.raises(RemoteError, match=r"No space left on device.*set TMPDIR"):
        one(cache, "memory://a.mp4")


def test_a_bug_is_no_failure_of_a_file(cache: MediaCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object, **__: object) -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "get_file", wrong)
    with pytest.raises(TypeError, match="no such argument"):
        one(cache, "memory://a.mp4")


def test_what_a_killed_process_left_is_removed_by_the_next_one_and_what_is_in_use_is_not(
    server: Behaviour, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys, tempfile\ntempfile.tempdir = sys.argv[1]\n"
        "from extraction.remote.cache import MediaCache\n"
        "cache = MediaCache(2**30)\ncache.fetch([sys.argv[2]])\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    words = [sys.executable, "-c", program, str(tmp_path), f"{server.address}/a.mp4"]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("summer-media-*")
    assert (left / ".lock").exists()
    MediaCache(1).close()
    assert left.exists(), "it is so young that its lock may not be taken yet"
    os.utime(left, (0, 0))
    with (left / ".lock").open("w") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        os.utime(left, (0, 0))
        MediaCache(1).close()
        assert left.exists()
    os.utime(left, (0, 0))
    MediaCache(1).close()
    assert not left.exists()
    assert not list(tmp_path.glob("summer-media-*"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_where_no_locks_are_kept_media_are_fetched_and_nothing_is_swept(
    number: int, server: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    left = tmp_path / "summer-media-left"
    left.mkdir()
    (left / ".lock").touch()
    os.utime(left, (0, 0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", fails)
    cache = MediaCache(2**30)
    assert isinstance(one(cache, f"{server.address}/a.mp4"), Path)
    cache.close()
    assert list(tmp_path.glob("summer-media-*")) == [left]


def test_a_place_answers_also_with_a_no_and_where_none_does_the_network_is_asked_about(
    server: Behaviour,
) -> None:
    assert answers(f"{server.address}/a.mp4") == ""
    assert answers(f"{server.address}/none.mp4") == ""
    assert answers("memory://none.mp4") == ""
    silent = nobody()
    assert "cannot be fetched" in answers(f"{silent}/a.mp4")
    assert landmark([f"{silent}/a.mp4", f"{server.address}/b.mp4"]) == f"{server.address}/b.mp4"
    with pytest.raises(RemoteError, match=r"no media can be had: http://127.0.0.1:.*offline\?.*same command"):
        landmark([f"{silent}/a.mp4", f"{silent}/b.mp4"])
