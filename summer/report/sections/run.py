"""The section of one run: its origin, what it scores, how it was trained, what it costs, its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from summer.corpus import LabelSet, Split
from summer.evaluation.predictions import Predictions
from summer.report.document import Block, Facts, Grid, Heading, Picture, Section
from summer.report.sections.scores import scores_blocks
from summer.report.sections.training import History, training_blocks
from summer.report.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCost:
    """The median epoch of a model."""

    epochs: int
    seconds: float
    processor_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRun:
    """What a report says of a run.

    Args:
        facts: names and what they are, such as the commit.
        results: what results.json says, {} where it is absent.
        histories: by model, then seed, then epoch.
        costs: by model; models that take no step have none.
        figures: such as t-SNE, as they were drawn.
    """

    name: str
    predictions: Sequence[Predictions]
    labels: LabelSet
    selected_on: Split = Split.DEV
    facts: Sequence[tuple[str, str]] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    histories: Mapping[str, Sequence[History]] = field(default_factory=dict)
    costs: Mapping[str, EpochCost] = field(default_factory=dict)
    figures: Sequence[Picture] = ()


def run_section(run: ReportedRun) -> Section:
    """All that is known of it.

    Raises:
        ScoreError, PredictionsError: predictions that do not belong together.
    """
    return Section(title=f"Run {run.name}", blocks=tuple(_blocks(run)))


def _blocks(run: ReportedRun) -> Iterator[Block]:
    yield Facts(run.facts)
    yield from scores_blocks(run.predictions, run.labels, run.results, run.selected_on)
    yield from training_blocks(run.histories)
    if run.costs:
        yield Heading("Time spent")
        yield Grid("The median epoch of each model, without epoch 0", _costs(run.costs))
    if run.figures:
        yield Heading("Features in the plane")
        yield from run.figures


def _costs(costs: Mapping[str, EpochCost]) -> Table:
    rows = tuple(
        (model, str(cost.epochs), f"{cost.seconds:.2f}", f"{cost.processor_seconds:.2f}")
        for model, cost in costs.items()
    )
    return Table(header=("model", "epochs of all seeds", "seconds", "processor seconds"), rows=rows)
