"""Pickles and npz archives that call, swell or never end; and CSV files of vectors."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.summer.store.imports.test_pickles import TUPLES
from tests.torture.hostile import Hostile, changed_bytes, typed

MUTATED = 150
DEEP = 200_000


def pickles(folder: Path, *, seed: int) -> Iterator[Hostile]:
    """Each imported by `summer-data import`."""
    for name, content in _pickles(folder / "canary").items():
        yield _imported(folder, "pickles", name, content, suffix=".pkl")
    whole = pickle.dumps(TUPLES["mmgcn"][0], protocol=2)
    count = MUTATED
    for number, content in enumerate(changed_bytes(whole, seed, count)):
        yield _imported(
            folder, "pickles, bytes changed", f"mutation {number}", content, suffix=".pkl", may_pass=True
        )
    yield from _keyed(folder, seed=seed, count=count // 3)


def _imported(
    folder: Path,
    what: str,
    name: str,
    content: bytes,
    *,
    suffix: str,
    may_pass: bool = False,
    like: Path | None = None,
) -> Hostile:
    path = folder / f"{name.replace(' ', '-').replace('/', '_')}{suffix}"
    path.write_bytes(content)
    more = (
        ["--layout", "mmgcn", "--corpus", "meld"]
        if like is None
        else ["--modality", "text", "--like", str(like)]
    )
    words = ["import", str(path), *more, "--out", str(folder / "stores" / path.stem), "--overwrite"]
    return Hostile(
        what=what, name=name, work=typed("summer-data", *words), names=path.name, may_pass=may_pass
    )


class Call:
    """Pickled as a call of something by name."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def _call(module: str, name: str, *arguments: Any) -> bytes:
    """A pickle that calls what it names with these arguments."""
    tail = b"".join(pickle.dumps(one, protocol=2)[2:-1] for one in arguments)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + tail + b"tR."


def _with_labels(values: Any) -> tuple[Any, ...]:
    first = list(TUPLES["mmgcn"][0])
    first[2] = values
    return tuple(first)


def _pickles(canary: Path) -> Mapping[str, bytes]:
    touch = f"touch {canary}"
    doubled_list: Any = []
    doubled: Any = ()
    frozen: Any = frozenset()
    for _ in range(200):
        doubled_list, doubled, frozen = (
            [doubled_list, doubled_list],
            (doubled, doubled),
            frozenset([frozen, (frozen, 1)]),
        )
    return {
        "a call of the shell": _call("os", "system", touch),
        "a call of eval": _call("builtins", "eval", f"__import__('os').system('{touch}')"),
        "a call of exec by Python 2": _call("__builtin__", "exec", f"__import__('os').system('{touch}')"),
        "a function of numpy": _call("numpy", "load", str(canary), None, True),
        "a function that runs code": _call("numpy.testing._private.utils", "runstring", touch, {}),
        "attributes of a class": _call("numpy", "ndarray.tofile", str(canary)),
        "an object outside": b"\x80\x02X\x01\x00\x00\x00xQ.",
        "an extension": b"\x80\x02\x82\x01.",
        "a memo at two thousand million": b"\x80\x02]r\xff\xff\xff\x7f.",
        "a memo at fifty million": b"\x80\x02]r\x80\xf0\xfa\x02.",
        "bytes of a hundred thousand million": _call("builtins", "bytes", 10**11),
        "bytes of two thousand million": _call("builtins", "bytes", 2 * 10**9),
        "a bytearray of eight thousand million": _call("builtins", "bytearray", 8 * 10**9),
        "an array of ten thousand million": _call("numpy", "ndarray", (10**10,)),
        "an array of objects": _call("numpy", "ndarray", (3,), "O"),
        "an array of zeros made whole": b"\x80\x02cbuiltins\nlist\ncbuiltins\nbytes\nK\x05\x85R\x85R.",
        "a list of a bytearray of 400 million": b"\x80\x02cbuiltins\nlist\ncbuiltins\nbytearray\n"
        + pickle.dumps(400_000_000, 2)[2:-1]
        + b"\x85R\x85R.",
        "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
        "bytes of 3 GB that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 3 << 30) + b"x.",
        "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"].",
        "a number of two thousand million digits": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "text as a number": _call("builtins", "int", "9" * 200_000),
        "lists in lists": b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
        "tuples in tuples": b"\x80\x02)" + b"\x85" * DEEP + b".",
        "lists in lists as labels": pickle.dumps(TUPLES["mmgcn"][0], 2)[:-1]
        + b"0"
        + b"]" * DEEP
        + b"a" * (DEEP - 1)
        + b".",
        "tuples in tuples as a key": b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s.",
        "doubled tuples as a key": b"\x80\x02}" + pickle.dumps(doubled, 2)[2:-1] + b"K\x01s.",
        "doubled sets": pickle.dumps(frozen, 2),
        "doubled lists": pickle.dumps(doubled_list, 2),
        "doubled lists as labels": pickle.dumps(
            _with_labels({0: doubled_list, **{d: [0] for d in range(1, 4)}}), 2
        ),
        "doubled lists as vectors": pickle.dumps(
            (
                *TUPLES["mmgcn"][0][:3],
                {d: [doubled_list] * n for d, n in {0: 2, 1: 1, 2: 3, 3: 2}.items()},
                *TUPLES["mmgcn"][0][4:],
            ),
            2,
        ),
        "doubled tuples as a speaker": pickle.dumps(
            (
                TUPLES["mmgcn"][0][0],
                {d: [doubled] * n for d, n in {0: 2, 1: 1, 2: 3, 3: 2}.items()},
                *TUPLES["mmgcn"][0][2:],
            ),
            2,
        ),
        "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
        "a dialogue that holds itself": b"\x80\x02(}q\x00K\x00h\x00s}}}}}}]]t.",
        "a state of another shape": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + b"K\x00\x85U\x01b\x87R(K\x01"
        + pickle.dumps((1 << 40,), 2)[2:-1]
        + b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R\x89U\x04abcdtb.",
        "no bytes": b"",
        "a page": b"<html>404</html>" * 50,
        "half": pickle.dumps(TUPLES["mmgcn"][0], 2)[:500],
    }


