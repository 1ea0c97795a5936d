"""CSV and npz keyed by utterance: what the file has, in the order of another store; the rest is missing."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from summer.corpus import Modality, Split, Status, Utterance
from summer.store import FeatureStore, Header, Rows, new_store
from summer.store.exports import export_npz
from summer.store.imports import keyed_npz
from summer.store.imports.imported import ImportedStore, write_store
from summer.store.imports.keyed import KeyedFile, store_beside
from summer.store.imports.keyed_csv import read_keyed_csv
from summer.store.imports.keyed_npz import read_keyed_npz
from summer.store.imports.unpickle import ImportFileError
from tests.summer.store.imports.small_store import IDS, WORDS, write_small_store

TEMPLATE = "{split}/dia{dialogue}_utt{utterance}"


@pytest.fixture
def like(tmp_path: Path) -> Path:
    return write_small_store(tmp_path / "text.h5")


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path


def archive(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "table.npz", allow_pickle=True, **arrays)
    return folder / "table.npz"


def beside(like: Path, file: KeyedFile, *, ignore_unknown: bool = False) -> ImportedStore:
    with FeatureStore(like) as store:
        return store_beside(store, file, modality=Modality.AUDIO, ignore_unknown=ignore_unknown)


def test_rows_stand_in_the_order_of_the_other_store_and_the_rest_is_missing(
    like: Path, tmp_path: Path
) -> None:
    file = read_keyed_csv(
        table(
            tmp_path,
            "id,speaker,pitch,rate,note",
            f"{IDS[3]},1,7,8,x",
            "",
            f"{IDS[0]},2, 1.5 ,-2e1,",
            f"{IDS[1]},3,,4,",
        )
    )
    imported = beside(like, file)
    assert imported.header.dim == 2
    assert imported.vectors.tolist() == [[1.5, -20], [0, 0], [0, 0], [7, 8]]
    assert imported.rows.statuses == [Status.OK, Status.MISSING, Status.MISSING, Status.OK]
    assert imported.rows.reasons == ["", "no value of pitch in table.csv", "not in table.csv", ""]
    assert imported.notes == ("columns not taken: speaker, note",)


def test_the_written_store_belongs_to_the_other_store_and_names_its_source(
    like: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, "id,a", *(f"{name},{row}" for row, name in enumerate(IDS)))
    write_store(beside(like, read_keyed_csv(path)), tmp_path / "audio.h5")
    with FeatureStore(tmp_path / "audio.h5") as audio, FeatureStore(like) as text:
        assert audio.rows.utterances == text.rows.utterances
        assert [u.text for u in audio.rows.utterances] == list(WORDS)
        assert audio.header.modality is Modality.AUDIO
        for name in ("corpus", "protocol", "labels", "corpus_digest", "complete"):
            assert getattr(audio.header, name) == getattr(text.header, name)
        assert audio.header.settings["source"] == "table.csv"
        assert audio.header.settings["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert audio.features().ravel().tolist() == [0, 1, 2, 3]


def test_the_fingerprint_follows_content_and_columns_but_not_the_name(like: Path, tmp_path: Path) -> None:
    first = table(tmp_path, "id,a,b", f"{IDS[0]},1,2")
    found = beside(like, read_keyed_csv(first)).header.fingerprint
    renamed = first.with_name("other.csv")
    renamed.write_bytes(first.read_bytes())
    assert beside(like, read_keyed_csv(renamed)).header.fingerprint == found
    assert beside(like, read_keyed_csv(renamed, columns=["b", "a"])).header.fingerprint != found
    table(tmp_path, "id,a,b", f"{IDS[0]},1,3")
    assert beside(like, read_keyed_csv(first)).header.fingerprint != found


def test_ids_are_built_of_columns_and_a_byte_order_mark_is_no_part_of_a_name(
    like: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, "split,dialogue,utterance,x", "dev,0, 0,5", "train,0,1,6", encoding="utf-8-sig")
    imported = beside(like, read_keyed_csv(path, id_template=TEMPLATE))
    assert imported.vectors.ravel().tolist() == [0, 6, 5, 0]
    renamed = table(tmp_path, "name,x", f"{IDS[0]},5", encoding="utf-8-sig")
    assert beside(like, read_keyed_csv(renamed, id_column="name")).vectors.ravel().tolist() == [5, 0, 0, 0]


def test_chosen_columns_are_taken_in_the_order_given(tmp_path: Path) -> None:
    file = read_keyed_csv(table(tmp_path, "id,a,b,turn", "u,1,2,3"), columns=["turn", "a"])
    assert file.columns == ("turn", "a")
    assert file.vectors.tolist() == [[3, 1]]


def test_a_column_is_numeric_by_its_first_filled_cell(tmp_path: Path) -> None:
    file = read_keyed_csv(table(tmp_path, "id,late,words,never", "u,,x,", "v,3,1,"))
    assert file.columns == ("late",)


def test_values_that_are_not_finite_are_missing(like: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "id,a,b", f"{IDS[0]},nan,1", f"{IDS[1]},inf,1e39", f"{IDS[3]},1,1")
    imported = beside(like, read_keyed_csv(path))
    assert imported.rows.reasons[:2] == ["no value of a in table.csv", "no value of a, b in table.csv"]
    assert np.isfinite(imported.vectors).all()


def test_ids_that_the_other_store_has_not_are_an_error_or_left_out(like: Path, tmp_path: Path) -> None:
    file = read_keyed_csv(table(tmp_path, "id,a", "train/dia9_utt9,1", f"{IDS[0]},1", "x,2"))
    with pytest.raises(ImportFileError, match=r"2 ids .* the first 'train/dia9_utt9'; .*--ignore-unknown"):
        beside(like, file)
    imported = beside(like, file, ignore_unknown=True)
    assert imported.rows.usable.tolist() == [True, False, False, False]
    assert imported.notes[-1].startswith("2 ids that")


def test_no_id_in_common_shows_one_of_each_side(like: Path, tmp_path: Path) -> None:
    file = read_keyed_csv(table(tmp_path, "id,a", "dia0_utt0,1"))
    with pytest.raises(ImportFileError, match=r"'dia0_utt0' there, 'train/dia0_utt0' here.*--id-template"):
        beside(like, file, ignore_unknown=True)


def test_a_file_without_one_whole_row_is_refused(like: Path, tmp_path: Path) -> None:
    file = read_keyed_csv(table(tmp_path, "id,a,b", f"{IDS[0]},1,", f"{IDS[1]},,1"))
    with pytest.raises(ImportFileError, match="no row of .* is whole.*no value of b"):
        beside(like, file)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "is empty"),
        (["id,a"], "no numeric column"),
        (["name,a", "u,1"], "no column 'id' .* its columns are name, a"),
        (["id;a", "u;1"], "no column 'id' .* its columns are id;a"),
        (["id,a,a", "u,1,1"], "column 'a' stands twice"),
        (["id,a", "u,1", "v,1,2"], "line 3: 3 cells where the header has 2"),
        (["id,a", "u,1", "u,2"], "line 3: id 'u' stands a second time"),
        (["id,a", "u,1", ",2"], "line 3: the id is empty"),
        (["id,a", "u,1", "v,n/a"], "line 3: a is 'n/a', not a number"),
        (["id,text", "u,hello"], "no numeric column among id, text"),
        (["id,a", 'u,"1'], "is not CSV"),
    ],
)
def test_a_bad_table_is_one_explained_error(lines: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=told):
        read_keyed_csv(table(tmp_path, *lines) if lines else table(tmp_path))


def test_other_encodings_templates_and_columns_that_do_not_fit_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="is not UTF-8"):
        read_keyed_csv(table(tmp_path, "id,a", "Zoë,1", encoding="latin1"))
    with pytest.raises(ImportFileError, match="is not UTF-8"):
        read_keyed_csv(table(tmp_path, "id,a", "u,1", encoding="utf-16"))
    path = table(tmp_path, "id,a", "u,1")
    for template, told in (("{id", "not understood"), ("{split}/x", "no column 'split'"), ("x", "no column")):
        with pytest.raises(ImportFileError, match=told):
            read_keyed_csv(path, id_template=template)
    with pytest.raises(ImportFileError, match="no column 'b'; .*--columns"):
        read_keyed_csv(path, columns=["b"])
    with pytest.raises(ImportFileError, match="absent.csv cannot be read"):
        read_keyed_csv(tmp_path / "absent.csv")


def test_an_npz_of_ids_and_features_is_read(like: Path, tmp_path: Path) -> None:
    vectors = np.array([[1, 2], [3, np.nan]])
    imported = beside(
        like, read_keyed_npz(archive(tmp_path, id=np.array([IDS[3], IDS[0]]), features=vectors))
    )
    assert imported.vectors.tolist() == [[0, 0], [0, 0], [0, 0], [1, 2]]
    assert imported.rows.reasons[0] == "no value of entry 1 in table.npz"


def test_an_npz_of_one_array_an_utterance_is_read(like: Path, tmp_path: Path) -> None:
    arrays = {IDS[1]: np.array([1, 2], dtype=np.int16), IDS[2]: np.array([[3.0, 4.0]])}
    imported = beside(like, read_keyed_npz(archive(tmp_path, **arrays)))
    assert imported.vectors.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0]]


def test_an_exported_npz_comes_back_with_its_statuses(like: Path, tmp_path: Path) -> None:
    with FeatureStore(like) as store:
        export_npz(store, tmp_path / "text.npz")
        rows, features = store.rows, store.features()
    imported = beside(like, read_keyed_npz(tmp_path / "text.npz"))
    assert imported.rows.statuses == rows.statuses
    assert imported.rows.reasons == rows.reasons
    np.testing.assert_array_equal(imported.vectors, features)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"id": np.array(["u"]), "other": np.ones((1, 2))}, "has the arrays id, other"),
        ({"id": np.array(["u", "v"]), "raw": np.ones((1, 2))}, r"2 ids and raw of shape \(1, 2\)"),
        ({"id": np.array(["u", "u"]), "raw": np.ones((2, 2))}, "id 'u' stands twice"),
        ({"id": np.array([1]), "raw": np.ones((1, 2))}, "array id is int64"),
        ({"id": np.array(["u"]), "raw": np.array([["1"]])}, "array 'raw' is <U1; write numbers"),
        ({"u": np.ones(2), "v": np.ones(3)}, r"array 'v' has shape \(3,\), 'u' has \(2,\)"),
        ({"u": np.array(["x", None], dtype=object)}, "write it with numpy.savez and no objects"),
        ({"id": np.array(["u"]), "raw": np.ones((1, 2)), "status": np.array(["fine"])}, "status 'fine'"),
        ({}, "has the arrays none"),
    ],
)
def test_a_bad_npz_is_one_explained_error(arrays: dict[str, np.ndarray], told: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=told):
        read_keyed_npz(archive(tmp_path, **arrays))


def test_a_truncated_npz_and_a_lone_array_are_explained(tmp_path: Path) -> None:
    path = archive(tmp_path, id=np.array(["u"]), raw=np.ones((1, 2)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ImportFileError, match="cannot be read as npz"):
        read_keyed_npz(path)
    np.save(tmp_path / "lone.npy", np.ones(3))
    with pytest.raises(ImportFileError, match="one array without ids"):
        read_keyed_npz(tmp_path / "lone.npy")


def meld_like(shared: Path, path: Path) -> tuple[list[str], Path]:
    """A store of all of MELD's real utterances, two wide."""
    utterances = []
    for split in Split:
        with (shared / "data" / "meld" / f"{split}_sent_emo.csv").open(encoding="utf-8-sig") as file:
            utterances += [
                Utterance(
                    id=f"{split}/dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}",
                    split=split,
                    dialogue=row["Dialogue_ID"],
                    turn=int(row["Utterance_ID"]),
                    speaker=row["Speaker"],
                    text="",
                    label=row["Emotion"],
                )
                for row in csv.DictReader(file)
            ]
    count = len(utterances)
    rows = Rows(utterances=utterances, statuses=[Status.OK] * count, reasons=[""] * count)
    header = Header(
        corpus="meld",
        protocol="test_clips=corrected",
        modality=Modality.TEXT,
        labels=("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
        dim=2,
        fingerprint="f",
        corpus_digest="d",
        complete=True,
    )
    with new_store(path, header, rows) as writer:
        writer.write_raw(0, np.ones((count, 2), dtype=np.float32))
    return [utterance.id for utterance in utterances], path


@pytest.mark.real
def test_the_real_prosody_of_meld_has_as_many_missing_rows_as_rows_with_an_empty_cell(
    shared: Path, tmp_path: Path
) -> None:
    ids, like = meld_like(shared, tmp_path / "text.h5")
    prosody = shared / "data" / "meld" / "prosody8.csv"
    expected = {}
    with prosody.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row.pop('split')}/dia{row.pop('dialogue')}_utt{row.pop('utterance')}"
            expected[name] = [float(cell) for cell in row.values()] if all(row.values()) else None
    assert len(expected) == 13708
    imported = beside(like, read_keyed_csv(prosody, id_template=TEMPLATE))
    missing = [status is Status.MISSING for status in imported.rows.statuses]
    assert sum(missing) == sum(values is None for values in expected.values()) == 542
    assert missing == [expected[name] is None for name in ids]
    whole = [expected[name] or [0.0] * 8 for name in ids]
    np.testing.assert_array_equal(imported.vectors, np.array(whole, dtype=np.float32))


def test_an_archive_that_unpacks_to_anything_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_npz, "MOST_BYTES", 1 << 10)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(1 << 20, dtype=np.float32))
    with pytest.raises(ImportFileError, match=r"bomb\.npz would unpack to 4 MiB"):
        read_keyed_npz(tmp_path / "bomb.npz")


def test_a_header_of_an_array_that_is_no_python_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x09\x00[[[[[[[[\n")
    with pytest.raises(ImportFileError, match=r"odd\.npz cannot be read as npz"):
        read_keyed_npz(tmp_path / "odd.npz")
