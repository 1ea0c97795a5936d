"""Differences of stores: none between equals, each kind named with both values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from summer.corpus import Status
from summer.store import FeatureStore, new_store
from summer.store.comparison import differences
from tests.summer.store.test_hdf5 import a_head, header, rows, vectors, write, write_with_head


def found(first: Path, second: Path) -> dict[str, tuple[str, str]]:
    with FeatureStore(first) as one, FeatureStore(second) as two:
        return {d.where: (d.first, d.second) for d in differences(one, two)}


def test_equal_stores_do_not_differ(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", rows())
    write(tmp_path / "b.h5", rows())
    assert found(tmp_path / "a.h5", tmp_path / "b.h5") == {}


def test_each_kind_of_difference_is_named_with_both_values(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", rows(3))
    table = rows(2)
    other = replace(header(), fingerprint="e" * 64, settings={"model": "eGeMAPS", "rate": "8000"})
    table = replace(table, statuses=[Status.OK, Status.MISSING])
    changed = vectors(table)
    changed[0, 1] += 1
    with new_store(tmp_path / "b.h5", other, table) as writer:
        writer.write_raw(0, changed)
    result = found(tmp_path / "a.h5", tmp_path / "b.h5")
    assert result["fingerprint"] == ("f" * 64, "e" * 64)
    assert result["settings model"] == ("ComParE_2016", "eGeMAPS")
    assert result["settings rate"] == ("absent", "8000")
    assert result["reduction method"] == ("pca", "absent")
    assert result["row train/dia0_utt2"] == ("present", "absent")
    assert result["status of train/dia0_utt1"] == ("no_audio", "missing")
    assert not [where for where in result if where.startswith("words")]
    moved = [where for where in result if where.startswith("vector of train/dia0_utt0")]
    assert len(moved) == 1
    assert result[moved[0]] == ("2", "3")
    assert "most at 1" in moved[0]
    assert np.isclose(float(moved[0].partition("cosine ")[2][:8]), 16 / np.sqrt(14 * 19), atol=1e-5)


def test_heads_are_compared_number_by_number(tmp_path: Path) -> None:
    head = a_head()
    other = replace(head, bias=head.bias * 2)
    write_with_head(tmp_path / "a.h5", head)
    write_with_head(tmp_path / "same.h5", head)
    write_with_head(tmp_path / "other.h5", other)
    with new_store(tmp_path / "none.h5", header(), rows()) as writer:
        writer.write_raw(0, vectors(rows()))
    assert found(tmp_path / "a.h5", tmp_path / "same.h5") == {}
    assert found(tmp_path / "a.h5", tmp_path / "none.h5") == {"head": ("present", "absent")}
    assert found(tmp_path / "none.h5", tmp_path / "a.h5") == {"head": ("absent", "present")}
    assert found(tmp_path / "a.h5", tmp_path / "other.h5") == {
        "head": ("weights up to 0.714286, biases up to 1", "weights up to 0.714286, biases up to 2")
    }


def test_differing_words_are_named_only_where_both_stores_hold_words(tmp_path: Path) -> None:
    table = rows()
    first, second = table.utterances
    changed = replace(table, utterances=[first, replace(second, text="")])
    wordless = replace(table, utterances=[replace(one, text="") for one in table.utterances])
    write(tmp_path / "a.h5", table)
    write(tmp_path / "b.h5", changed)
    write(tmp_path / "c.h5", wordless)
    assert found(tmp_path / "a.h5", tmp_path / "b.h5") == {"words of train/dia0_utt1": (second.text, "")}
    assert found(tmp_path / "a.h5", tmp_path / "c.h5") == {}
    assert found(tmp_path / "c.h5", tmp_path / "b.h5") == {}
