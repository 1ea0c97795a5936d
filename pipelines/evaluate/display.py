"""What `summer-evaluate` prints: the paper's table, intervals, and what a comparison means in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import STAGES, Predictions, PredictionsError, Stage, read_predictions
from summer.evaluation.scores import score, seeds_of
from summer.evaluation.significance import PairedTest, dialogue_bootstrap, paired_test
from summer.report.tables import Table, paper_table, percent, selection_note

FINE = 0
RARE = 0.05
MUST_AGREE = ("corpus", "protocol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's predictions, and what its results.json says of their origin.

    Args:
        origin: corpus and protocol, as far as they are known.
        selected_on: the split that chose the epoch.
    """

    path: Path
    predictions: Sequence[Predictions]
    labels: LabelSet
    origin: Mapping[str, str]
    selected_on: Split

    @property
    def title(self) -> str:
        """The run's folder, corpus and protocol, and a warning where the epoch was not chosen on dev."""
        known = ", ".join(self.origin.values())
        return f"{self.path}{selection_note(self.selected_on)}{f': {known}' if known else ''}"


def open_run(path: Path) -> Run:
    """Read the predictions and the origin of a run.

    Raises:
        ValueError: not a run, or files that cannot be read; names path and remedy.
    """
    predictions, labels = read_predictions(path / "predictions.csv")
    recorded = _recorded(path / "results.json")
    return Run(
        path=path,
        predictions=predictions,
        labels=labels,
        origin={key: str(recorded[key]) for key in MUST_AGREE if key in recorded},
        selected_on=Split(recorded.get("selected_on", Split.DEV)),
    )


def _recorded(path: Path) -> Mapping[str, Any]:
    """What results.json says, {} where it is absent."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        Split(found.get("selected_on", Split.DEV))
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} holds no results of a run: {error}; run summer-train again with the same --out"
        ) from error
    return dict(found)


def report_run(path: Path, stage: str | None, split: Split) -> int:
    """Print the paper's table of a run, its intervals, and its student against its teacher."""
    if stage is not None:
        raise ValueError(
            f"--stage {stage} chooses what of two runs is compared; give two runs, or no --stage"
        )
    run, console = open_run(path), Console(soft_wrap=True)
    table = paper_table(run.predictions, run.labels, split=split, selected_on=run.selected_on)
    found = {name: seeds_of(run.predictions, name, split) for name in STAGES}
    _print_line(console, f"{run.title}, {split}")
    _print_table(console, table)
    for name, seeds in found.items():
        if seeds:
            interval = _in_percent(dialogue_bootstrap(seeds))
            _print_line(console, f"{name}: w-F1 95 % interval {interval} over dialogues, seeds: {len(seeds)}")
    _print_warning(console, split, [run])
    if all(found.values()):
        test = paired_test(found["teacher"], found["student"])
        _print_line(console, in_words("the teacher", "the student", test))
    return FINE


def report_pair(first: Path, second: Path, stage: str | None, split: Split) -> int:
    """Print the summary of two runs and whether the second, B, differs from the first, A."""
    runs, console = [open_run(first), open_run(second)], Console(soft_wrap=True)
    _refuse_unlike(*runs)
    chosen = _chosen_stage(runs, stage, split)
    systems = [_seeds_or_refuse(run, chosen, split) for run in runs]
    header = (f"{chosen}, {split}", "seeds", "w-ACC", "w-F1", "95 % interval")
    rows = tuple(_summary(*line) for line in zip("AB", runs, systems, strict=True))
    _print_table(console, Table(header=header, rows=rows))
    _print_warning(console, split, runs)
    try:
        _print_line(console, in_words("A", "B", paired_test(*systems)))
    except PredictionsError as error:
        raise PredictionsError(f"{first} and {second}: {error}") from error
    return FINE


def _refuse_unlike(first: Run, second: Run) -> None:
    pairs = {key: (first.origin.get(key), second.origin.get(key)) for key in MUST_AGREE}
    unlike = {key: pair for key, pair in pairs.items() if None not in pair and pair[0] != pair[1]}
    if first.labels != second.labels:
        unlike["labels"] = (", ".join(first.labels.names), ", ".join(second.labels.names))
    for key, (ours, theirs) in unlike.items():
        raise ValueError(
            f"{first.path} and {second.path} cannot be compared: {key} {ours!r} and {theirs!r}; give two "
            "runs on the same corpus with the same protocol"
        )


def _chosen_stage(runs: Sequence[Run], stage: str | None, split: Split) -> Stage:
    if stage is None:
        both_have_it = all(seeds_of(run.predictions, "student", split) for run in runs)
        return "student" if both_have_it else "teacher"
    for known in STAGES:
        if stage == known:
            return known
    raise ValueError(f"--stage {stage!r} is not one of {', '.join(STAGES)}")


def _seeds_or_refuse(run: Run, stage: Stage, split: Split) -> list[Predictions]:
    seeds = seeds_of(run.predictions, stage, split)
    if not seeds:
        held = dict.fromkeys(f"{found.stage} on {found.split}" for found in run.predictions)
        raise ValueError(
            f"{run.path} holds no predictions of the {stage} on {split}, only {', '.join(held)}; choose with "
            "--stage and --split"
        )
    return seeds


def _summary(letter: str, run: Run, seeds: Sequence[Predictions]) -> tuple[str, ...]:
    scores = [score(found, run.labels) for found in seeds]
    return (
        f"{letter}  {run.path}{selection_note(run.selected_on)}",
        str(len(seeds)),
        percent([found.w_acc for found in scores]),
        percent([found.w_f1 for found in scores]),
        _in_percent(dialogue_bootstrap(seeds)),
    )


def _in_percent(interval: tuple[float, float]) -> str:
    return f"[{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]"


def _print_warning(console: Console, split: Split, runs: Sequence[Run]) -> None:
    """The split that chose the epoch flatters: say so wherever its scores are shown."""
    for run in runs:
        if run.selected_on is split:
            _print_line(
                console, f"{run.path}: {split} chose the epoch, so its scores on {split} are too high"
            )


def in_words(first: str, second: str, test: PairedTest) -> str:
    """What a paired test means."""
    points = round(100 * test.difference, 2)
    side = f"{'higher' if points > 0 else 'lower'} than {first} by {abs(points):.2f} points of w-F1"
    if points == 0:
        side = f"level with {first} in w-F1"
    meaning = "such a difference is common between systems that are alike: these dialogues do not decide"
    if test.p_value < RARE:
        meaning = "such a difference is rare between systems that are alike"
    return (
        f"{second} is {side}, 95 % interval {_in_percent(test.interval_95)}, p = {test.p_value:.2g}; "
        f"{test.seeds[0]} and {test.seeds[1]} seeds, {test.dialogues} dialogues ({meaning})"
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
