"""A pickle read on trial, in a process that has little memory and time, before it is read in earnest.

What a pickle may name is harmless (unpickle.py), but in a few bytes it can ask for any memory or time: a
place at two thousand million in its list of things, `bytes(10**11)`, a key whose every part is twice the one
before it. The interpreter does all this at once, where nothing can stop it but the end of its process. So
it is first read in another one, which ends where it takes more than content of its size can.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from summer.store.imports.unpickle import ImportFileError, read_untried

LEAST_BYTES, BYTES_PER_BYTE = (
    256 << 20,
    24,
)  # in memory; an empty list takes 21 times what it takes in a pickle
LEAST_SECONDS, SECONDS_PER_MIB = 3, 1  # of the processor
DEEPEST = 16  # containers in containers; those of the field have four
LEAST_ENTRIES = 1_000_000  # of all containers together, where the file has fewer bytes
REFUSED = 2


def read_pickle(path: Path) -> object:
    """The content of a pickle of Python 2 or 3, made of numpy arrays and builtin containers only.

    Raises:
        ImportFileError: the file is absent, empty, truncated, no pickle, asks for anything else, or for more
            memory or time than a file of its size can need.
    """
    if path.is_file():
        _try(path)
    return read_untried(path)


def _try(path: Path) -> None:
    command = [sys.executable, "-m", "summer.store.imports.trial", str(path)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode == REFUSED:
        raise ImportFileError(ended.stdout.strip())
    if ended.returncode:
        raise ImportFileError(
            f"{path} asks for more memory or time than the content of {path.stat().st_size:,} bytes can "
            "need; do not use it unless you know who made it, and write it anew"
        )


def check_plain(content: object, size_bytes: int) -> None:
    """Refuse containers that are nested too deeply, or that have more entries than the file has bytes.

    Raises:
        ValueError: names the limit.
    """
    most, seen = max(LEAST_ENTRIES, size_bytes), 0
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        inside = _inside(value)
        if depth > DEEPEST:
            raise ValueError(f"containers are nested more than {DEEPEST} deep")
        for one in inside:
            seen += 1
            if seen > most:
                raise ValueError(f"containers have more than {most:,} entries")
            if not isinstance(one, str | int | float):
                waiting.append((one, depth + 1))


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype.hasobject else ()
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _limit(size_bytes: int) -> None:
    """Give this process little memory and time; time alone where the system does not say what it holds."""
    limits = {
        resource.RLIMIT_CPU: LEAST_SECONDS + SECONDS_PER_MIB * (size_bytes >> 20),
        resource.RLIMIT_CORE: 0,
    }
    held = Path("/proc/self/statm")
    if held.exists():
        pages = int(held.read_text(encoding="ascii").split()[0])
        own_bytes = pages * os.sysconf("SC_PAGE_SIZE")
        limits[resource.RLIMIT_AS] = own_bytes + LEAST_BYTES + BYTES_PER_BYTE * size_bytes
    for what, most in limits.items():
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> int:
    """In the process of the trial."""
    path = Path(sys.argv[1])
    size_bytes = path.stat().st_size
    _limit(size_bytes)
    try:
        check_plain(read_untried(path), size_bytes)
    except ImportFileError as error:
        sys.stdout.write(str(error))
        return REFUSED
    except ValueError as error:
        sys.stdout.write(f"{path} cannot be read as a pickle of features: {error}; write it anew")
        return REFUSED
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # deeply nested content would be taken apart on the way out
