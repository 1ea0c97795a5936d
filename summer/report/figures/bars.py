"""What a bar of a figure says; apart from matplotlib, so that it is loaded when a figure is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A system's w-F1 in percent.

    Args:
        low, high: its 95 % interval.
        is_own: SUMMER's; drawn in another colour.
    """

    title: str
    mean: float
    low: float
    high: float
    is_own: bool = False
