"""Which faces are looked at first: remarks, then the weakest measure; what was not judged costs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from extraction.video.sheet.certainty import least_certain_first
from summer.corpus import Split, Status, Utterance
from summer.store import Rows

NAN = math.nan


def rows(
    *,
    reasons: Sequence[str],
    statuses: Sequence[Status] | None = None,
    **columns: Sequence[float],
) -> Rows:
    utterances = [
        Utterance(id=f"u{k}", split=Split.TRAIN, dialogue="d", turn=k, speaker="Ann", text="", label="joy")
        for k in range(len(reasons))
    ]
    return Rows(
        utterances=utterances,
        statuses=statuses or [Status.OK] * len(reasons),
        reasons=reasons,
        columns=columns,
    )


def test_rows_with_a_remark_come_first() -> None:
    found = rows(reasons=["", "doubtful", ""], confidence=[0.1, 0.9, 0.5])
    assert least_certain_first(found) == [1, 0, 2]


def test_a_row_is_as_certain_as_its_weakest_measure_whatever_the_units() -> None:
    found = rows(
        reasons=[""] * 4, confidence=[0.99, 0.98, 0.97, 0.96], talking_margin=[900.0, 5.0, 700.0, 800.0]
    )
    # ranks: 3 2 1 0 and 3 0 1 2; the weakest of each row: 3 0 1 0
    assert least_certain_first(found) == [1, 3, 2, 0]


def test_what_was_not_to_be_judged_makes_no_row_less_certain() -> None:
    found = rows(reasons=[""] * 3, talking_margin=[NAN, 0.2, 0.4])
    assert least_certain_first(found)[0] == 1
    assert least_certain_first(found)[-1] in (0, 2)
    alone = rows(reasons=[""] * 2, talking_margin=[NAN, NAN])
    assert least_certain_first(alone) == [0, 1]


def test_rows_without_a_face_are_left_out_and_those_whose_speaker_is_absent_are_not() -> None:
    statuses = [Status.NO_FACE, Status.OK, Status.SPEAKER_ABSENT, Status.MISSING]
    found = rows(reasons=["none", "", "not his", "gone"], statuses=statuses, confidence=[0.0, 0.9, 0.0, 0.0])
    assert least_certain_first(found) == [2, 1]
