"""An HDF5 file taken as plain data: what it declares lies in it, and nowhere else.

HDF5 does more than a store needs, and does it while a file is read: it follows links into other files, puts a
dataset together from them or takes its numbers out of any file, loads a library for a filter that the file
names, and declares a million million rows that take no byte. In a file that comes from elsewhere all of this
does harm, so a store that has any of it is refused before a number is read.
"""

from __future__ import annotations

import h5py

DEEPEST = 2  # candidates/facts/<name>
PLAIN_KINDS = "fiubS"  # of numpy: numbers, and text of fixed length
UNFILTERED = "write it anew without filters, such as by h5repack --filter=NONE"


def check_plain(file: h5py.File) -> None:
    """Refuse what is no plain data in a file that has been opened.

    Raises:
        ValueError: names the object, what it is, and the remedy.
    """
    _check_group(file, "", set(), DEEPEST)


def _check_group(group: h5py.Group, where: str, seen: set[int], levels_left: int) -> None:
    address = h5py.h5o.get_info(group.id).addr
    if address in seen or levels_left < 0:
        raise ValueError(f"the group {where} is within itself, there twice, or too deep; write the file anew")
    seen.add(address)
    for name in group:
        path = f"{where}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{path} is a link to another place; copy into the file what it leads to")
        found = group[name]
        if isinstance(found, h5py.Group):
            _check_group(found, path, seen, levels_left - 1)
        elif isinstance(found, h5py.Dataset):
            _check_dataset(found, path)


def _check_dataset(dataset: h5py.Dataset, path: str) -> None:
    if dataset.dtype.kind not in PLAIN_KINDS:
        raise ValueError(f"{path} holds {dataset.dtype}, not numbers or text of fixed length; write it anew")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{path} is taken out of other files; copy its numbers into this one")
    if dataset.id.get_create_plist().get_nfilters():
        raise ValueError(f"{path} is compressed or filtered; {UNFILTERED}")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > stored:
        raise ValueError(f"{path} declares {dataset.nbytes:,} bytes and holds {stored:,}; write it anew")
