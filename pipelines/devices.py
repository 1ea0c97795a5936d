"""What `--device` means: the name as typed, and the device that torch has under it."""

from __future__ import annotations

import torch


def device_named(name: str) -> str:
    """Find the device that an option names.

    Args:
        name: "auto" (the first GPU, else the CPU), "cpu", "cuda" (the first GPU) or "cuda:N".

    Returns:
        "cpu" or "cuda:N", as torch calls it.

    Raises:
        ValueError: torch sees no such device.
    """
    present = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name == "auto":
        return present[min(1, len(present) - 1)]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise ValueError(
            f"device {name!r} is not here; torch sees {', '.join(present)}: name one of these, or auto"
        )
    return wanted
