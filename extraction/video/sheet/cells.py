"""What a contact sheet tells: a cell per row, and counts over all of them. Read from a store and kept crops.

A remark or a way of choosing is counted by its kind: its words without what differs from row to row.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from extraction.video.faces.crops import CHOSEN, kept_crops
from summer.corpus import Status, Utterance
from summer.store import Header, Rows

MOST_CROPS = 4  # of the chosen face
WITH_FACES = (Status.OK, Status.SPEAKER_ABSENT)
NOT_KEPT = "no crops of it were kept"
OF_ANOTHER = "its crops are of another extraction"


class Verdict(StrEnum):
    """How far a row is to be trusted at first sight."""

    OK = "ok"
    REMARK = "ok with a remark"
    FAILED = "not ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One row of the store.

    Args:
        how: how its face was chosen.
        measures: share of keyframes, likeness to the speaker, talking, as far as they were judged.
        chosen: up to four crops of the chosen face, in order of time.
        others: one crop of each other candidate, by its number.
        trouble: why there are no crops to be shown, or not the right ones; "" where all is well.
    """

    utterance: Utterance
    verdict: Verdict
    status: Status
    reason: str
    how: str
    measures: Sequence[str]
    chosen: Sequence[Path]
    others: Mapping[int, Path]
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often what is said, over rows; the commonest first."""

    verdicts: Mapping[Verdict, int]
    remarks: Mapping[str, int]
    statuses: Mapping[str, int]
    choices: Mapping[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is to be drawn.

    Args:
        title: names the store, the corpus and what was asked for.
        counts: over every row of the corpus, or of the speaker that was asked for.
        by_speaker: the same of each speaker.
        asked: how many rows were asked for; the cells are evenly taken of them.
        cells: in corpus order.
        left_out: cells that did not fit.
    """

    title: str
    counts: Counts
    by_speaker: Mapping[str, Counts]
    asked: int
    cells: Sequence[Cell]
    left_out: int = 0

    @property
    def shown(self) -> str:
        """How many of the rows there are cells of, in words."""
        if len(self.cells) == self.asked:
            return f"All {self.asked:,} rows are shown."
        told = f"{len(self.cells):,} of {self.asked:,} rows are shown, evenly taken over the corpus"
        return told + (f"; {self.left_out:,} more did not fit." if self.left_out else ".")

    @property
    def troubles(self) -> Mapping[str, int]:
        """What is wrong with the crops of shown rows, and of how many."""
        return Counter(cell.trouble for cell in self.cells if cell.trouble)

    def groups(self) -> Mapping[str, Sequence[Cell]]:
        """The cells of each speaker, who has most rows first."""
        names = sorted(self.by_speaker, key=lambda name: -self.by_speaker[name].rows)
        groups: dict[str, list[Cell]] = {name: [] for name in names}
        for cell in self.cells:
            groups[cell.utterance.speaker].append(cell)
        return {name: cells for name, cells in groups.items() if cells}

    def thinned(self, most: int) -> Sheet:
        """Only so many of the cells, evenly taken."""
        cells = [self.cells[place] for place in evenly(len(self.cells), most)]
        return replace(self, cells=cells, left_out=self.left_out + len(self.cells) - len(cells))


def read_sheet(
    path: Path,
    header: Header,
    rows: Rows,
    crops: Path,
    *,
    most: int,
    speaker: str | None,
    only: Verdict | None,
) -> Sheet:
    """Read what is to be drawn.

    Args:
        path, header, rows: of the store.
        crops: the folder in which crops were kept.
        most: cells.
        speaker: the rows of this one only.
        only: the rows of this verdict only.
    """
    spoken = [k for k, u in enumerate(rows.utterances) if speaker is None or u.speaker == speaker]
    by_speaker: dict[str, list[int]] = {}
    for row in spoken:
        by_speaker.setdefault(rows.utterances[row].speaker, []).append(row)
    asked = [row for row in spoken if only is None or verdict_of(rows, row) is only]
    taken = [asked[place] for place in evenly(len(asked), most)]
    wanted = [f"of {speaker}"] * (speaker is not None) + [f"only rows {only}"] * (only is not None)
    return Sheet(
        title=", ".join([f"Whose face: {header.corpus} ({header.protocol}), {path.name}", *wanted]),
        counts=count(rows, spoken),
        by_speaker={name: count(rows, of_speaker) for name, of_speaker in by_speaker.items()},
        asked=len(asked),
        cells=[cell_of(rows, row, crops) for row in taken],
    )