def _keyed(folder: Path, *, seed: int, count: int) -> Iterator[Hostile]:
    from tests.summer.store.imports.small_store import write_small_store

    like = write_small_store(folder / "like.h5") or folder / "like.h5"
    like = folder / "like.h5" if not isinstance(like, Path) else like
    for name, content in _archives().items():
        yield _imported(folder, "npz", name, content, suffix=".npz", like=like)
    whole = _archive({"id": np.array(["a", "b"]), "features": np.ones((2, 3), np.float32)})
    for number, content in enumerate(changed_bytes(whole, seed, count)):
        yield _imported(
            folder,
            "npz, bytes changed",
            f"archive {number}",
            content,
            suffix=".npz",
            like=like,
            may_pass=True,
        )
    for name, content in _tables().items():
        yield _imported(folder, "CSV of vectors", name, content, suffix=".csv", like=like)


def _archive(arrays: Mapping[str, Any]) -> bytes:
    image = io.BytesIO()
    np.savez(image, **arrays)
    return image.getvalue()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    image = io.BytesIO()
    with zipfile.ZipFile(image, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return image.getvalue()


def _npy(header: str, data: bytes = b"") -> bytes:
    padded = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data


def _archives() -> Mapping[str, bytes]:
    fitting = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,)}"
    image = io.BytesIO()
    np.savez(image, id=np.array(["a", None], dtype=object), features=np.ones((2, 3)))
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(_npy(fitting % (1 << 28)))
        for _ in range(64):
            member.write(bytes(1 << 24))
    return {
        "a bomb of a gigabyte": bomb.getvalue(),
        "an array that is not there": _zipped({"a.npy": _npy(fitting % (1 << 40))}),
        "an array of 3 GB that is not there": _zipped({"a.npy": _npy(fitting % (3 << 28), bytes(100))}),
        "a header that is a program": _zipped({"a.npy": _npy("__import__('os').system('touch canary')")}),
        "a header that is nested": _zipped({"a.npy": _npy("[" * 5000)}),
        "a negative shape": _zipped(
            {"a.npy": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}")}
        ),
        "a type that is none": _zipped(
            {"a.npy": _npy("{'descr': 'x99', 'fortran_order': False, 'shape': (1,)}")}
        ),
        "objects": image.getvalue(),
        "names that leave": _zipped({"../../a.npy": _npy(fitting % 1, bytes(4))}),
        "ten thousand names": _zipped({f"{k}.npy": _npy(fitting % 1, bytes(4)) for k in range(10_000)}),
        "no archive": b"PK\x03\x04 and so on",
        "an empty archive": _zipped({}),
        "text": b"<html>404</html>",
    }


def _tables() -> Mapping[str, bytes]:
    return {
        "no bytes": b"",
        "zeros": bytes(100_000),
        "a cell of ten million letters": b"id,x\na," + b"1" * 10_000_000 + b"\n",
        "a hundred thousand columns": b"id," + b",".join(b"x%d" % k for k in range(20_000)) + b"\na\n",
        "columns twice": b"id,x,x\na,1,2\n",
        "an open quote": b'id,x\na,"1' + b"\n" * 200_000,
        "NUL in a name": b"id,x\na\0,1\n",
        "UTF-16": "id,x\na,1\n".encode("utf-16"),
        "ragged": b"id,x\na,1,2\n",
        "not numbers": b"id,x\na,__import__\n",
        "infinite": b"id,x\na,inf\nb,nan\n",
    }
