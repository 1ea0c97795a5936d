"""One `summer-evaluate` command, carried out: a run's scores, or one model of two runs compared."""

from __future__ import annotations

from rich.console import Console

from pipelines.evaluate.command import EvaluationOrder
from pipelines.evaluate.display import print_comparison, print_scores
from summer.corpus import Split
from summer.evaluation.scores import seeds_of
from summer.runs.reading import IDENTITY, Run, read_run

FINE = 0


def carry_out(order: EvaluationOrder) -> int:
    """Print the scores.

    Returns:
        The exit status: 0.

    Raises:
        ValueError: not a run, files that cannot be read, runs that cannot be compared; names the remedy.
    """
    console = Console(soft_wrap=True)
    if order.other is not None:
        first, second = read_run(order.run), read_run(order.other)
        _refuse_unlike(first, second)
        model = order.model or _common_model(first, second, order.split)
        print_comparison(console, first, second, model, order.split)
        return FINE
    if order.model is not None:
        raise ValueError(
            f"--model {order.model} chooses what of two runs is compared; give two runs, or no --model"
        )
    print_scores(console, read_run(order.run), order.split)
    return FINE


def _refuse_unlike(first: Run, second: Run) -> None:
    pairs = {key: (first.origin.get(key), second.origin.get(key)) for key in IDENTITY}
    unlike = {key: pair for key, pair in pairs.items() if None not in pair and pair[0] != pair[1]}
    if first.labels != second.labels:
        unlike["labels"] = (", ".join(first.labels.names), ", ".join(second.labels.names))
    for key, (ours, theirs) in unlike.items():
        raise ValueError(
            f"{first.path} and {second.path} cannot be compared: {key} {ours!r} and {theirs!r}; give two "
            "runs on the same corpus with the same protocol"
        )


def _common_model(first: Run, second: Run, split: Split) -> str:
    """The student where both runs have it, else the last that both have."""
    common = [
        model
        for model in first.models
        if all(seeds_of(run.predictions, model, split) for run in (first, second))
    ]
    if not common:
        raise ValueError(
            f"{first.path} has {', '.join(first.models)}, {second.path} {', '.join(second.models)}: no model "
            f"of both with predictions of {split}; choose another --split"
        )
    return "student" if "student" in common else common[-1]
