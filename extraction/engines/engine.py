"""What an engine is: blocks of clips in, a result per block out, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from extraction.extractor import Clip, Extractor, Outcome


class EngineError(ValueError):
    """The engine itself cannot work: its workers do not start, or die whatever clip they are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Clips worked on and written together: rows [first_row, last_row] of the corpus, or some of these."""

    rows: tuple[int, ...]
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """Outcomes of a block, one per clip; or the error that the program, not the clip, is to blame for."""

    block: Block
    outcomes: Sequence[Outcome] = ()
    error: str = ""


@runtime_checkable
class Engine(Protocol):
    """Runs an extractor over blocks and yields each result as it is done, in any order."""

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]: ...
