"""What was found out before: asked for once, asked again where anything it depends on is another."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from extraction.weights import memory
from extraction.weights.memory import SMALL_BYTES, known_sha256, remembered


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / memory.FOLDER


def test_what_was_said_of_the_same_is_not_asked_again() -> None:
    answers = iter(["one\ntwo", "another"])
    assert remembered("kind", ["a", 1], lambda: next(answers)) == "one\ntwo"
    assert remembered("kind", ["a", 1], lambda: next(answers)) == "one\ntwo"
    assert remembered("kind", ["a", 2], lambda: next(answers)) == "another"
    with pytest.raises(StopIteration):
        remembered("other", ["a", 1], lambda: next(answers))


@pytest.mark.parametrize("damaged", ["", "no digest at all", f"{'0' * 64}\none", b"\xff\xfe"])
def test_a_damaged_entry_is_asked_for_again(cache: Path, damaged: str | bytes) -> None:
    remembered("kind", 1, lambda: "one")
    [entry] = cache.iterdir()
    entry.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    assert remembered("kind", 1, lambda: "two") == "two"
    assert remembered("kind", 1, lambda: "three") == "two"


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file stands where the folder would be")
    assert remembered("kind", 1, lambda: "one") == "one"
    assert remembered("kind", 1, lambda: "two") == "two"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A large file that was written a while ago."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * SMALL_BYTES)
    return path


def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)


def test_a_file_that_nobody_touched_is_hashed_once(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(monkeypatch)
    assert known_sha256(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr(memory, "file_sha256", lambda _: pytest.fail("it was hashed again"))
    known_sha256(weights)


def test_a_file_that_was_altered_under_its_old_times_is_hashed_again(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(monkeypatch)
    known_sha256(weights)
    told = weights.stat()
    time.sleep(0.02)  # a step of the clock by which the kernel notes a change
    weights.write_bytes(b"b" * SMALL_BYTES)
    os.utime(weights, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert known_sha256(weights) == hashlib.sha256(b"b" * SMALL_BYTES).hexdigest()


def test_a_file_written_just_now_is_not_trusted(weights: Path, cache: Path) -> None:
    known_sha256(weights)
    assert not cache.exists()
