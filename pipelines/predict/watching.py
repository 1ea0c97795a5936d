"""Who looks on while a prediction is made, and may stop it: a terminal, or the page of a server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from extraction.run import Report
from summer.corpus import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One piece of work under way.

    Args:
        show: told how much is done, of how much, and how many rows failed.
        should_stop: asked between two blocks.
    """

    show: Callable[[float, float, int], None]
    should_stop: Callable[[], bool]


class Watcher(Protocol):
    """Whoever looks on."""

    def listening(self, minutes: float) -> AbstractContextManager[Watch]:
        """A recording of so many minutes is heard; what is shown is minutes."""

    def reading(self, modality: Modality) -> AbstractContextManager[Watch]:
        """A modality is extracted; what is shown is utterances."""

    def was_read(self, modality: Modality, report: Report) -> None:
        """A modality is extracted, or was before."""
