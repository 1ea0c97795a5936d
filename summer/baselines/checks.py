"""What every rival's options must be: numbers in their ranges, modalities given once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from summer.corpus import Modality


def check_counts(**counts: int) -> None:
    """Each is at least 1.

    Raises:
        ValueError: one is not; names it.
    """
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}; give at least 1")


def check_dropouts(**shares: float) -> None:
    """Each is a share that may be dropped.

    Raises:
        ValueError: one is outside [0, 1); names it.
    """
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name} is {share}; give a share in [0, 1)")


def check_weights(**weights: float) -> None:
    """Each is finite and not negative.

    Raises:
        ValueError: one is not; names it.
    """
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name} is {weight}; give a finite number of 0 or more")


def check_window(past: int, future: int) -> None:
    """Some turn is near: neither is negative, and not both are 0.

    Raises:
        ValueError: one is, or both are.
    """
    if min(past, future) < 0 or past == future == 0:
        raise ValueError(f"past is {past}, future {future}; give 0 or more, and not both 0")


def check_multiple(name: str, width: int, *, parts: int, of: str) -> None:
    """A width is a multiple of the parts that share it.

    Args:
        of: what the parts are, such as "heads".

    Raises:
        ValueError: it is not.
    """
    if width % parts:
        raise ValueError(f"{name} is {width}; give a multiple of the {parts} {of}")


def check_modalities(modalities: Sequence[Modality]) -> None:
    """At least one, each once.

    Raises:
        ValueError: none, or one twice.
    """
    if not modalities or len(set(modalities)) < len(modalities):
        raise ValueError(f"modalities is {list(modalities)}; give each once, at least one")
