"""What was tried and what was found: counts, and the bounds that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

BYTES_PER_MIB = 2**20


@dataclass(slots=True, kw_only=True)
class Tally:
    """One row of the summary.

    Args:
        part, what: of what.
        tried: how many cases.
        found: what went otherwise than it must, one line each.
        longest_seconds, most_bytes: of a case: seconds of a processor, memory.
        note: what else is to be said, such as why nothing could be tried.
    """

    part: str
    what: str
    tried: int = 0
    found: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    most_bytes: int = 0
    note: str = ""

    def took(self, seconds: float, most_bytes: int) -> None:
        """Count a case and what it took."""
        self.tried += 1
        self.longest_seconds = max(self.longest_seconds, seconds)
        self.most_bytes = max(self.most_bytes, most_bytes)

    def find(self, what: str) -> None:
        """Keep what went otherwise, and say it at once: a run is long."""
        self.found.append(what)
        print(f"FOUND {self.part}, {self.what}: {what}", flush=True)

    def to_json(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def table(tallies: Sequence[Tally]) -> str:
    """The summary in Markdown."""
    lines = ["| part | what | tried | found | longest, CPU s | most, MiB |", "|---|---|---|---|---|---|"]
    for one in tallies:
        what = f"{one.what} ({one.note})" if one.note else one.what
        limits = f"{one.longest_seconds:.1f} | {one.most_bytes / BYTES_PER_MIB:.0f}"
        numbers = f"{one.tried} | {len(one.found)} | {limits}"
        lines.append(f"| {one.part} | {what} | {numbers} |")
    tried, found = sum(one.tried for one in tallies), sum(len(one.found) for one in tallies)
    return "\n".join([*lines, f"| all | | {tried} | {found} | | |"])
