"""The C library's memory: freed memory is kept for the next step instead of given back to the kernel.

A training step frees and asks for the same hundreds of megabytes again and again. glibc gives large blocks
back at once, and the kernel must zero every page anew. Elsewhere than on glibc nothing is changed.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD = -1  # bytes free at the top of the heap before it is made smaller
M_MMAP_MAX = -4  # blocks outside the heap, which are given back one by one
KEPT_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Let this process keep up to a gibibyte that it has freed.

    Returns:
        Whether the C library took the setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) and library.mallopt(M_MMAP_MAX, 0))
