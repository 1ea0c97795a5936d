"""The tables of a reproduction: ours beside the paper's, in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from summer.corpus import Modality
from summer.report.published import Published
from summer.report.tables import NOTHING, Table, p_value_text, percent, percent_interval
from summer.runs.standing import Against, Standing
from summer.training.models import STUDENT


def systems_table(
    standings: Sequence[Standing],
    *,
    against: Mapping[str, Against],
    on_test: Mapping[str, Sequence[float]],
    published: Published,
) -> Table:
    """Every system: score, interval, the paper's, the student's lead over it, and what choosing on test does.

    Args:
        standings: in the order of rows.
        against: the student's lead, by title.
        on_test: of the same systems, w-F1 of each seed, chosen on test; by title.
    """
    header = (
        *("system", "w-ACC", "w-F1", "95 % interval", "w-F1 in the paper", "ours less the paper's"),
        *("the student's lead", "its 95 % interval", "p (Holm)"),
        *("w-F1 chosen on test", "inflation"),
    )
    rows = [
        (
            one.title,
            percent(one.w_acc),
            percent(one.w_f1),
            percent_interval(one.interval_95),
            *_beside_the_paper(one, published),
            *_lead(against.get(one.title)),
            *_inflation(one, on_test.get(one.title)),
        )
        for one in standings
    ]
    return Table(header=header, rows=tuple(rows)).without_empty_columns()


def classes_table(standings: Sequence[Standing], published: Published, labels: Sequence[str]) -> Table:
    """Table 1 or 2: ACC and F1 of each class; below a system its row of the paper, where there is one."""
    names = [f"{label} {score}" for label in labels for score in ("ACC", "F1")]
    rows = []
    for one in standings:
        cells = [percent(score) for label in labels for score in one.per_class[label]]
        rows.append((one.title, *cells, percent(one.w_acc), percent(one.w_f1)))
        printed = published.systems.get(one.model)
        if printed is not None and list(published.labels) == list(labels):
            pairs = zip(printed.acc, printed.f1, strict=True) if printed.acc else [(None, None)] * len(labels)
            cells = [_printed(number) for pair in pairs for number in pair]
            rows.append(
                (f"in the paper: {printed.row}", *cells, _printed(printed.w_acc), _printed(printed.w_f1))
            )
    return Table(header=("system", *names, "w-ACC", "w-F1"), rows=tuple(rows))


def modalities_table(standings: Mapping[tuple[Modality, ...], Standing], published: Published) -> Table:
    """Table 3."""
    header = ("modalities", "ACC", "w-F1", "95 % interval", "ACC in the paper", "w-F1 in the paper")
    rows = []
    for modalities, one in standings.items():
        printed = published.modalities.get(frozenset(modalities), (None, None))
        scores = (percent(one.w_acc), percent(one.w_f1), percent_interval(one.interval_95))
        rows.append((one.title, *scores, *map(_printed, printed)))
    return Table(header=header, rows=tuple(rows)).without_empty_columns()


def components_table(student: Standing, others: Sequence[Standing], against: Mapping[str, Against]) -> Table:
    """Table 4: the whole student, and the same without one of its parts."""
    header = ("student", "w-ACC", "w-F1", "the whole student's lead", "its 95 % interval", "p (Holm)")
    rows = [("whole", percent(student.w_acc), percent(student.w_f1), NOTHING, NOTHING, NOTHING)]
    rows += [
        (one.title, percent(one.w_acc), percent(one.w_f1), *_lead(against.get(one.title))) for one in others
    ]
    return Table(header=header, rows=tuple(rows)).without_empty_columns()


def cost_table(standings: Sequence[Standing]) -> Table:
    """What each system costs, and against the student."""
    student = next((one.epoch for one in standings if one.model == STUDENT), None)
    header = (
        *("system", "parameters", "seconds per epoch", "processor seconds per epoch"),
        "times the student's",
    )
    rows = []
    for one in standings:
        took, times = one.epoch, NOTHING
        if took is not None and student is not None:
            times = f"{took.processor_seconds / student.processor_seconds:.2f}"
        seconds = (
            (NOTHING, NOTHING) if took is None else (f"{took.seconds:.2f}", f"{took.processor_seconds:.2f}")
        )
        rows.append((one.title, f"{one.parameters:,}", *seconds, times))
    return Table(header=header, rows=tuple(rows)).without_empty_columns()


def _beside_the_paper(one: Standing, published: Published) -> tuple[str, str]:
    printed = published.systems.get(one.model)
    if printed is None:
        return NOTHING, NOTHING
    return f"{printed.w_f1:.2f}", f"{100 * one.mean - printed.w_f1:+.2f}"


def _lead(against: Against | None) -> tuple[str, str, str]:
    if against is None:
        return NOTHING, NOTHING, NOTHING
    low, high = against.test.interval_95
    p_value = p_value_text(against.corrected).removeprefix("= ")
    return f"{100 * against.test.difference:+.2f}", f"[{100 * low:+.2f}, {100 * high:+.2f}]", p_value


def _inflation(one: Standing, on_test: Sequence[float] | None) -> tuple[str, str]:
    if on_test is None:
        return NOTHING, NOTHING
    return percent(on_test), f"{100 * (fmean(on_test) - one.mean):+.2f}"


def _printed(number: float | None) -> str:
    return NOTHING if number is None else f"{number:.2f}"
