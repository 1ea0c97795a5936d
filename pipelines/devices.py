"""What `--device` means: the name as typed, and the device that torch has under it."""

from __future__ import annotations

import ctypes
from pathlib import Path

NVIDIA = "libcuda.so.1"  # a part of the driver
AMD = Path("/dev/kfd")  # made by the driver


def device_named(name: str) -> str:
    """Find the device that an option names. Loads torch only where it could see a GPU, or must.

    Args:
        name: "auto" (the first GPU, else the CPU), "cpu", "cuda" (the first GPU) or "cuda:N".

    Returns:
        "cpu" or "cuda:N", as torch calls it.

    Raises:
        ValueError: torch sees no such device.
    """
    if name == "cpu" or (name == "auto" and not driver_is_here()):
        return "cpu"
    import torch  # takes seconds

    present = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name == "auto":
        return present[min(1, len(present) - 1)]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise ValueError(
            f"device {name!r} is not here; torch sees {', '.join(present)}: name one of these, or auto"
        )
    return wanted


def driver_is_here() -> bool:
    """Whether a GPU may be here: without its driver torch sees none, and need not be asked."""
    if AMD.exists():
        return True
    try:
        ctypes.CDLL(NVIDIA)
    except OSError:
        return False
    return True
