"""The cache of weights: entries that seal themselves, and every way in which they can be lost."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from extraction.weights import WeightsUnavailable, cache_folder
from extraction.weights.cache import STALE_SECONDS, keep, kept, ready_cache

FILES = {"model.bin": b"weights", "config.json": b"{}", "README.txt": b"for people"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_is_where_the_environment_says_else_in_the_home(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache
    monkeypatch.setenv("SUMMER_CACHE", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/summer")


def test_an_entry_is_found_again_whole_and_named_by_the_digest_of_its_content() -> None:
    entry = keep("model-1", FILES)
    lines = [f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n" for name in ("config.json", "model.bin")]
    assert entry.name == "model-1-" + hashlib.sha256("".join(lines).encode()).hexdigest()
    assert {path.name: path.read_bytes() for path in entry.iterdir()} == FILES
    assert kept("model-1") == entry
    assert kept("model-2") is None


@pytest.mark.parametrize("damage", ["truncated", "altered", "removed"])
def test_a_damaged_entry_is_not_used_and_is_built_again(damage: str, cache: Path) -> None:
    weights = keep("model-1", FILES) / "model.bin"
    if damage == "removed":
        weights.unlink()
    else:
        weights.write_bytes({"truncated": b"weig", "altered": b"Weights"}[damage])
    assert kept("model-1") is None
    entry = keep("model-1", FILES)
    assert (entry / "model.bin").read_bytes() == b"weights"
    assert kept("model-1") == entry
    assert list(cache.iterdir()) == [entry]


def test_a_changed_readme_does_not_damage_an_entry() -> None:
    entry = keep("model-1", FILES)
    (entry / "README.txt").write_text("another hand")
    assert kept("model-1") == entry


def test_many_at_once_leave_one_whole_entry_and_nothing_beside_it(cache: Path) -> None:
    (keep("model-1", FILES) / "model.bin").write_bytes(b"")  # so that some must also clear a damaged one
    with ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(lambda _: keep("model-1", FILES), range(64)))
    assert entries == set(cache.iterdir()) == {kept("model-1")}


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "file" / "cache"))
    for write in (lambda: keep("model-1", FILES), lambda: ready_cache(1)):
        with pytest.raises(WeightsUnavailable, match=r"file/cache cannot be written .*set SUMMER_CACHE"):
            write()


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WeightsUnavailable, match="No space left on device.*set SUMMER_CACHE"):
        keep("model-1", FILES)
    assert list(cache.iterdir()) == []


def test_too_little_room_is_told_before_anything_is_fetched(cache: Path) -> None:
    ready_cache(1)
    assert list(cache.iterdir()) == []
    free_bytes = shutil.disk_usage(cache).free
    with pytest.raises(WeightsUnavailable, match="MB free and the weights need .*SUMMER_CACHE"):
        ready_cache(2 * free_bytes + 10**9)


def test_what_a_killed_process_left_is_removed_after_a_day(cache: Path) -> None:
    young, old = cache / ".model-1-17-ab.part", cache / ".model-1-16-cd.part"
    for left in (young, old):
        left.mkdir(parents=True)
        (left / "model.bin").touch()
    day_ago = old.stat().st_mtime - STALE_SECONDS - 1
    os.utime(old, (day_ago, day_ago))
    entry = keep("model-1", FILES)
    assert set(cache.iterdir()) == {entry, young}
