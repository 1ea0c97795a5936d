"""A finished run, read back: its predictions, what its results say of their origin, its histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summer.corpus import LabelSet, Split
from summer.durable import json_of
from summer.evaluation.predictions import Predictions, models_of, read_predictions
from summer.report.tables import selection_note
from summer.runs.folder import RunError

IDENTITY = ("corpus", "protocol")  # of a run; runs in which these differ are never compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's predictions, and what its results.json says of their origin.

    Args:
        origin: corpus and protocol, as far as they are known.
        selected_on: the split that chose the epoch.
        results: all of results.json, {} where it is absent.
    """

    path: Path
    predictions: Sequence[Predictions]
    labels: LabelSet
    origin: Mapping[str, str]
    selected_on: Split
    results: Mapping[str, Any]

    @property
    def models(self) -> list[str]:
        """The names of its models, in their order."""
        return models_of(self.predictions)

    @property
    def title(self) -> str:
        """The run's folder, corpus and protocol, and a warning where the epoch was not chosen on dev."""
        known = ", ".join(self.origin.values())
        return f"{self.path}{selection_note(self.selected_on)}{f': {known}' if known else ''}"


def read_run(path: str | Path) -> Run:
    """Read the predictions and the origin of a run.

    Args:
        path: a folder that summer-train or `summer.train` has written.

    Raises:
        PredictionsError: no run is there, or its predictions.csv is damaged; names the line and the remedy.
        RunError: results.json is damaged.
    """
    folder = Path(path)
    predictions, labels = read_predictions(folder / "predictions.csv")
    results = _read_results(folder / "results.json")
    return Run(
        path=folder,
        predictions=predictions,
        labels=labels,
        origin={key: str(results[key]) for key in IDENTITY if key in results},
        selected_on=Split(results.get("selected_on", Split.DEV)),
        results=results,
    )


def _read_results(path: Path) -> dict[str, Any]:
    """What results.json says, {} where it is absent."""
    if not path.is_file():
        return {}
    try:
        found = json_of(path.read_text(encoding="utf-8"))
        Split(found.get("selected_on", Split.DEV))
    except (ValueError, AttributeError) as error:
        raise RunError(
            f"{path} holds no results of a run: {error}; run summer-train again with the same --out"
        ) from error
    return dict(found)
