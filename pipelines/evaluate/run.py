"""One `summer-evaluate` command, carried out: a run alone, or two against each other."""

from __future__ import annotations

from pipelines.evaluate.command import EvaluationOrder
from pipelines.evaluate.display import report_pair, report_run


def carry_out(order: EvaluationOrder) -> int:
    """Show what was asked for and return the exit status, 0.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    if order.other is None:
        return report_run(order.run, order.stage, order.split)
    return report_pair(order.run, order.other, order.stage, order.split)
