"""Files made to do harm: each is refused by name, without a traceback, in little time and memory.

A case is a file and what reads it: a command as it is typed, or a reader of the library where no command
gets to it at once. It may be taken where nothing of it is harmful, but never end with a fault of the
program, read or write outside of the folders that it was given, or carry out what a file asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture.forked import done, typed
from tests.torture.tally import Tally

MOST_SECONDS, MOST_BYTES = 30.0, 1536 << 20  # the libraries take up to 1 GiB of it
REFUSED = 2
EVERY_OF_A_SHORT_RUN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One case.

    Args:
        work: what reads the file.
        names: what the refusal must name, such as the file.
        may_pass: it may also be taken, where nothing of it does harm.
    """

    what: str
    name: str
    work: Callable[[], None]
    names: str = ""
    may_pass: bool = False


def beat(scratch: Path, *, seed: int, short: bool) -> list[Tally]:
    """Try them all."""
    from tests.torture.hostile_models import models
    from tests.torture.hostile_pickles import pickles
    from tests.torture.hostile_stores import stores
    from tests.torture.hostile_texts import texts

    tallies: dict[str, Tally] = {}
    number = 0
    for make in (stores, pickles, texts, models):
        folder = scratch / make.__name__
        folder.mkdir(parents=True)
        for case in make(folder, seed=seed):
            number += 1
            if short and number % EVERY_OF_A_SHORT_RUN:
                continue
            tally = tallies.setdefault(case.what, Tally(part="hostile", what=case.what))
            canary = folder / "canary"
            ended = done(case.work, folder / f"log-{number}.txt", cpu_seconds=MOST_SECONDS)
            tally.took(ended.seconds, ended.most_bytes)
            found = _found(case, ended, canary)
            if found:
                tally.find(f"{case.name}: {found}")
                canary.unlink(missing_ok=True)
    return list(tallies.values())


def _found(case: Hostile, ended, canary: Path) -> str:
    if canary.exists():
        return "what the file asked for was carried out"
    if ended.is_late:
        return f"not done after {MOST_SECONDS:.0f} s"
    if ended.has_traceback or ended.status not in (0, REFUSED):
        return f"status {ended.status}: {ended.last_line[:300]}"
    if ended.most_bytes > MOST_BYTES:
        return f"{ended.most_bytes >> 20} MiB of memory, status {ended.status}: {ended.last_line[:100]}"
    if ended.status == 0 and not case.may_pass:
        return f"it was taken: {ended.last_line[:300]}"
    if ended.status == REFUSED and "error: " not in ended.said:
        return f"refused without a word: {ended.last_line[:300]}"
    if ended.status == REFUSED and case.names not in ended.said:
        return f"{case.names!r} is not named: {ended.last_line[:300]}"
    return ""


def asked(reader: Callable[[], object]) -> Callable[[], None]:
    """A reader of the library as a command would end that calls it."""

    def work() -> None:
        try:
            reader()
        except ValueError as error:
            print(f"error: {error}")
            sys.exit(REFUSED)

    return work


def changed_bytes(content: bytes, seed: int, count: int) -> Iterator[bytes]:
    """The content with some bytes changed, or cut off, `count` times."""
    import numpy as np

    for number in range(count):
        random = np.random.default_rng([seed, number])
        if number % 5 == 4:
            yield content[: int(random.integers(1, len(content)))]
            continue
        changed = np.frombuffer(content, dtype=np.uint8).copy()
        end = len(content) if number % 2 else min(len(content), 4096)
        places = random.integers(0, end, size=int(random.integers(1, 9)))
        changed[places] = random.integers(0, 256, size=len(places), dtype=np.uint8)
        yield changed.tobytes()


__all__ = ["Hostile", "asked", "beat", "changed_bytes", "typed"]
