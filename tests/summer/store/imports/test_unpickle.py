"""A pickle is read as data: arrays come back, everything else is refused before it runs."""

from __future__ import annotations

import collections
import datetime
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from summer.store.imports.unpickle import HARMLESS, ImportFileError, read_untried


class Command:
    """Pickles as a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "features.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_numbers_and_containers_come_back_from_every_protocol(protocol: int, tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    ragged = np.array([matrix[0], matrix[:, 0], "Zoë"], dtype=object)
    plain = {"é": [1, 2.5, None, True], 7: ({"a", "b"}, frozenset({3}), b"\xff\x00", bytearray(b"z"), 1j)}
    ordered = collections.OrderedDict(b=1, a=2)
    content = (matrix, np.asfortranarray(matrix), ragged, matrix[1, 2], np.str_("M"), plain, ordered)
    back = read_untried(written(tmp_path, pickle.dumps(content, protocol=protocol)))
    assert isinstance(back, tuple)
    np.testing.assert_array_equal(back[0], matrix)
    np.testing.assert_array_equal(back[1], matrix)
    assert [part.tolist() for part in back[2][:2]] == [[0, 1, 2], [0, 3]]
    assert back[2][2] == "Zoë"
    assert back[3:] == content[3:]
    assert back[0].dtype == np.float32


def test_a_pickle_of_python_2_is_read_with_its_bytes_as_they_were(tmp_path: Path) -> None:
    # {'Ses01': [array([1.5, -2.0])], 'who': set(['M'])}, as Python 2 and numpy 1 wrote it
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
        + struct.pack("<2d", 1.5, -2.0)
        + b"tb"
    )
    people = b"c__builtin__\nset\nq\x06]q\x07U\x01Ma\x85R"
    content = b"\x80\x02}q\x00(U\x05Ses01]q\x08" + array + b"aU\x03who" + people + b"u."
    back = read_untried(written(tmp_path, content))
    assert isinstance(back, dict)
    assert back["Ses01"][0].tolist() == [1.5, -2.0]
    assert back["who"] == {"M"}


def test_a_command_in_a_pickle_does_not_run_and_is_named(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = written(tmp_path, pickle.dumps({"ids": [Command(f"touch {trace}")]}))
    with pytest.raises(ImportFileError, match=r"asks for posix\.system; only numpy arrays and builtin"):
        read_untried(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "__builtin__ apply",
        "copyreg _reconstructor",
        "copy_reg _reconstructor",
        "numpy load",
        "numpy.core.multiarray fromfile",
        "numpy ndarray.tofile",
        "functools partial",
        "pandas.core.frame DataFrame",
    ],
)
def test_what_is_not_on_the_list_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    module, _, attribute = name.partition(" ")
    path = written(tmp_path, f"c{module}\n{attribute}\n(tR.".encode())
    with pytest.raises(ImportFileError, match=f"asks for {module}.{attribute};"):
        read_untried(path)


def test_bytes_are_decoded_as_numpy_writes_them_and_in_no_other_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, b"c_codecs\nencode\n(U\x01aU\x05rot13tR.")
    with pytest.raises(ImportFileError, match="bytes written as 'rot13' text"):
        read_untried(path)


def test_objects_inside_object_arrays_are_refused_too(tmp_path: Path) -> None:
    hidden = np.array([datetime.date(2020, 1, 1), None], dtype=object)
    with pytest.raises(ImportFileError, match=r"asks for datetime\.date"):
        read_untried(written(tmp_path, pickle.dumps({"text": hidden})))


def test_tensors_are_refused_with_the_way_out(tmp_path: Path) -> None:
    tensor = written(tmp_path, b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(tR.")
    with pytest.raises(ImportFileError, match=r"_rebuild_tensor_v2.*\.numpy\(\)"):
        read_untried(tensor)
    saved_long_ago = written(tmp_path, b"\x80\x02U\x07storageQ.")
    with pytest.raises(ImportFileError, match=r"outside the pickle.*\.numpy\(\)"):
        read_untried(saved_long_ago)
    saved = written(tmp_path, b"PK\x03\x04...")
    with pytest.raises(ImportFileError, match=r"zip archive.*\.numpy\(\)"):
        read_untried(saved)


@pytest.mark.parametrize(("module", "name"), HARMLESS)
def test_a_pickle_cannot_change_what_it_may_name(module: str, name: str, tmp_path: Path) -> None:
    for attribute in ("__call__", "__defaults__", "__class__", "anything"):
        state = pickle.dumps((None, {attribute: 1}), protocol=0)[:-1]
        path = written(tmp_path, f"c{module}\n{name}\n".encode() + state + b"b.")
        with pytest.raises(ImportFileError, match="truncated or not a pickle"):
            read_untried(path)


def test_every_truncation_is_one_explained_error(tmp_path: Path) -> None:
    content = pickle.dumps({"0": [np.arange(3.0), "text", 5]}, protocol=4)
    for length in range(len(content)):
        with pytest.raises(ImportFileError, match="empty, truncated or not a pickle") as error:
            read_untried(written(tmp_path, content[:length]))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"id,a,b\n1,2,3\n", b"\x89HDF\r\n\x1a\n", b"\x80\xff.", b"hello"])
def test_what_is_no_pickle_is_one_explained_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="empty, truncated or not a pickle"):
        read_untried(written(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"absent\.pkl cannot be read: No such file"):
        read_untried(tmp_path / "absent.pkl")
    with pytest.raises(ImportFileError, match="cannot be read: Is a directory"):
        read_untried(tmp_path)


def test_importing_loads_no_torch() -> None:
    modules = "summer.store.imports.pickles, summer.store.imports.keyed_csv, summer.store.imports.keyed_npz"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
