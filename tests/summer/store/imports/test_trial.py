"""A pickle that asks for any memory or time is refused by name; one of features passes."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summer.store.imports.trial import DEEPEST, check_plain, read_pickle
from summer.store.imports.unpickle import ImportFileError


def doubled(count: int) -> Any:
    content: Any = ()
    for _ in range(count):
        content = (content, content)
    return content


BOMBS = {
    "a memo": b"\x80\x02]r\xff\xff\xff\x7f.",
    "bytes": b"\x80\x02cbuiltins\nbytes\n\x8a\x05" + (10**11).to_bytes(5, "little") + b"\x85R.",
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "a key": b"\x80\x02}" + pickle.dumps(doubled(99), 2)[2:-1] + b"K\x01s.",
    "depth": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_asks_for_any_memory_or_time_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[name])
    with pytest.raises(ImportFileError, match=r"bomb\.pkl"):
        read_pickle(path)


def test_features_pass(tmp_path: Path) -> None:
    path = tmp_path / "good.pkl"
    path.write_bytes(pickle.dumps(({0: [np.ones(3)]}, [0, 1], {"a"})))
    vectors, names, words = read_pickle(path)  # type: ignore[misc]  # whatever it is
    np.testing.assert_array_equal(vectors[0][0], np.ones(3))
    assert (names, words) == ([0, 1], {"a"})


def test_what_a_pickle_names_is_refused_as_before(tmp_path: Path) -> None:
    path = tmp_path / "call.pkl"
    path.write_bytes(b"\x80\x02cos\nsystem\nU\x04true\x85R.")
    with pytest.raises(ImportFileError, match=r"asks for os\.system"):
        read_pickle(path)


def test_containers_are_counted_as_often_as_they_are_met() -> None:
    with pytest.raises(ValueError, match="more than 1,000,000 entries"):
        check_plain([[0] * 1000] * 1001, 10)
    with pytest.raises(ValueError, match=f"more than {DEEPEST} deep"):
        check_plain(doubled(DEEPEST + 1), 10)
    check_plain(doubled(DEEPEST), 10)
