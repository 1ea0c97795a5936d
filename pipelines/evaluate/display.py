"""What `summer-evaluate` prints: the paper's table, intervals, and what a comparison means in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from summer.corpus import Split
from summer.evaluation.predictions import Predictions, PredictionsError
from summer.evaluation.scores import never_predicted, score, seeds_of
from summer.evaluation.significance import PairedTest, bootstrap_interval, holm, paired_test
from summer.report.tables import (
    Table,
    p_value_text,
    paper_table,
    percent,
    percent_interval,
    selection_note,
)
from summer.runs.reading import Run

RARE = 0.05


def print_scores(console: Console, run: Run, split: Split) -> None:
    """Print the paper's table of a run, intervals, and the last of its models against each of the others.

    With two or more comparisons their p-values are corrected by Holm's method.

    Raises:
        ScoreError: the run has no predictions of that split with a known truth.
    """
    table = paper_table(run.predictions, run.labels, split=split, selected_on=run.selected_on)
    found = {model: seeds_of(run.predictions, model, split) for model in run.models}
    found = {model: seeds for model, seeds in found.items() if seeds}
    _print_line(console, f"{run.title}, {split}")
    _print_table(console, table)
    for model, seeds in found.items():
        _print_line(console, f"{model}: {_beside_the_table(seeds, run)}")
    _print_warning(console, split, [run])
    own = "student" if "student" in found else next(reversed(found))
    tests = {other: paired_test(seeds, found[own]) for other, seeds in found.items() if other != own}
    corrected = holm([test.p_value for test in tests.values()])
    for (other, test), p_value in zip(tests.items(), corrected, strict=True):
        words = in_words(f"the {other}", f"the {own}", test, corrected=p_value, comparisons=len(tests))
        _print_line(console, words)


def _beside_the_table(seeds: Sequence[Predictions], run: Run) -> str:
    """What the paper's table has no column for."""
    scores = [score(found, run.labels) for found in seeds]
    over = f"over dialogues and {len(seeds)} seeds"
    if len(seeds) == 1:
        over = "over dialogues alone, for there is 1 seed"
    never = ", ".join(never_predicted(seeds, run.labels))
    return (
        f"w-F1 95 % interval {percent_interval(bootstrap_interval(seeds))} {over}; "
        f"macro-F1 {percent([found.macro_f1 for found in scores])}, "
        f"ECE {percent([found.ece for found in scores])}" + (f"; never predicted: {never}" if never else "")
    )


def print_comparison(console: Console, first: Run, second: Run, model: str, split: Split) -> None:
    """Print the summary of one model of two runs, and whether the second, B, differs from the first, A.

    Raises:
        ValueError: a run without predictions of that model and split.
        PredictionsError: predictions of different utterances.
    """
    runs = [first, second]
    systems = [_seeds_or_refuse(run, model, split) for run in runs]
    header = (f"{model}, {split}", "seeds", "w-ACC", "w-F1", "95 % interval", "macro-F1", "ECE")
    rows = tuple(_summary(*line) for line in zip("AB", runs, systems, strict=True))
    _print_table(console, Table(header=header, rows=rows))
    _print_warning(console, split, runs)
    try:
        _print_line(console, in_words("A", "B", paired_test(*systems)))
    except PredictionsError as error:
        raise PredictionsError(f"{first.path} and {second.path}: {error}") from error


def _seeds_or_refuse(run: Run, model: str, split: Split) -> list[Predictions]:
    seeds = seeds_of(run.predictions, model, split)
    if not seeds:
        held = dict.fromkeys(f"{found.model} on {found.split}" for found in run.predictions)
        raise ValueError(
            f"{run.path} holds no predictions of the {model} on {split}, only {', '.join(held)}; choose with "
            "--model and --split"
        )
    return seeds


def _summary(letter: str, run: Run, seeds: Sequence[Predictions]) -> tuple[str, ...]:
    scores = [score(found, run.labels) for found in seeds]
    return (
        f"{letter}  {run.path}{selection_note(run.selected_on)}",
        str(len(seeds)),
        percent([found.w_acc for found in scores]),
        percent([found.w_f1 for found in scores]),
        percent_interval(bootstrap_interval(seeds)),
        percent([found.macro_f1 for found in scores]),
        percent([found.ece for found in scores]),
    )


def _print_warning(console: Console, split: Split, runs: Sequence[Run]) -> None:
    """The split that chose the epoch flatters: say so wherever its scores are shown."""
    for run in runs:
        if run.selected_on is split:
            _print_line(
                console, f"{run.path}: {split} chose the epoch, so its scores on {split} are too high"
            )


def in_words(
    first: str, second: str, test: PairedTest, *, corrected: float | None = None, comparisons: int = 1
) -> str:
    """What a paired test means.

    Args:
        corrected: the p-value corrected for all `comparisons` of which this is one; it decides and is shown
            where they are two or more.
    """
    points = round(100 * test.difference, 2)
    side = f"{'higher' if points > 0 else 'lower'} than {first} by {abs(points):.2f} points of w-F1"
    if points == 0:
        side = f"level with {first} in w-F1"
    decisive, p_text = test.p_value, f"p {p_value_text(test.p_value)}"
    if corrected is not None and comparisons > 1:
        decisive = corrected
        number = p_value_text(corrected).removeprefix("= ")
        p_text += f", {number} with Holm's correction for {comparisons} comparisons"
    alone = max(test.seeds) == 1
    drawn = "dialogues" if alone else "dialogues and seeds"
    meaning = f"such a difference is common between systems that are alike: these {drawn} do not decide"
    if decisive < RARE:
        meaning = "such a difference is rare between systems that are alike"
    if alone:
        meaning += "; with 1 seed each, nothing is said of other seeds"
    pairs = " in pairs" if test.paired_seeds and not alone else ""
    return (
        f"{second} is {side}, over {drawn}{' alone' if alone else ''}: "
        f"95 % interval {percent_interval(test.interval_95)}, {p_text}; "
        f"{test.seeds[0]} and {test.seeds[1]} seeds{pairs}, {test.dialogues} dialogues ({meaning})"
    )


def _print_table(console: Console, table: Table) -> None:
    """The table as it is, or on its side where the page is too narrow for it."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 > console.width:
        table = table.turned()
    drawn = RichTable(*map(escape, table.header))
    for column in drawn.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    console.print(drawn)


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False)