def evenly(count: int, most: int) -> Sequence[int]:
    """At most so many places of `count`, evenly spread."""
    places: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return places


def verdict_of(rows: Rows, row: int) -> Verdict:
    """What the edge of a row's cell says."""
    if rows.statuses[row] is not Status.OK:
        return Verdict.FAILED
    return Verdict.REMARK if rows.reasons[row] else Verdict.OK


def count(rows: Rows, chosen: Sequence[int]) -> Counts:
    """Count what is said of some rows."""
    ok = [row for row in chosen if rows.statuses[row] is Status.OK]
    how = rows.columns.get("face_choice")
    remarks = (kind for row in ok for kind in _kinds(rows.reasons[row]))
    choices = (_kind(str(how[row]).partition(":")[0]) for row in ok) if how else ()
    found = Counter(verdict_of(rows, row) for row in chosen)
    return Counts(
        verdicts={verdict: found[verdict] for verdict in Verdict},
        remarks=dict(Counter(remarks).most_common()),
        statuses=dict(Counter(str(rows.statuses[row]) for row in chosen).most_common()),
        choices=dict(Counter(choices).most_common()),
    )


def _kinds(reason: str) -> set[str]:
    return {_kind(part.partition(":")[0]) for part in re.split(r"[.;] ", reason) if part}


def _kind(words: str) -> str:
    return re.sub(r"\d[\d.,]*", "…", words)


def cell_of(rows: Rows, row: int, crops: Path) -> Cell:
    """What a contact sheet tells of one row.

    Args:
        crops: the folder in which crops were kept.
    """
    status = rows.statuses[row]
    told = {name: values[row] for name, values in rows.columns.items()}
    kept = kept_crops(crops, rows.utterances[row].id) if status in WITH_FACES else {}
    number = int(told.get("candidate", CHOSEN)) if status is Status.OK else None
    chosen = kept.get(number, ()) if number is not None else ()
    trouble = ""
    if status is Status.OK:
        trouble = (
            NOT_KEPT if not chosen else OF_ANOTHER if len(chosen) != told.get("faces", len(chosen)) else ""
        )
    return Cell(
        utterance=rows.utterances[row],
        verdict=verdict_of(rows, row),
        status=status,
        reason=rows.reasons[row],
        how=str(told.get("face_choice", "")) if status is Status.OK else "",
        measures=_measures(told, status),
        chosen=[chosen[place] for place in evenly(len(chosen), MOST_CROPS)],
        others={n: paths[len(paths) // 2] for n, paths in kept.items() if n not in (number, CHOSEN)},
        trouble=trouble,
    )


def _measures(told: Mapping[str, int | float | str], status: Status) -> list[str]:
    if status is not Status.OK:
        return []
    number = {name: float(value) for name, value in told.items() if not isinstance(value, str)}
    known = {name for name, value in number.items() if not math.isnan(value)}
    seen, talks = [], []
    if {"face_share", "keyframes"} <= known:
        seen.append(f"in {number['face_share']:.0%} of {number['keyframes']:.0f} keyframes")
    if "identity_margin" in known:
        margin = number["identity_margin"]
        seen.append(f"{abs(margin):.2f} {'within' if margin >= 0 else 'beyond'} the limit of likeness")
    if {"talking_score", "talking_margin"} <= known:
        score, margin = number["talking_score"], number["talking_margin"]
        lead = f"{abs(margin):.2g} {'over the next' if margin >= 0 else 'under another'}"
        talks.append(f"talking {score:.2g}, {lead}")
    return [line for line in ("; ".join(seen), *talks) if line]
