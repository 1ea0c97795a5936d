"""The feature store: what is written is read, equal input gives equal bytes, refusals are explained."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from summer import durable
from summer.corpus import Modality, Split, Status, Utterance
from summer.durable import DiskError
from summer.store import EncoderHead, FeatureStore, Header, Rows, StoreError, hdf5, new_store, write_part
from summer.store.unfailing import Unfailing
from tests.summer.store.imports.small_store import write_small_store


def utterance(turn: int, speaker: str = "Zoë") -> Utterance:
    return Utterance(
        id=f"train/dia0_utt{turn}",
        split=Split.TRAIN,
        dialogue="0",
        turn=turn,
        speaker=speaker,
        text=f"Oh, my God! 🎉 {turn}",
        label="joy",
        start_seconds=1.5 if turn else None,
        end_seconds=2.0 if turn else None,
    )


def header(dim: int = 3) -> Header:
    return Header(
        corpus="meld",
        protocol="test_clips=corrected",
        modality=Modality.AUDIO,
        labels=("joy", "anger"),
        dim=dim,
        fingerprint="f" * 64,
        corpus_digest="d" * 64,
        settings={"model": "ComParE_2016"},
    )


def rows(count: int = 2) -> Rows:
    statuses = [Status.OK, Status.NO_AUDIO, Status.OK][:count]
    return Rows(
        utterances=[utterance(turn) for turn in range(count)],
        statuses=statuses,
        reasons=["" if status is Status.OK else "silent: peak −∞ dBFS" for status in statuses],
        columns={"duration_seconds": [0.5, 1.0, 2.0][:count], "channels": ["mono", "", "5.1"][:count]},
    )


def vectors(table: Rows, dim: int = 3) -> np.ndarray:
    values = np.arange(1, len(table) * dim + 1, dtype=np.float32).reshape(len(table), dim)
    values[~table.usable] = 0
    return values


def write(path: Path, table: Rows) -> None:
    with new_store(path, header(), table) as writer:
        writer.write_raw(0, vectors(table))
        writer.write_reduced(writer.read_raw()[:, :2], {"method": "pca", "width": "2"})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "meld" / "audio.h5"
    write(path, rows())
    with FeatureStore(path) as store:
        assert store.header.settings == {"model": "ComParE_2016"}
        assert store.header.reduction == {"method": "pca", "width": "2"}
        assert store.header.labels == ("joy", "anger")
        assert [u.speaker for u in store.rows.utterances] == ["Zoë", "Zoë"]
        assert [u.start_seconds for u in store.rows.utterances] == [None, 1.5]
        assert [u.text for u in store.rows.utterances] == ["Oh, my God! 🎉 0", "Oh, my God! 🎉 1"]
        assert store.rows.statuses == [Status.OK, Status.NO_AUDIO]
        assert store.rows.reasons[1] == "silent: peak −∞ dBFS"
        assert store.rows.columns == {"duration_seconds": [0.5, 1.0], "channels": ["mono", ""]}
        np.testing.assert_array_equal(store.features("raw"), vectors(rows()))
        np.testing.assert_array_equal(store.features("reduced"), vectors(rows())[:, :2])
        assert store.reduced_width == 2


def test_the_layout_is_the_documented_one_for_any_hdf5_reader(tmp_path: Path) -> None:
    path = tmp_path / "audio.h5"
    write(path, rows())
    with h5py.File(path) as file:
        assert file["id"].asstr()[0] == "train/dia0_utt0"
        assert set(file) == {
            *("id", "split", "dialogue", "turn", "speaker", "label", "start_seconds", "end_seconds"),
            *("status", "reason", "words", "columns", "features"),
        }
        assert file["features/raw"].dtype == np.float32
        assert (file["words/utf8"].dtype, file["words/ends"].dtype) == (np.uint8, np.int64)
        first_end, second_end = file["words/ends"][:]
        assert bytes(file["words/utf8"][first_end:second_end]).decode() == "Oh, my God! 🎉 1"


def a_head(classes: int = 2, dim: int = 3) -> EncoderHead:
    weight = np.arange(classes * dim, dtype=np.float32).reshape(classes, dim) / 7
    return EncoderHead(weight=weight, bias=np.linspace(-1, 1, classes, dtype=np.float32))


def write_with_head(path: Path, head: EncoderHead) -> None:
    with new_store(path, header(), rows()) as writer:
        writer.write_raw(0, vectors(rows()))
        writer.write_head(head)


def test_a_head_comes_back_as_it_was_and_any_hdf5_reader_finds_it(tmp_path: Path) -> None:
    head = a_head()
    write_with_head(tmp_path / "text.h5", head)
    with FeatureStore(tmp_path / "text.h5") as store:
        assert store.head is not None
        np.testing.assert_array_equal(store.head.weight, head.weight)
        np.testing.assert_array_equal(store.head.bias, head.bias)
    with h5py.File(tmp_path / "text.h5") as file:
        assert set(file["head"]) == {"weight", "bias"}
        assert file["head/weight"].dtype == file["head/bias"].dtype == np.float32
        assert file.attrs["schema_version"] == 1
    write_with_head(tmp_path / "again.h5", head)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "text.h5").read_bytes()


def test_a_store_that_is_given_no_head_has_none(tmp_path: Path) -> None:
    write(tmp_path / "audio.h5", rows())
    with FeatureStore(tmp_path / "audio.h5") as store:
        assert store.head is None


@pytest.mark.parametrize(("classes", "dim"), [(3, 3), (2, 4)])
def test_a_head_of_other_labels_or_vectors_is_refused_and_leaves_nothing(
    classes: int, dim: int, tmp_path: Path
) -> None:
    with pytest.raises(
        StoreError, match=rf"head is \({classes}, {dim}\), the store has 2 labels .* 3 wide; give"
    ):
        write_with_head(tmp_path / "text.h5", a_head(classes, dim))
    assert not list(tmp_path.iterdir())


def test_a_head_that_does_not_belong_to_its_store_is_refused_in_reading(tmp_path: Path) -> None:
    write(tmp_path / "text.h5", rows())
    with h5py.File(tmp_path / "text.h5", "r+") as file:
        file["head/weight"] = np.zeros((2, 9), dtype=np.float32)
    for bias in (None, np.zeros(2, dtype=np.float32), np.zeros(5, dtype=np.float32)):
        with h5py.File(tmp_path / "text.h5", "r+") as file:
            file.pop("head/bias", None)
            if bias is not None:
                file["head/bias"] = bias
        with (
            FeatureStore(tmp_path / "text.h5") as store,
            pytest.raises(StoreError, match=r"text.h5 has a head that cannot be used"),
        ):
            _ = store.head


@pytest.mark.parametrize(
    ("weight", "bias"),
    [((2,), (2,)), ((2, 3), (3,)), ((2, 3), (2, 1))],
)
def test_shapes_of_a_head_that_do_not_belong_together_are_refused(
    weight: tuple[int, ...], bias: tuple[int, ...]
) -> None:
    with pytest.raises(StoreError, match=r"give \(classes, dim\) and \(classes,\)"):
        EncoderHead(weight=np.zeros(weight, np.float32), bias=np.zeros(bias, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_head_that_is_not_finite_is_refused(bad: float) -> None:
    head = a_head()
    for name in ("weight", "bias"):
        spoilt = getattr(head, name).copy()
        spoilt[0] = bad
        with pytest.raises(StoreError, match="NaN or infinity"):
            replace(head, **{name: spoilt})


def with_texts(texts: Sequence[str]) -> Rows:
    return Rows(
        utterances=[replace(utterance(turn), text=text) for turn, text in enumerate(texts)],
        statuses=[Status.OK] * len(texts),
        reasons=[""] * len(texts),
    )


def read_texts(path: Path) -> list[str]:
    with FeatureStore(path) as store:
        return [u.text for u in store.rows.utterances]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["", "a", "", ""],
        ["👩‍👩‍👧 ça", "\0", "ends in NUL\0\0", "\0\0begins so"],
        ["two\nlines\r\n", "\ttab ", "\u2028", "\ufeffmark"],
    ],
)
def test_words_come_back_as_they_were(tmp_path: Path, texts: list[str]) -> None:
    table = with_texts(texts)
    write_part(tmp_path / "part.h5", header(), table, vectors(table))
    with new_store(tmp_path / "store.h5", header(), table) as writer:
        writer.write_raw(0, vectors(table))
    assert read_texts(tmp_path / "part.h5") == read_texts(tmp_path / "store.h5") == texts
    with FeatureStore(tmp_path / "store.h5") as store:
        assert store.rows.has_words is any(texts)


def test_one_very_long_row_does_not_lengthen_the_others(tmp_path: Path) -> None:
    texts = [f"line {row}" for row in range(1000)]
    texts[500] = "so " * 1_000_000
    table = with_texts(texts)
    write_part(tmp_path / "part.h5", header(), table, vectors(table))
    assert read_texts(tmp_path / "part.h5") == texts
    assert (tmp_path / "part.h5").stat().st_size < 2 * len(texts[500])


def test_words_that_have_no_utf8_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"words 'half \\ud83d' have no UTF-8 .*; correct them"):
        write_part(tmp_path / "part.h5", header(), with_texts(["half \ud83d"]), np.ones((1, 3), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_an_older_version_is_read_without_words_and_assets(tmp_path: Path) -> None:
    path = tmp_path / "audio.h5"
    write(path, rows())
    with h5py.File(path, "a") as file:
        del file["words"]
        del file.attrs["assets"]
    with FeatureStore(path) as store:
        assert [u.text for u in store.rows.utterances] == ["", ""]
        assert not store.rows.has_words
        assert store.header.assets == {}
        assert store.rows.reasons == rows().reasons


@pytest.mark.parametrize("ends", [[36], [3, 30], [37, 36], [-1, 36], [2**40, 36], [15, 36]])
def test_words_whose_ends_do_not_fit_the_rows_or_the_bytes_are_refused(
    tmp_path: Path, ends: list[int]
) -> None:
    path = tmp_path / "audio.h5"
    write(path, rows())
    with h5py.File(path, "a") as file:
        assert file["words/utf8"].shape == (36,)
        del file["words/ends"]
        file["words/ends"] = np.array(ends, dtype=np.int64)
    with pytest.raises(StoreError, match="is not a feature store of this project"):
        FeatureStore(path)


def test_assets_are_read_back_and_leave_the_rest_of_the_header_as_it_is(tmp_path: Path) -> None:
    assets = {"encoder": "FacebookAI/roberta-büse", "reducer": "audio.reducer.safetensors"}
    write_part(tmp_path / "part.h5", replace(header(), assets=assets), rows(), vectors(rows()))
    with FeatureStore(tmp_path / "part.h5") as store:
        assert store.header == replace(header(), assets=assets)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", rows())
    write(tmp_path / "b.h5", rows())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_row_that_is_not_ok_cannot_hold_a_vector(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="must hold zeros"),
        new_store(tmp_path / "a.h5", header(), rows()) as writer,
    ):
        writer.write_raw(0, np.ones((2, 3), dtype=np.float32))


def test_an_error_while_writing_leaves_the_old_store_and_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "audio.h5"
    write(path, rows())
    before = path.read_bytes()
    with pytest.raises(KeyError), new_store(path, header(), rows()):
        raise KeyError("interrupted")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_row_standing_twice_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match="'train/dia0_utt1' stands twice"):
        Rows(utterances=[utterance(1), utterance(1)], statuses=[Status.OK, Status.OK], reasons=["", ""])


@pytest.mark.parametrize("content", [b"", b"id,split\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_store_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.h5"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"video\.h5 cannot be read as HDF5.*run summer-extract"):
        FeatureStore(path)


def test_a_truncated_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "video.h5"
    write(path, rows())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StoreError, match="cannot be read as HDF5"):
        FeatureStore(path)


def test_foreign_hdf5_and_newer_schemas_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.h5"
    h5py.File(foreign, "w").close()
    with pytest.raises(StoreError, match="not a feature store"):
        FeatureStore(foreign)
    newer = tmp_path / "newer.h5"
    write(newer, rows())
    with h5py.File(newer, "a") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(StoreError, match=r"schema is version 99, this program reads 1; .*--overwrite"):
        FeatureStore(newer)


def test_reduced_features_before_reduction_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    write_part(tmp_path / "part.h5", header(), rows(), vectors(rows()))
    with FeatureStore(tmp_path / "part.h5") as store, pytest.raises(StoreError, match="no reduced features"):
        store.features("reduced")


def test_a_full_disk_is_explained_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, f"No space left on device for {len(content)} bytes")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match="disk is full; free some space.*what is finished is kept"):
        write_part(tmp_path / "part.h5", header(), rows(), vectors(rows()))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_while_hdf5_writes_is_explained(tmp_path: Path) -> None:
    words = f"file write failed: file descriptor = 3, errno = {errno.ENOSPC}, error message = 'No space left'"
    with (
        pytest.raises(DiskError, match="the disk is full"),
        new_store(tmp_path / "a.h5", header(), rows()),
    ):
        raise RuntimeError(words)
    assert list(tmp_path.iterdir()) == []


def test_a_store_too_large_for_the_disk_is_refused_before_it_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 3 * durable.BYTES_PER_MIB})
    monkeypatch.setattr(durable.shutil, "disk_usage", lambda _: usage)
    wide = header(dim=10**6)
    with (
        pytest.raises(DiskError, match=r"needs up to 15 MiB and .* has 3 MiB free"),
        new_store(tmp_path / "a.h5", wide, rows()),
    ):
        pytest.fail("the store was begun")


def test_a_disk_that_is_full_is_told_and_hdf5_survives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(hdf5, "Unfailing", lambda _: Unfailing(full))
        with pytest.raises(DiskError, match="the disk is full"):
            write_small_store(tmp_path / "text.h5")
    assert list(tmp_path.iterdir()) == []


def test_after_a_write_that_failed_all_is_well_until_the_failure_is_asked_for() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        file = Unfailing(full)
        file.raise_failure()
        assert file.write(b"abc") == 3
        assert file.readinto(memoryview(bytearray(4))) == 4
        with pytest.raises(OSError, match="No space left"):
            file.raise_failure()
